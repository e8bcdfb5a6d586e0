//! The columns of the table over a binding's files: those that the binding uses, each of a type that reads what the files hold.

use std::collections::BTreeMap;

use crate::binding::{ColumnPath, EventsTable, Held, HeldColumns};
use crate::catalog::Catalog;
use crate::dialect::trino::array_of;
use crate::sql::{self, DataType, Expr};

/// Beginning of the names that are the table's own.
const OWN: &str = "muster_";

/// The table's columns. Trino compares names without regard to case, so no two are the same but for that.
pub(super) struct Columns {
    /// By name, as the files have it.
    tree: BTreeMap<String, Node>,
    held: BTreeMap<ColumnPath, Held>,
    fine: bool,
}

/// A column or a field of one.
enum Node {
    One(Held),
    Fields(BTreeMap<String, Node>),
}

impl Columns {
    /// The columns that a binding uses. Those that no file has are there too, as long as they fit in, so that a table stays what it is when a file
    /// comes that has them.
    pub(super) fn new(catalog: &Catalog, binding: &EventsTable, held: &HeldColumns) -> Result<Self, String> {
        let fine = held.iter().any(|(_, held)| matches!(held, Held::Timestamp { nanos: true, .. }));
        let mut columns = Self { tree: BTreeMap::new(), held: BTreeMap::new(), fine };
        for (path, held) in held.iter() {
            check_names(path)?;
            columns.add(path, held);
        }
        for (path, of) in binding.uses(catalog) {
            if let Some(any) = of.any().filter(|_| held.get(&path).is_none() && check_names(&path).is_ok()) {
                columns.add(&path, any);
            }
        }
        check_cases(&columns.tree)?;
        if let Some((path, _)) = columns.held.iter().find(|(path, held)| **held == Held::Struct && !columns.has_fields(path)) {
            return Err(format!("column \"{}\" is a struct of which the catalog has no field that Trino reads", path.join(".")));
        }
        Ok(columns)
    }

    /// Adds a column, unless something else is at its place.
    fn add(&mut self, path: &ColumnPath, held: Held) {
        if held != Held::Struct {
            let Some((last, above)) = path.split_last() else { return };
            let mut fields = &mut self.tree;
            for name in above {
                match fields.entry(name.clone()).or_insert_with(|| Node::Fields(BTreeMap::new())) {
                    Node::Fields(inner) => fields = inner,
                    Node::One(_) => return,
                }
            }
            if fields.contains_key(last) {
                return;
            }
            fields.insert(last.clone(), Node::One(held));
        }
        self.held.insert(path.clone(), held);
    }

    fn has_fields(&self, path: &[String]) -> bool {
        let mut fields = &self.tree;
        for name in path {
            match fields.get(name) {
                Some(Node::Fields(inner)) => fields = inner,
                Some(Node::One(_)) | None => return false,
            }
        }
        true
    }

    /// Names and types.
    pub(super) fn definitions(&self) -> Vec<(String, DataType)> {
        self.fields(&self.tree)
    }

    fn fields(&self, fields: &BTreeMap<String, Node>) -> Vec<(String, DataType)> {
        let of = |node: &Node| match node {
            Node::One(held) => self.sql_type(*held),
            Node::Fields(inner) => DataType::Row(self.fields(inner)),
        };
        fields.iter().map(|(name, node)| (name.clone(), of(node))).collect()
    }

    fn sql_type(&self, held: Held) -> DataType {
        match held {
            // A struct has its fields' types.
            Held::Text | Held::Struct => DataType::Varchar,
            Held::Integer => DataType::BigInt,
            Held::Float => DataType::Double,
            Held::Decimal(digits, scale) => DataType::Decimal(digits.into(), scale.into()),
            Held::Boolean => DataType::Boolean,
            Held::Date => DataType::Date,
            // One precision holds for all columns of a session.
            Held::Timestamp { .. } => DataType::Timestamp(if self.fine { 9 } else { 6 }),
            Held::Texts => array_of(DataType::Varchar),
        }
    }

    /// Whether there are timestamps finer than microseconds.
    pub(super) fn fine(&self) -> bool {
        self.fine
    }

    /// A column and what it holds; `None` if there is none.
    pub(super) fn source(&self, path: &[String]) -> Option<(Expr, Held)> {
        let held = *self.held.get(path)?;
        let (first, rest) = path.split_first()?;
        Some((rest.iter().fold(sql::column(first.clone()), |at, name| sql::field(at, name)), held))
    }
}

/// What the Hive connector takes as names: columns without commas, fields of the characters that a type's text may have.
fn check_names(path: &ColumnPath) -> Result<(), String> {
    let field = |name: &String| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '$'));
    let usual = |name: &String| !name.starts_with([' ', '$']) && !name.ends_with(' ');
    let own = |name: &String| name.to_lowercase().starts_with(OWN);
    let column = |name: &String| usual(name) && !name.contains(',') && !own(name);
    let fits = path.split_first().is_some_and(|(first, rest)| column(first) && rest.iter().all(|name| field(name) && usual(name)));
    if fits { Ok(()) } else { Err(format!("Trino's Hive connector takes no column of the name \"{}\"", path.join("."))) }
}

fn check_cases(fields: &BTreeMap<String, Node>) -> Result<(), String> {
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    for (name, node) in fields {
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            return Err(format!("Trino cannot tell the columns \"{other}\" and \"{name}\" apart"));
        }
        if let Node::Fields(inner) = node {
            check_cases(inner)?;
        }
    }
    Ok(())
}

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
    /// What is in the tree, and why the rest is not.
    held: HeldColumns,
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
    pub(super) fn new(catalog: &Catalog, binding: &EventsTable, held: &HeldColumns) -> Self {
        let fine = held.iter().any(|(_, held)| matches!(held, Held::Timestamp { nanos: true, .. }));
        let mut columns = Self { tree: BTreeMap::new(), held: held.clone(), fine };
        let uses = binding.uses(catalog);
        for (path, _) in &uses {
            if let Some(why) = misnamed(path) {
                columns.held.refuse(path.clone(), why);
            }
        }
        for (path, held) in columns.held.clone().iter() {
            if !columns.add(path, held) {
                columns.held.refuse(path.clone(), format!("Trino cannot tell column \"{}\" and another apart", path.join(".")));
            }
        }
        for (path, of) in uses {
            let free = held.get(&path).is_none() && columns.held.refused(&path).is_none();
            if let Some(any) = of.any().filter(|_| free)
                && columns.add(&path, any)
            {
                columns.held.insert(path, any);
            }
        }
        for (path, held) in columns.held.clone().iter() {
            if held == Held::Struct && !columns.has_fields(path) {
                let why = format!("column \"{}\" is a struct of which the catalog has no field that Trino reads", path.join("."));
                columns.held.refuse(path.clone(), why);
            }
        }
        columns
    }

    /// Adds a column, and says whether it could be: not if something else is at its place.
    fn add(&mut self, path: &ColumnPath, held: Held) -> bool {
        let Some((last, above)) = path.split_last().filter(|_| held != Held::Struct) else { return true };
        let mut fields = &mut self.tree;
        for name in above {
            if has_like(fields, name) {
                return false;
            }
            match fields.entry(name.clone()).or_insert_with(|| Node::Fields(BTreeMap::new())) {
                Node::Fields(inner) => fields = inner,
                Node::One(_) => return false,
            }
        }
        match fields.get(last) {
            Some(Node::One(known)) => *known == held,
            Some(Node::Fields(_)) => false,
            None if has_like(fields, last) => false,
            None => fields.insert(last.clone(), Node::One(held)).is_none(),
        }
    }

    /// Why a column is not in the table, if something speaks against it.
    pub(super) fn refused(&self, path: &[String]) -> Option<String> {
        self.held.refused(path).map(str::to_owned)
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
        let held = self.held.get(path)?;
        let (first, rest) = path.split_first()?;
        Some((rest.iter().fold(sql::column(first.clone()), |at, name| sql::field(at, name)), held))
    }
}

/// Why the Hive connector takes no such name, if it does not: columns have no commas, and fields the characters that a type's text may have.
fn misnamed(path: &ColumnPath) -> Option<String> {
    let field = |name: &String| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '$'));
    let usual = |name: &String| !name.starts_with([' ', '$']) && !name.ends_with(' ');
    let own = |name: &String| name.to_lowercase().starts_with(OWN);
    let column = |name: &String| usual(name) && !name.contains(',') && !own(name);
    let fits = path.split_first().is_some_and(|(first, rest)| column(first) && rest.iter().all(|name| field(name) && usual(name)));
    (!fits).then(|| format!("Trino's Hive connector takes no column of the name \"{}\"", path.join(".")))
}

/// Whether there is another name that differs by case only.
fn has_like(fields: &BTreeMap<String, Node>, name: &str) -> bool {
    fields.keys().any(|other| other != name && other.to_lowercase() == name.to_lowercase())
}

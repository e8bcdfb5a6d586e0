//! Which columns of a table are which fields: CSV, Parquet and what a recipe's SQL gives.

use std::path::Path;

use arrow::datatypes::Schema;

use super::paths::{self, FieldPath};
use crate::error::{ImportError, Result};
use crate::hash;
use crate::mapping::{FILE, Half, Mapping, POSITION, ROW};
use crate::names::Names;

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Absent,
    Column(usize),
    Constant(String),
}

/// A property or attribute.
pub(crate) enum Prop {
    /// From one place.
    Plain { id: u32, source: Source },
    /// An object put together from columns with dotted names.
    Nested { id: u32, root: String, parts: Vec<(String, Source)> },
}

/// What made a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// It is a file.
    File,
    /// A recipe's query, over CSV files or others.
    Query { csv: bool },
}

impl Made {
    /// Whether the column says where a row is from, and is no property.
    pub(crate) fn is_about_row(self, column: &str) -> bool {
        self != Made::File && [POSITION, ROW, FILE].contains(&column)
    }

    /// Whether text columns hold CSV cells.
    pub(crate) fn is_csv(self) -> bool {
        self == Made::Query { csv: true }
    }
}

/// How the rows of a table become records.
pub(crate) struct Plan {
    /// The half's own fields, in their order.
    pub(crate) own: [Source; 4],
    pub(crate) props: Vec<Prop>,
    /// Fields of structs that are columns of their own here, behind those that there are.
    pub(crate) paths: Vec<FieldPath>,
    /// The column with the row's position in the file it comes from.
    pub(crate) position: Option<usize>,
    /// The column with the row's hash.
    pub(crate) row: Option<usize>,
    /// Seed of the rows' content.
    pub(crate) seed: u64,
}

impl Plan {
    /// Finds the fields among the columns, and where a schema says what is in them, inside them.
    ///
    /// # Errors
    ///
    /// `Input` if a needed field has no column, or two columns have one name.
    pub(crate) fn new(read: &Read<'_>, mapping: &Mapping, names: &Names, path: &Path, made: Made) -> Result<Self> {
        let columns = read.columns;
        if let Some((_, twice)) = columns.iter().enumerate().find(|(i, name)| columns.iter().take(*i).any(|c| c == *name)) {
            return Err(ImportError::input(path, format!("two columns have the name \"{twice}\"")));
        }
        let place = |name: &str| columns.iter().position(|c| c == name);
        let mut columns_mapped = Places { read, paths: Vec::new() };
        let mut taken: Vec<usize> = (0..columns.len()).filter(|&i| columns.get(i).is_some_and(|c| made.is_about_row(c))).collect();
        let about_row = |name: &str| place(name).filter(|_| made != Made::File);
        let mut own = [const { Source::Absent }; 4];
        for (&field, source) in mapping.half.own().iter().zip(&mut own) {
            let mapped = mapping.column(field).and_then(|column| {
                let at = columns_mapped.place(column)?;
                mapping.found(column);
                Some(at)
            });
            // A column of the field's own name is the field, unless something else is, or it is mapped to another field.
            let constant = mapping.constant(field);
            let native = place(field).filter(|_| constant.is_none() && mapped.is_none() && !mapping.is_mapped(field));
            taken.extend(mapped.into_iter().chain(native));
            *source = match (constant, mapped.or(native)) {
                (Some(value), _) => Source::Constant(value.to_owned()),
                (None, Some(at)) => Source::Column(at),
                (None, None) => Source::Absent,
            };
            let needed = matches!(field, "user_id" | "event" | "ts");
            if needed && *source == Source::Absent {
                return Err(missing(columns, field, mapping.column(field), path));
            }
        }
        let props = props(&mut columns_mapped, mapping, names, taken)?;
        let seed = hash::header_seed(columns.iter().map(String::as_str).filter(|c| !made.is_about_row(c)));
        Ok(Self { own, props, paths: columns_mapped.paths, position: about_row(POSITION), row: about_row(ROW), seed })
    }

    /// The place of the time among the half's own fields, and its name.
    pub(crate) fn time_field(half: Half) -> (usize, &'static str) {
        match half {
            Half::Events => (2, "ts"),
            Half::Users => (1, "first_seen_at"),
        }
    }
}

/// The columns of what is read.
pub(crate) struct Read<'a> {
    pub(crate) columns: &'a [String],
    /// Their types, where they have any.
    pub(crate) schema: Option<&'a Schema>,
}

/// The places of mapped columns.
struct Places<'a> {
    read: &'a Read<'a>,
    /// Those inside others, which stand behind the columns.
    paths: Vec<FieldPath>,
}

impl Places<'_> {
    fn place(&mut self, column: &str) -> Option<usize> {
        if let Some(at) = self.read.columns.iter().position(|c| c == column) {
            return Some(at);
        }
        let path = paths::find(self.read.schema?, column)?;
        let before = self.paths.iter().position(|p| *p == path);
        let at = before.unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        Some(self.read.columns.len() + at)
    }
}

fn missing(columns: &[String], field: &str, mapped: Option<&str>, path: &Path) -> ImportError {
    let mapped = mapped.map_or_else(String::new, |column| format!(", nor is there a column \"{column}\", which is mapped to it"));
    let known: Vec<String> = columns.iter().map(|c| format!("\"{c}\"")).collect();
    ImportError::input(
        path,
        format!(
            "no column is the field \"{field}\"{mapped}; the columns are {}. Name it with --map {field}=COLUMN, or give a constant with --set {field}=VALUE",
            known.join(", ")
        ),
    )
}

fn props(places: &mut Places<'_>, mapping: &Mapping, names: &Names, mut taken: Vec<usize>) -> Result<Vec<Prop>> {
    let mut named: Vec<(String, Source)> = Vec::new();
    for (field, value) in mapping.constants() {
        named.push((field.to_owned(), Source::Constant(value.to_owned())));
    }
    for (field, column) in mapping.renamed() {
        let Some(at) = places.place(column) else { continue };
        mapping.found(column);
        taken.push(at);
        named.push((field.to_owned(), Source::Column(at)));
    }
    for (at, column) in places.read.columns.iter().enumerate() {
        if !taken.contains(&at) && !named.iter().any(|(name, _)| name == column) {
            named.push((column.clone(), Source::Column(at)));
        }
    }
    let mut out: Vec<Prop> = Vec::new();
    let roots: Vec<String> = named.iter().map(|(name, _)| root(name).to_owned()).collect();
    for (i, (name, source)) in named.iter().enumerate() {
        let Some(root) = roots.get(i) else { continue };
        if roots.iter().take(i).any(|r| r == root) {
            continue;
        }
        let id = names.id(root)?;
        let parts: Vec<(String, Source)> = named.iter().zip(&roots).filter(|(_, r)| *r == root).map(|(part, _)| part.clone()).collect();
        if parts.len() == 1 && name == root {
            out.push(Prop::Plain { id, source: source.clone() });
        } else {
            out.push(Prop::Nested { id, root: root.clone(), parts });
        }
    }
    Ok(out)
}

/// The first step of a name that is a path, else the name.
fn root(name: &str) -> &str {
    match name.split_once('.') {
        Some((root, _)) if !name.split('.').any(str::is_empty) => root,
        _ => name,
    }
}

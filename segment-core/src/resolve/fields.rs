//! Names of attributes, properties and item fields → where their values are; trees of `where` and `any_item`.

use std::sync::Arc;

use super::Cx;
use crate::catalog::{Builtin, Field, Origin, Scope};
use crate::condition::FieldCondition;
use crate::diagnostics::{Code, Pointer};
use crate::map::HashMap;
use crate::names;
use crate::ops::Subject;
use crate::plan::{FieldRef, Filter, Source};
use crate::types::{Fields, Type};

/// Where a name is looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Names<'a> {
    /// Profile attributes, built-in ones among them.
    Attributes,
    /// Event properties.
    Properties,
    /// The fields of a list's items.
    Item(&'a Fields),
    /// The fields of items that are not known, because their list is not: none is found, and none reported.
    Unknown,
}

/// Fields that were found and need no warning, by their dotted names.
#[derive(Debug, Default)]
pub(super) struct KnownFields {
    attributes: HashMap<String, Arc<FieldRef>>,
    properties: HashMap<String, Arc<FieldRef>>,
}

impl KnownFields {
    fn of(&mut self, names: Names<'_>) -> Option<&mut HashMap<String, Arc<FieldRef>>> {
        match names {
            Names::Attributes => Some(&mut self.attributes),
            Names::Properties => Some(&mut self.properties),
            Names::Item(_) | Names::Unknown => None,
        }
    }
}

impl Cx<'_> {
    /// Looks a dotted name up; an unknown one is reported at `at`.
    pub(crate) fn field(&mut self, names: Names<'_>, dotted: &str, at: &Pointer<'_>) -> Option<Arc<FieldRef>> {
        if let Some(known) = self.fields.of(names).and_then(|known| known.get(dotted)) {
            return Some(known.clone());
        }
        let warned = self.warnings.len();
        let found = Arc::new(self.look_up(names, dotted, at)?);
        if self.warnings.len() == warned
            && let Some(known) = self.fields.of(names)
        {
            known.insert(dotted.to_owned(), found.clone());
        }
        Some(found)
    }

    fn look_up(&mut self, names: Names<'_>, dotted: &str, at: &Pointer<'_>) -> Option<FieldRef> {
        if let (Names::Attributes, Some(builtin)) = (names, Builtin::named(dotted)) {
            return Some(FieldRef { source: Source::Builtin(builtin), path: vec![dotted.to_owned()], ty: builtin.ty() });
        }
        let catalog = self.catalog;
        let mut steps = dotted.split('.');
        let name = steps.next().unwrap_or_default();
        let rest: Vec<&str> = steps.collect();
        let field = match names {
            Names::Attributes => catalog.attributes.get(name),
            Names::Properties => catalog.properties.get(name),
            Names::Item(_) | Names::Unknown => None,
        };
        let found = match names {
            Names::Unknown => return None,
            Names::Attributes => field.and_then(|f| stored(f, Scope::Attribute, name, &rest)),
            Names::Properties => field.and_then(|f| stored(f, Scope::Property, name, &rest)),
            Names::Item(fields) => fields.get(name).and_then(|ty| walk(ty, &rest)).map(|walked| FieldRef {
                source: Source::Item,
                path: std::iter::once(name.to_owned()).chain(walked.path).chain(walked.key).collect(),
                ty: walked.ty,
            }),
        };
        if found.is_none() {
            let (code, what, known) = match names {
                Names::Attributes => {
                    let mut known = dotted_names(catalog.attributes.iter().map(|(n, f)| (n, &f.ty)));
                    known.extend(["user_id", "first_seen_at", "last_seen_at"].map(str::to_owned));
                    (Code::UnknownAttribute, "attribute", known)
                }
                Names::Properties => (Code::UnknownProperty, "property", dotted_names(catalog.properties.iter().map(|(n, f)| (n, &f.ty)))),
                Names::Item(fields) => (Code::UnknownProperty, "field of the items", dotted_names(fields.iter())),
                Names::Unknown => return None,
            };
            let hint = names::nearest(dotted, known.iter().map(String::as_str));
            self.fault_hint(code, at, format!("there is no {what} \"{dotted}\": it is neither declared nor ever seen"), hint);
            return None;
        }
        // What others write is never looked through for names.
        let unknowable = matches!(names, Names::Properties) && catalog.events_table.is_some();
        if !unknowable && field.is_some_and(|f| f.origin == Origin::Declared && !f.seen) {
            self.warn(Code::NeverSeen, at, format!("\"{name}\" is declared, but no data has it yet"));
        }
        found
    }
}

struct Walked {
    path: Vec<String>,
    key: Option<String>,
    ty: Type,
}

/// Follows a path through objects and, last, a map's key, which may itself hold dots.
fn walk(ty: &Type, rest: &[&str]) -> Option<Walked> {
    let mut path = Vec::new();
    let mut ty = ty;
    let mut left = rest;
    loop {
        match (ty, left) {
            (_, []) => return Some(Walked { path, key: None, ty: ty.clone() }),
            (Type::Object(fields), [step, more @ ..]) => {
                ty = fields.get(*step)?;
                path.push((*step).to_owned());
                left = more;
            }
            (Type::Map(values), _) => return Some(Walked { path, key: Some(left.join(".")), ty: values.as_ref().clone() }),
            _ => return None,
        }
    }
}

fn stored(field: &Field, scope: Scope, name: &str, rest: &[&str]) -> Option<FieldRef> {
    let walked = walk(&field.ty, rest)?;
    let column = field.columns.iter().find(|c| c.path == walked.path)?.clone();
    let path = std::iter::once(name.to_owned()).chain(walked.path).chain(walked.key.clone()).collect();
    let source = match walked.key {
        Some(key) => Source::MapKey(scope, column, key),
        None => Source::Column(scope, column),
    };
    Some(FieldRef { source, path, ty: walked.ty })
}

fn dotted_names<'a>(fields: impl Iterator<Item = (&'a String, &'a Type)>) -> Vec<String> {
    let mut out = Vec::new();
    for (name, ty) in fields {
        out.push(name.clone());
        if let Type::Object(inner) = ty {
            out.extend(dotted_names(inner.iter()).into_iter().map(|n| format!("{name}.{n}")));
        }
    }
    out
}

/// Resolves a tree over properties or item fields.
pub(crate) fn filter(cx: &mut Cx<'_>, condition: &FieldCondition, names: Names<'_>, pointer: &Pointer<'_>) -> Option<Filter> {
    if !cx.count_node(pointer, 1) {
        return None;
    }
    match condition {
        FieldCondition::All(children) => Some(Filter::All(group(cx, children, names, pointer, "all")?)),
        FieldCondition::Any(children) => Some(Filter::Any(group(cx, children, names, pointer, "any")?)),
        FieldCondition::Not(child) => Some(Filter::Not(Box::new(filter(cx, child, names, &pointer.key("not"))?))),
        FieldCondition::Property(name, comparison) => {
            let (field, test, negative) = cx.tested(names, (name, "property"), comparison, pointer)?;
            let test = Filter::Test(field, test);
            Some(if negative { Filter::Not(Box::new(test)) } else { test })
        }
        FieldCondition::Unnamed(comparison) => {
            cx.comparison(comparison, Subject::Unknown, pointer)?;
            None
        }
        FieldCondition::Invalid => None,
    }
}

fn group(cx: &mut Cx<'_>, children: &[FieldCondition], names: Names<'_>, pointer: &Pointer<'_>, key: &str) -> Option<Vec<Filter>> {
    let at = pointer.key(key);
    if children.is_empty() {
        let meaning = if key == "all" { "always" } else { "never" };
        cx.warn(Code::EmptyGroup, &at, format!("\"{key}\" of nothing {meaning} holds"));
    }
    let filters: Vec<Option<Filter>> = children.iter().enumerate().map(|(i, c)| filter(cx, c, names, &at.index(i))).collect();
    filters.into_iter().collect()
}

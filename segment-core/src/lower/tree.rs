//! The whole query: arms, joins, and the tree as one boolean expression.

use super::arm::{self, Columns};
use super::marks::{Form, Marks, Strategy};
use super::users::{MARKS, Marked, PROFILES, Users};
use super::{Key, Lowered, Read, Tables};
use crate::catalog::{Builtin, Column, ColumnKind};
use crate::dialect::Dialect;
use crate::plan::{EventMatch, FieldRef, Interval, Leaf, Node, Plan, Source, Test};
use crate::sql::{self, Aggregate, BinaryOperator, Expr, Item, Join, JoinKind, Query, Select, Table};
use crate::time::Zone;
use crate::types::Type;

/// The alias of the arms' union.
const ARMS: &str = "a";

pub(super) fn query(plan: &Plan, marks: &Marks<'_>, dialect: &dyn Dialect, tables: &Tables, strategy: Strategy) -> Lowered {
    let arms = marks.arms(strategy);
    let form = Form::of(strategy, &arms);
    let columns = form.names(marks.leaves.len());
    let mut reads: Vec<Read> = arms.iter().map(|a| Read { events: a.events.clone(), window: a.window }).collect();
    let key = tables.key.column();
    let joined = strategy != Strategy::Subqueries;
    let handed = if joined { Columns::Marks(&form) } else { Columns::UserOnly };
    // Of subqueries, only who they find is looked at here, and that only if it says who the users are.
    let selects = arms.iter().filter(|_| joined || tables.key == Key::Id);
    let selects: Vec<Select> = selects.map(|a| arm::select(a, marks, &plan.zone, dialect, tables, strategy, handed)).collect();
    let several = selects.len() > 1;
    let marked = Query::union_all(selects).map(|union| Marked {
        users: match (several, joined) {
            (false, _) => union,
            (true, true) => regrouped(union, key, &columns, &form).into(),
            (true, false) => regrouped(union, key, &[], &Form::Columns).into(),
        },
        joined,
        left: without_marks(&plan.root).possibly_true,
    });
    let mut users = Users::new(plan, tables, marked, dialect);
    if users.reads_all {
        reads.push(Read { events: EventMatch::Any, window: Interval { start: None, end: i64::MAX } });
    }
    let mut joins = std::mem::take(&mut users.joins);
    for (i, key) in marks.lists.iter().enumerate() {
        let name = list_name(i);
        let table = tables.lists.get(key).cloned().unwrap_or_default();
        let on = sql::binary(sql::column_of(name.clone(), "user_id"), BinaryOperator::Eq, users.builtin(Builtin::UserId));
        joins.push(Join { table: Table::Named(table, Some(name.into())), on, kind: JoinKind::Left });
    }
    let cx = Tree { plan, marks, form: &form, columns: &columns, dialect, tables, strategy, users: &users };
    let mut conditions: Vec<Expr> = users.universe.iter().cloned().collect();
    match plan.root.as_ref() {
        Node::Const(true) => {}
        Node::All(children) => conditions.extend(children.iter().map(|c| cx.node(c))),
        root => conditions.push(cx.node(root)),
    }
    let select = Select {
        projection: vec![Item::new(users.number.clone(), "user_no"), Item::new(users.builtin(Builtin::UserId), "user_id")],
        from: users.from,
        joins,
        selection: (!conditions.is_empty()).then(|| sql::and(conditions)),
        group_by: Vec::new(),
        having: None,
    };
    Lowered { query: select.into(), as_of: Vec::new(), external: None, reads, lists: marks.lists.clone() }
}

/// One row a user over the arms' union: each mark comes from one arm at most, so that bits add up.
fn regrouped(union: Query, key: &'static str, names: &[String], form: &Form) -> Select {
    let (together, selection) = match form {
        Form::Columns => ("max", None),
        Form::Bits(_) => {
            let any = |name: &String| sql::binary(sql::column(name.clone()), BinaryOperator::NotEq, sql::integer(0));
            ("sum", Some(sql::or(names.iter().map(any).collect())))
        }
    };
    let mut projection = vec![Item::column(key)];
    projection.extend(names.iter().map(|name| Item::new(Aggregate::new(together, [sql::column(name.clone())]).expr(), name)));
    Select {
        projection,
        from: Table::Derived(union, ARMS.into()),
        joins: Vec::new(),
        selection,
        group_by: vec![sql::column(key)],
        having: None,
    }
}

fn list_name(i: usize) -> String {
    format!("l{i}")
}

struct Tree<'a> {
    plan: &'a Plan,
    marks: &'a Marks<'a>,
    form: &'a Form,
    /// The names of the marks' columns.
    columns: &'a [String],
    dialect: &'a dyn Dialect,
    tables: &'a Tables,
    strategy: Strategy,
    users: &'a Users,
}

impl Tree<'_> {
    /// Where an attribute is; NULL where it is missing.
    fn attribute(&self, field: &FieldRef) -> Expr {
        match &field.source {
            Source::Builtin(builtin) => self.users.builtin(*builtin),
            Source::Column(..) | Source::MapKey(..) | Source::Item => stored(field, Some(PROFILES), &self.plan.zone, self.dialect),
        }
    }

    /// True where the node holds; false or NULL elsewhere.
    fn node(&self, node: &Node) -> Expr {
        match node {
            Node::Const(b) => sql::boolean(*b),
            Node::All(children) => sql::and(children.iter().map(|c| self.node(c)).collect()),
            Node::Any(children) => sql::or(children.iter().map(|c| self.node(c)).collect()),
            Node::Leaf(leaf) => self.leaf(leaf, true),
            Node::Not(child) => match child.as_ref() {
                Node::Leaf(leaf) => self.leaf(leaf, false),
                other => sql::not(sql::coalesce_false(self.node(other))),
            },
        }
    }

    fn leaf(&self, leaf: &Leaf, holds: bool) -> Expr {
        match leaf {
            Leaf::Attribute(field, test) => {
                let value = self.attribute(field);
                match (test, holds) {
                    (_, true) => test.lower(value, &field.ty, self.dialect),
                    (Test::Exists, false) => sql::is_null(value),
                    (_, false) => sql::not(sql::coalesce_false(test.lower(value, &field.ty, self.dialect))),
                }
            }
            Leaf::Event(event) => {
                let Some(i) = self.marks.position(event) else {
                    return sql::boolean(false);
                };
                let marked = holds != event.holds_over_nothing();
                if self.strategy == Strategy::Subqueries {
                    let arms = self.marks.arms(self.strategy);
                    let Some(arm) = arms.iter().find(|a| a.leaves.contains(&i)) else {
                        return sql::boolean(false);
                    };
                    let select = arm::select(arm, self.marks, &self.plan.zone, self.dialect, self.tables, self.strategy, Columns::UserOnly);
                    let key = match self.tables.key {
                        Key::Number => self.users.number.clone(),
                        Key::Id => self.users.builtin(Builtin::UserId),
                    };
                    return sql::in_query(key, select.into(), marked);
                }
                let (column, bit) = match self.form {
                    Form::Columns => (i, None),
                    Form::Bits(bits) => bits.get(i).map_or((i, None), |bit| (bit.column, Some(bit.value))),
                };
                let Some(name) = self.columns.get(column) else {
                    return sql::boolean(false);
                };
                let mark = sql::column_of(MARKS, name);
                match bit {
                    None if marked => sql::is_not_null(mark),
                    None => sql::is_null(mark),
                    Some(bit) if marked => self.dialect.has_bit(mark, bit),
                    Some(bit) => sql::not(sql::coalesce_false(self.dialect.has_bit(mark, bit))),
                }
            }
            Leaf::List(key) => {
                let i = self.marks.lists.iter().position(|k| k == key).unwrap_or_default();
                let member = sql::column_of(list_name(i), "user_id");
                if holds { sql::is_not_null(member) } else { sql::is_null(member) }
            }
            Leaf::Sample(sample) => {
                let (id, ty) = match &sample.by {
                    None => (self.users.builtin(Builtin::UserId), Type::String),
                    Some(field) => (self.attribute(field), field.ty.clone()),
                };
                let inside = self.dialect.in_sample(id, &ty, sample);
                if holds { inside } else { sql::not(sql::coalesce_false(inside)) }
            }
        }
    }
}

/// The expression that finds a stored value; NULL where it is missing.
pub(super) fn stored(field: &FieldRef, table: Option<&'static str>, zone: &Zone, dialect: &dyn Dialect) -> Expr {
    let plain = |name: &str| match table {
        Some(table) => sql::column_of(table, name),
        None => sql::column(name.to_owned()),
    };
    match &field.source {
        Source::Builtin(builtin) => plain(builtin.name()),
        Source::Column(_, column) => current(column, &plain, zone, dialect),
        Source::MapKey(_, column, key) => dialect.map_value(plain(&column.name), key, &field.ty),
        // Item fields live inside `any_item`, where the dialect finds them.
        Source::Item => sql::null(),
    }
}

/// The column's value, or that of the narrower column which held it before the type widened.
fn current(column: &Column, plain: &dyn Fn(&str) -> Expr, zone: &Zone, dialect: &dyn Dialect) -> Expr {
    let value = plain(&column.name);
    match &column.before {
        None => value,
        Some(before) => {
            let ty = match column.kind {
                ColumnKind::Timestamp => Type::Timestamp,
                _ => Type::Number,
            };
            let narrow = current(before, plain, zone, dialect);
            sql::call("coalesce", [value, dialect.widened(narrow, &ty, zone)])
        }
    }
}

/// What a tree can be for a user who has no mark.
#[derive(Clone, Copy)]
struct Possible {
    possibly_true: bool,
    possibly_false: bool,
}

fn without_marks(node: &Node) -> Possible {
    let known = |b: bool| Possible { possibly_true: b, possibly_false: !b };
    match node {
        Node::Const(b) => known(*b),
        Node::Leaf(Leaf::Event(leaf)) => known(leaf.holds_over_nothing()),
        Node::Leaf(Leaf::Attribute(..) | Leaf::List(_) | Leaf::Sample(_)) => Possible { possibly_true: true, possibly_false: true },
        Node::Not(child) => {
            let child = without_marks(child);
            Possible { possibly_true: child.possibly_false, possibly_false: child.possibly_true }
        }
        Node::All(children) => {
            let children: Vec<Possible> = children.iter().map(|c| without_marks(c)).collect();
            Possible { possibly_true: children.iter().all(|c| c.possibly_true), possibly_false: children.iter().any(|c| c.possibly_false) }
        }
        Node::Any(children) => {
            let children: Vec<Possible> = children.iter().map(|c| without_marks(c)).collect();
            Possible { possibly_true: children.iter().any(|c| c.possibly_true), possibly_false: children.iter().all(|c| c.possibly_false) }
        }
    }
}

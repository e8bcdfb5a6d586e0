//! One scan of the events, grouped by user, with a mark for each leaf.

use super::marks::{Arm, Bit, Form, Marks, Strategy, mark_name};
use super::sums;
use super::tree::stored;
use super::{SPAN_FROM, SPAN_UNTIL, Tables};
use crate::decimal::Decimal;
use crate::dialect::Dialect;
use crate::plan::{EventLeaf, EventMatch, FieldRef, Filter, Interval, Measure, Test};
use crate::sql::{self, Aggregate, BinaryOperator, Expr, Item, Select, Table};
use crate::time::Zone;
use crate::types::Type;
use crate::value::Value;

/// The arm's SELECT: the user's key and what it hands on of the marks of the whole tree.
pub(super) fn select(
    arm: &Arm,
    marks: &Marks<'_>,
    zone: &Zone,
    dialect: &dyn Dialect,
    tables: &Tables,
    strategy: Strategy,
    columns: Columns<'_>,
) -> Select {
    let own: Vec<(usize, &EventLeaf)> = arm.leaves.iter().filter_map(|i| marks.leaves.get(*i).map(|l| (*i, *l))).collect();
    let shared_filter = match own.as_slice() {
        [(_, first), rest @ ..] if rest.iter().all(|(_, l)| l.filter == first.filter) => Some(&first.filter),
        _ => None,
    };
    let one_scan = matches!(strategy, Strategy::OneScan | Strategy::OneScanBounded) && own.len() > 1;
    // Leaves of an arm that reads for several choices of events say each what it asks for.
    let each_alone = one_scan || own.iter().any(|(_, leaf)| leaf.events != arm.events);
    let outer = (!each_alone || strategy != Strategy::OneScan).then_some(arm.window);
    let conditions = if each_alone {
        rows_of_each(arm, &own, outer, zone, dialect, tables)
    } else {
        let mut conditions = bounds(arm, dialect, tables);
        conditions.extend(shared_filter.filter(|f| **f != Filter::Const(true)).map(|f| property_filter(f, zone, dialect)));
        conditions
    };
    let (mut tests, mut all_marked) = (Vec::<(usize, Expr)>::with_capacity(own.len()), false);
    for (i, leaf) in &own {
        let mut only = if each_alone { alone(leaf, outer, zone, dialect) } else { Vec::new() };
        if !each_alone && leaf.window != arm.window {
            within(&mut only, narrower(leaf.window, arm.window), dialect);
        }
        if !each_alone && shared_filter.is_none() && leaf.filter != Filter::Const(true) {
            only.push(property_filter(&leaf.filter, zone, dialect));
        }
        let unconditional = only.is_empty();
        // Two-valued: DataFusion's count(*) takes a FILTER that is NULL for true (datafusion 53.1, `accumulate_indices`).
        let only = (!unconditional).then(|| sql::coalesce_false(sql::and(only)));
        if unconditional && leaf.measure == Measure::Count && !leaf.holds_over_nothing() && leaf.test == Test::Gte(Value::Integer(1)) {
            // Whoever is in the group has the mark.
            all_marked = true;
            tests.push((*i, sql::boolean(true)));
            continue;
        }
        let test = measure_test(leaf, only, zone, dialect);
        // A measure that is something over no events is never NULL; neither is its test.
        tests.push((*i, if leaf.holds_over_nothing() { sql::not(test) } else { test }));
    }
    let key = tables.key.column();
    let mut projection = vec![Item::column(key)];
    match columns {
        Columns::UserOnly => {}
        Columns::Marks(Form::Columns) => projection.extend(one_each(&tests, marks.leaves.len(), dialect)),
        Columns::Marks(form @ Form::Bits(bits)) => projection.extend(packed(&mut tests, bits, &form.names(marks.leaves.len()))),
    }
    let having = (!all_marked && !tests.is_empty()).then(|| sql::or(tests.into_iter().map(|(_, test)| test).collect()));
    Select {
        projection,
        from: Table::Named(tables.events.clone(), None),
        joins: Vec::new(),
        selection: (!conditions.is_empty()).then(|| sql::and(conditions)),
        group_by: vec![sql::column(key)],
        having,
    }
}

/// The events and the times that an arm reads.
fn bounds(arm: &Arm, dialect: &dyn Dialect, tables: &Tables) -> Vec<Expr> {
    let mut conditions = Vec::with_capacity(4);
    conditions.extend(selected(&arm.events, dialect));
    within(&mut conditions, arm.window, dialect);
    conditions.extend(partitions(arm.window, tables));
    conditions
}

/// The rows that one of the leaves asks for, or another. What the outer window and the names bound already is said once.
fn rows_of_each(
    arm: &Arm,
    own: &[(usize, &EventLeaf)],
    outer: Option<Interval>,
    zone: &Zone,
    dialect: &dyn Dialect,
    tables: &Tables,
) -> Vec<Expr> {
    let mut conditions = if outer.is_some() { bounds(arm, dialect, tables) } else { Vec::new() };
    let asked = |leaf: &EventLeaf| {
        let window = outer.map_or(leaf.window, |outer| narrower(leaf.window, outer));
        sql::and(alone(leaf, outer, zone, dialect).into_iter().chain(partitions(window, tables)).collect())
    };
    let all_of_it = |leaf: &EventLeaf| outer == Some(leaf.window) && leaf.filter == Filter::Const(true);
    if !(matches!(arm.events, EventMatch::Names(_)) && own.iter().all(|(_, leaf)| all_of_it(leaf))) {
        conditions.push(sql::or(own.iter().map(|(_, leaf)| asked(leaf)).collect()));
    }
    conditions
}

/// What an arm hands on.
#[derive(Clone, Copy)]
pub(super) enum Columns<'a> {
    /// The keys of those marked.
    UserOnly,
    /// The keys and the marks.
    Marks(&'a Form),
}

/// A column for each mark of the tree; NULL for those of other arms.
fn one_each(tests: &[(usize, Expr)], leaves: usize, dialect: &dyn Dialect) -> Vec<Item> {
    let several = tests.len() > 1;
    let mut own = tests.iter().peekable();
    let columns = (0..leaves).map(|i| {
        let mark = match own.next_if(|(position, _)| *position == i) {
            None => dialect.null_integer(),
            Some((_, test)) if several && !is_true(test) => sql::case_when(test.clone(), sql::integer(1), None),
            Some(_) => sql::integer(1),
        };
        Item::new(mark, &mark_name(i))
    });
    columns.collect()
}

/// The marks as bits, added up in their columns.
///
/// Of several marks the tests are taken, so that each is written once: who has none of them is left out over the union.
fn packed(tests: &mut Vec<(usize, Expr)>, bits: &[Bit], names: &[String]) -> Vec<Item> {
    let mut terms: Vec<Vec<Expr>> = names.iter().map(|_| Vec::new()).collect();
    let mut add = |i: usize, test: Option<Expr>| {
        let Some(bit) = bits.get(i) else { return };
        let value = sql::integer(bit.value);
        if let Some(column) = terms.get_mut(bit.column) {
            column.push(match test {
                Some(test) if !is_true(&test) => sql::case_when(test, value, Some(sql::integer(0))),
                _ => value,
            });
        }
    };
    match tests.as_slice() {
        [(i, _)] => add(*i, None),
        _ => std::mem::take(tests).into_iter().for_each(|(i, test)| add(i, Some(test))),
    }
    terms.into_iter().zip(names).map(|(terms, name)| Item::new(sql::plus(terms), name)).collect()
}

fn is_true(test: &Expr) -> bool {
    *test == sql::boolean(true)
}

/// Everything that one leaf asks of a row which is in the outer window.
fn alone(leaf: &EventLeaf, outer: Option<Interval>, zone: &Zone, dialect: &dyn Dialect) -> Vec<Expr> {
    let window = outer.map_or(leaf.window, |outer| narrower(leaf.window, outer));
    let mut conditions: Vec<Expr> = selected(&leaf.events, dialect).into_iter().collect();
    within(&mut conditions, window, dialect);
    if leaf.filter != Filter::Const(true) {
        conditions.push(property_filter(&leaf.filter, zone, dialect));
    }
    conditions
}

fn selected(events: &EventMatch, dialect: &dyn Dialect) -> Option<Expr> {
    let event = sql::column("event");
    match events {
        EventMatch::Any => None,
        EventMatch::Prefix(prefix) => Some(dialect.starts_with(event, prefix)),
        EventMatch::Names(names) => {
            let mut names: Vec<Expr> = names.iter().map(|n| sql::string(n)).collect();
            match (names.len(), names.pop()) {
                (1, Some(name)) => Some(sql::binary(event, BinaryOperator::Eq, name)),
                (_, last) => {
                    names.extend(last);
                    Some(sql::in_list(event, names))
                }
            }
        }
    }
}

fn within(out: &mut Vec<Expr>, window: Interval, dialect: &dyn Dialect) {
    let bound = |op: BinaryOperator, at: i64| sql::binary(sql::column("ts"), op, dialect.value(&Value::Timestamp(at)));
    if let Some(start) = window.start {
        out.push(bound(BinaryOperator::GtEq, start));
    }
    if window.end != i64::MAX {
        out.push(bound(BinaryOperator::Lt, window.end));
    }
}

/// Which partitions can hold events of the window, where they say so.
fn partitions(window: Interval, tables: &Tables) -> Vec<Expr> {
    const SECOND: i64 = 1_000_000;
    let bound = |name: &'static str, op: BinaryOperator, at: i64| sql::binary(sql::column(name), op, sql::integer(at));
    let mut out = Vec::new();
    if let Some(start) = window.start.filter(|_| tables.spans) {
        out.push(bound(SPAN_UNTIL, BinaryOperator::Gt, start.div_euclid(SECOND)));
    }
    if window.end != i64::MAX && tables.spans {
        out.push(bound(SPAN_FROM, BinaryOperator::Lt, window.end.div_euclid(SECOND) + 1));
    }
    out
}

/// The bounds of the inner window that the outer one does not give already.
fn narrower(inner: Interval, outer: Interval) -> Interval {
    Interval {
        start: if inner.start == outer.start { None } else { inner.start },
        end: if inner.end == outer.end { i64::MAX } else { inner.end },
    }
}

fn property_filter(condition: &Filter, zone: &Zone, dialect: &dyn Dialect) -> Expr {
    filter(condition, &|field| stored(field, None, zone, dialect), dialect)
}

/// A tree over properties or item fields as SQL; true where it holds, false or NULL elsewhere.
pub fn filter(condition: &Filter, field: &dyn Fn(&FieldRef) -> Expr, dialect: &dyn Dialect) -> Expr {
    match condition {
        Filter::Const(b) => sql::boolean(*b),
        Filter::All(children) => sql::and(children.iter().map(|c| filter(c, field, dialect)).collect()),
        Filter::Any(children) => sql::or(children.iter().map(|c| filter(c, field, dialect)).collect()),
        Filter::Not(child) => match child.as_ref() {
            Filter::Test(f, Test::Exists) => sql::is_null(field(f)),
            _ => sql::not(sql::coalesce_false(filter(child, field, dialect))),
        },
        Filter::Test(f, test) => test.lower(field(f), &f.ty, dialect),
    }
}

/// The leaf's test over its measure, an aggregate over the rows that meet `only`.
fn measure_test(leaf: &EventLeaf, only: Option<Expr>, zone: &Zone, dialect: &dyn Dialect) -> Expr {
    let value = |f: &FieldRef| stored(f, None, zone, dialect);
    let plain = |name: &'static str, arg: Expr| Aggregate::new(name, [arg]).filtered(only.clone()).expr();
    let integer = |aggregate: Expr| leaf.test.lower(aggregate, &Type::Integer, dialect);
    match &leaf.measure {
        Measure::Count => integer(Aggregate::count_rows().filtered(only).expr()),
        Measure::Days => integer(Aggregate::new("count", [dialect.local_day(sql::column("ts"), zone)]).distinct().filtered(only).expr()),
        Measure::Distinct(f) => integer(Aggregate::new("count", [value(f)]).distinct().filtered(only).expr()),
        Measure::Sum(f) => {
            let zero = dialect.sum_literal(&Decimal::from(0));
            let sum = sql::call("coalesce", [dialect.sum(value(f), &f.ty, only), zero]);
            sums::fitting(sum_bounds(&leaf.test), &dialect.sum_max()).lower(sum, &Type::Number, dialect)
        }
        Measure::Avg(f) => {
            dialect.avg_test(dialect.sum(value(f), &f.ty, only.clone()), dialect.sum_count(value(f), &f.ty, only), &leaf.test)
        }
        Measure::Min(f) => leaf.test.lower(plain("min", value(f)), &f.ty, dialect),
        Measure::Max(f) => leaf.test.lower(plain("max", value(f)), &f.ty, dialect),
        Measure::First(f) => leaf.test.lower(dialect.at_end(value(f), true, only), &f.ty, dialect),
        Measure::Last(f) => leaf.test.lower(dialect.at_end(value(f), false, only), &f.ty, dialect),
        Measure::FirstTime => leaf.test.lower(plain("min", sql::column("ts")), &Type::Timestamp, dialect),
        Measure::LastTime => leaf.test.lower(plain("max", sql::column("ts")), &Type::Timestamp, dialect),
    }
}

/// The same test with literals of six decimals: a sum has no more, so a bound between two of them moves to the
/// neighbour on its own side.
fn sum_bounds(test: &Test) -> Test {
    let floor = |v: &Value| match v {
        Value::Decimal(d) if !d.is_micros() => Value::Decimal(Decimal::from_micros(&d.micros_floor())),
        other => other.clone(),
    };
    let ceil = |v: &Value| match v {
        Value::Decimal(d) if !d.is_micros() => Value::Decimal(Decimal::from_micros(&d.micros_ceil())),
        other => other.clone(),
    };
    match test {
        Test::Lt(v) => Test::Lt(ceil(v)),
        Test::Gte(v) => Test::Gte(ceil(v)),
        Test::Lte(v) => Test::Lte(floor(v)),
        Test::Gt(v) => Test::Gt(floor(v)),
        Test::Between(low, high) => Test::Between(ceil(low), floor(high)),
        other => other.clone(),
    }
}

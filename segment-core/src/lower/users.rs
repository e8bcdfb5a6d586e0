//! Who the users are: the relation that the query is over, and where it has what every user has.
//!
//! By number, users are the profiles. By id, they are the profiles and whoever has an event: all profiles and all events are looked through for
//! them, unless a member has a mark for certain. Then the marks say who they are, and only the events in the windows are read; whoever has a mark
//! has an event before the instant of evaluation, and so is in the universe.

use super::{Key, NUMBER_NONE, Tables};
use crate::catalog::Builtin;
use crate::dialect::Dialect;
use crate::plan::{FieldRef, Leaf, Node, Plan, Source};
use crate::sql::{self, Aggregate, BinaryOperator, Expr, Item, Join, JoinKind, Query, Select, Table};
use crate::value::Value;

/// Aliases: profiles, the grouped marks, users by their events.
pub(super) const PROFILES: &str = "p";
pub(super) const MARKS: &str = "e";
const SEEN: &str = "s";

/// The users.
pub(super) struct Users {
    pub(super) from: Table,
    pub(super) joins: Vec<Join>,
    /// Who of them is in the universe; `None`: all of them.
    pub(super) universe: Option<Expr>,
    pub(super) number: Expr,
    /// Whether all events are looked through.
    pub(super) reads_all: bool,
    id: Expr,
    first_seen_at: Expr,
    last_seen_at: Expr,
}

/// What the events say of users.
pub(super) struct Marked {
    /// One row a marked user: the key, and the marks if `joined`.
    pub(super) users: Query,
    /// Whether the tree finds the marks in it. If not, it has subqueries of its own.
    pub(super) joined: bool,
    /// Whether someone without a mark can be a member.
    pub(super) left: bool,
}

impl Users {
    pub(super) fn new(plan: &Plan, tables: &Tables, marked: Option<Marked>, dialect: &dyn Dialect) -> Self {
        let profile = |builtin: Builtin| sql::column_of(PROFILES, builtin.name());
        let number = sql::column_of(PROFILES, "user_no");
        let from = Table::Named(tables.profiles.clone(), Some(PROFILES.into()));
        let joined = |marked: Marked, key: &str, to: Expr| {
            let on = sql::binary(sql::column_of(MARKS, key), BinaryOperator::Eq, to);
            let kind = if marked.left { JoinKind::Left } else { JoinKind::Inner };
            Join { table: Table::Derived(marked.users, MARKS.into()), on, kind }
        };
        if tables.key == Key::Number {
            let (id, first, last) = (profile(Builtin::UserId), profile(Builtin::FirstSeenAt), profile(Builtin::LastSeenAt));
            let joins = marked.filter(|m| m.joined).map(|m| joined(m, "user_no", number.clone()));
            let universe = Some(before(&first, plan, dialect));
            return Self {
                from,
                joins: joins.into_iter().collect(),
                universe,
                number,
                reads_all: false,
                id,
                first_seen_at: first,
                last_seen_at: last,
            };
        }
        let number = sql::call("coalesce", [number, sql::integer(NUMBER_NONE)]);
        match marked {
            Some(marked) if !marked.left && !asks_when_seen(&plan.root) => {
                let id = sql::column_of(MARKS, "user_id");
                let on = sql::binary(profile(Builtin::UserId), BinaryOperator::Eq, id.clone());
                Self {
                    from: Table::Derived(marked.users, MARKS.into()),
                    joins: vec![Join { table: from, on, kind: JoinKind::Left }],
                    universe: None,
                    number,
                    reads_all: false,
                    id,
                    // Nobody asks.
                    first_seen_at: profile(Builtin::FirstSeenAt),
                    last_seen_at: profile(Builtin::LastSeenAt),
                }
            }
            marked => {
                let seen = |builtin: Builtin| sql::column_of(SEEN, builtin.name());
                let id = sql::call("coalesce", [profile(Builtin::UserId), seen(Builtin::UserId)]);
                let on = sql::binary(seen(Builtin::UserId), BinaryOperator::Eq, profile(Builtin::UserId));
                let mut joins = vec![Join { table: Table::Derived(by_events(tables).into(), SEEN.into()), on, kind: JoinKind::Full }];
                joins.extend(marked.filter(|m| m.joined).map(|m| joined(m, "user_id", id.clone())));
                let first = first_of(profile(Builtin::UserId), profile(Builtin::FirstSeenAt), seen(Builtin::FirstSeenAt));
                let universe = Some(before(&first, plan, dialect));
                Self { from, joins, universe, number, reads_all: true, id, first_seen_at: first, last_seen_at: seen(Builtin::LastSeenAt) }
            }
        }
    }

    /// Where a built-in attribute is.
    pub(super) fn builtin(&self, builtin: Builtin) -> Expr {
        match builtin {
            Builtin::UserId => self.id.clone(),
            Builtin::FirstSeenAt => self.first_seen_at.clone(),
            Builtin::LastSeenAt => self.last_seen_at.clone(),
        }
    }
}

/// Users first seen before the instant; no first seen: always there.
fn before(first_seen_at: &Expr, plan: &Plan, dialect: &dyn Dialect) -> Expr {
    let before = sql::binary(first_seen_at.clone(), BinaryOperator::Lt, dialect.value(&Value::Timestamp(plan.as_of)));
    sql::or(vec![sql::is_null(first_seen_at.clone()), before])
}

/// The earlier of what a profile states and of the events; NULL for a profile that states none.
fn first_of(profile: Expr, stated: Expr, seen: Expr) -> Expr {
    let earlier = sql::binary(seen.clone(), BinaryOperator::Lt, stated.clone());
    sql::case_else(vec![(sql::is_null(profile), seen.clone()), (earlier, seen)], stated)
}

/// Users by their events.
fn by_events(tables: &Tables) -> Select {
    let of = |name: &'static str, builtin: Builtin| Item::new(Aggregate::new(name, [sql::column("ts")]).expr(), builtin.name());
    Select {
        projection: vec![Item::column("user_id"), of("min", Builtin::FirstSeenAt), of("max", Builtin::LastSeenAt)],
        from: Table::Named(tables.events.clone(), None),
        joins: Vec::new(),
        selection: None,
        group_by: vec![sql::column("user_id")],
        having: None,
    }
}

/// Whether the tree looks at when a user was first or last seen.
fn asks_when_seen(node: &Node) -> bool {
    let seen = |field: &FieldRef| matches!(field.source, Source::Builtin(Builtin::FirstSeenAt | Builtin::LastSeenAt));
    match node {
        Node::Const(_) | Node::Leaf(Leaf::Event(_) | Leaf::List(_)) => false,
        Node::All(children) | Node::Any(children) => children.iter().any(|c| asks_when_seen(c)),
        Node::Not(child) => asks_when_seen(child),
        Node::Leaf(Leaf::Attribute(field, _)) => seen(field),
        Node::Leaf(Leaf::Sample(sample)) => sample.by.as_deref().is_some_and(seen),
    }
}

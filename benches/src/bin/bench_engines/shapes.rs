//! The shapes that a plan's SQL is measured in.
//!
//! Besides Muster's strategies there are two that are no strategies, so that what is said of them rests on figures: sets of users combined by
//! `INTERSECT`, `UNION` and `EXCEPT`, one subquery a leaf; and arms over ids, which are text, in place of numbers. Over events that somebody else writes
//! there are the strategies alone: their users have ids only.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use muster_benches::Result;
use query_backends::{Backend, TrinoBackend};
use segment_core::compile;
use segment_core::dialect::Trino;
use segment_core::lower::{AsOf, Lowered, Strategy, Tables};
use segment_core::plan::{Node, Plan};
use segment_core::simplify::simplify;
use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, SetOperator, SetQuantifier};
use store::{Pinned, SharedTable, events_schema, profiles_schema};

/// The tables' names in the SQL.
const EVENTS: &str = "events";
const PROFILES: &str = "profiles";

/// A shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One of Muster's.
    Strategy(Strategy),
    /// Sets of users, combined as the tree says.
    Intersect,
    /// Arms, where users are joined and grouped by their ids.
    ByUserId,
}

impl Shape {
    /// Those of a state, arms first.
    pub fn of(pinned: &Pinned) -> Vec<Shape> {
        let others = if pinned.bound.is_none() { vec![Shape::Intersect, Shape::ByUserId] } else { Vec::new() };
        Strategy::ALL.into_iter().map(Shape::Strategy).chain(others).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Shape::Strategy(strategy) => strategy.name(),
            Shape::Intersect => "intersect",
            Shape::ByUserId => "arms by user_id",
        }
    }

    /// The plan as SQL over the pinned tables; the backend has seen to what it reads.
    pub async fn sql(self, asked: &Asked, backend: &TrinoBackend, catalog: &str) -> Result<String> {
        let (plan, pinned) = (&asked.plan, &asked.pinned);
        let arms = || -> Result<Query> {
            let reads_events = plan.reads_events();
            let tables: Vec<AsOf> = as_of(pinned, catalog)?.into_iter().filter(|t| reads_events || t.name != EVENTS).collect();
            Ok(lowered(plan, Strategy::Arms)?.as_of(&tables).ast())
        };
        Ok(match self {
            Shape::Strategy(strategy) => {
                let query = query_backends::Query::new(plan.clone(), pinned.clone()).with_strategy(strategy);
                backend.explain(&query).await?.sql.ok_or("the backend has no SQL")?
            }
            Shape::Intersect => {
                let plan = simplify(plan);
                Query { with: arms()?.with, ..set(&plan, &plan.root)? }.to_string()
            }
            Shape::ByUserId => {
                let mut query = arms()?;
                by_user_id(&mut query, PROFILES, &profiles_schema(&pinned.catalog));
                by_user_id(&mut query, EVENTS, &events_schema(&pinned.catalog));
                query.to_string()
            }
        })
    }
}

/// A plan over a state.
#[derive(Debug)]
pub struct Asked {
    pub plan: Arc<Plan>,
    pub pinned: Arc<Pinned>,
}

/// A plan in one of Muster's shapes, over tables of the names here.
pub fn lowered(plan: &Plan, strategy: Strategy) -> Result<Lowered> {
    let name = |name: &str| vec![name.to_owned()];
    let tables = Tables { events: name(EVENTS), profiles: name(PROFILES), ..Tables::default() };
    Ok(compile::lowered(plan, &Trino, &tables, strategy).map_err(|faults| format!("Trino's SQL cannot say a segment: {faults:?}"))?)
}

fn as_of(pinned: &Pinned, catalog: &str) -> Result<[AsOf; 2]> {
    let shared = pinned.shared.as_ref().ok_or("the lake is not shared")?;
    let table = |name: &str, table: &SharedTable| AsOf {
        name: name.to_owned(),
        table: vec![catalog.to_owned(), shared.namespace.clone(), table.table.clone()],
        snapshot_id: table.snapshot_id,
    };
    Ok([table(PROFILES, &shared.profiles), table(EVENTS, &shared.events)])
}

/// The users of a node as a query of its own.
fn set(plan: &Plan, node: &Arc<Node>) -> Result<Query> {
    let combined = |op: SetOperator, children: &[Arc<Node>]| -> Result<Option<Query>> {
        let children = children.iter().map(|c| set(plan, c)).collect::<Result<Vec<_>>>()?;
        Ok(children.into_iter().reduce(|left, right| combine(op, left, right)))
    };
    let whole = |root: Arc<Node>| Ok(lowered(&Plan { root, ..plan.clone() }, Strategy::Subqueries)?.ast());
    match node.as_ref() {
        Node::All(children) => combined(SetOperator::Intersect, children)?.map_or_else(|| whole(Arc::new(Node::Const(true))), Ok),
        Node::Any(children) => combined(SetOperator::Union, children)?.map_or_else(|| whole(Arc::new(Node::Const(false))), Ok),
        Node::Not(child) => Ok(combine(SetOperator::Except, whole(Arc::new(Node::Const(true)))?, set(plan, child)?)),
        Node::Const(_) | Node::Leaf(_) => whole(node.clone()),
    }
}

fn combine(op: SetOperator, left: Query, right: Query) -> Query {
    let side = |query: Query| Box::new(SetExpr::Query(Box::new(query)));
    let mut query = left.clone();
    query.body = Box::new(SetExpr::SetOperation { op, set_quantifier: SetQuantifier::None, left: side(left), right: side(right) });
    query
}

/// Has a table bound before the query give the ids as the numbers.
fn by_user_id(query: &mut Query, name: &str, schema: &SchemaRef) {
    let quoted = |name: &str| Ident::with_quote('"', name);
    let column = |name: &str| SelectItem::UnnamedExpr(Expr::Identifier(quoted(name)));
    let others = schema.fields().iter().filter(|f| f.name() != "user_no").map(|f| column(f.name()));
    let number = SelectItem::ExprWithAlias { expr: Expr::Identifier(quoted("user_id")), alias: quoted("user_no") };
    let projection: Vec<SelectItem> = std::iter::once(number).chain(others).collect();
    let bound = query.with.iter_mut().flat_map(|with| &mut with.cte_tables).find(|cte| cte.alias.name.value == name);
    if let Some(SetExpr::Select(select)) = bound.map(|cte| cte.query.body.as_mut()) {
        select.projection = projection;
    }
}

//! A plan with the same members and less to do: groups flattened, `not` pushed inward to the leaves, constants folded,
//! repeats dropped, a node beside its complement folded, leaves that can only be constant folded.
//!
//! Invariant: `All` and `Any` have two children at least, all different, none of their own kind, none constant; `Not` stands
//! only around leaves; a constant is only at the root. Segments that are referred to twice are simplified once.

use std::sync::Arc;

use crate::map::HashMap;
use crate::plan::{EventLeaf, Filter, Leaf, Measure, Node, Plan, Test};
use crate::value::Value;

/// Simplifies a plan.
pub fn simplify(plan: &Plan) -> Plan {
    let mut simplifier = Simplifier { memo: HashMap::default() };
    let root = simplifier.node(&plan.root, true);
    Plan { as_of: plan.as_of, zone: plan.zone.clone(), root, windows: plan.windows.clone() }
}

struct Simplifier {
    /// Shared nodes by address and sign; the plan keeps them alive meanwhile.
    memo: HashMap<(*const Node, bool), Arc<Node>>,
}

impl Simplifier {
    /// The node, or its complement.
    fn node(&mut self, node: &Arc<Node>, holds: bool) -> Arc<Node> {
        let key = (Arc::as_ptr(node), holds);
        let shared = Arc::strong_count(node) > 1;
        if shared && let Some(done) = self.memo.get(&key) {
            return done.clone();
        }
        let out = match node.as_ref() {
            Node::Const(b) => Arc::new(Node::Const(*b == holds)),
            Node::Not(child) => self.node(child, !holds),
            Node::All(children) => self.group(children, holds, holds),
            Node::Any(children) => self.group(children, !holds, holds),
            Node::Leaf(leaf) => match simplified(leaf) {
                Simplified::Constant(b) => Arc::new(Node::Const(b == holds)),
                Simplified::Same if holds => node.clone(),
                Simplified::Same => Arc::new(Node::Not(node.clone())),
                Simplified::Leaf(leaf) => {
                    let leaf = Arc::new(Node::Leaf(leaf));
                    if holds { leaf } else { Arc::new(Node::Not(leaf)) }
                }
            },
        };
        if shared {
            self.memo.insert(key, out.clone());
        }
        out
    }

    /// A group after its sign was taken in: an intersection if `all`, else a union.
    fn group(&mut self, children: &[Arc<Node>], all: bool, holds: bool) -> Arc<Node> {
        let children: Vec<Arc<Node>> = children.iter().map(|child| self.node(child, holds)).collect();
        let mut nodes: Vec<Arc<Node>> = Vec::with_capacity(children.len());
        // Each without its sign, and its sign.
        let mut seen: HashMap<&Node, bool> = HashMap::with_capacity_and_hasher(children.len(), Default::default());
        for child in &children {
            let grand: &[Arc<Node>] = match child.as_ref() {
                Node::Const(b) if *b == all => continue,
                Node::Const(_) => return child.clone(),
                Node::All(grand) if all => grand,
                Node::Any(grand) if !all => grand,
                Node::All(_) | Node::Any(_) | Node::Not(_) | Node::Leaf(_) => std::slice::from_ref(child),
            };
            for node in grand {
                let (bare, sign) = unsigned(node);
                match seen.insert(bare, sign) {
                    None => nodes.push(node.clone()),
                    Some(before) if before == sign => {}
                    Some(_) => return Arc::new(Node::Const(!all)),
                }
            }
        }
        match (nodes.len(), nodes.pop()) {
            (0, _) | (_, None) => Arc::new(Node::Const(all)),
            (1, Some(only)) => only,
            (_, Some(last)) => {
                nodes.push(last);
                Arc::new(if all { Node::All(nodes) } else { Node::Any(nodes) })
            }
        }
    }
}

fn unsigned(node: &Node) -> (&Node, bool) {
    match node {
        Node::Not(child) => (child, false),
        other => (other, true),
    }
}

/// What became of a leaf.
enum Simplified {
    Constant(bool),
    Same,
    Leaf(Leaf),
}

fn simplified(leaf: &Leaf) -> Simplified {
    match leaf {
        Leaf::Attribute(_, test) if test.is_impossible() => Simplified::Constant(false),
        Leaf::Event(leaf) => event(leaf),
        Leaf::Sample(sample) if sample.threshold == 0 => Simplified::Constant(false),
        Leaf::Sample(sample) if sample.by.is_none() && sample.threshold >= 1 << 64 => Simplified::Constant(true),
        Leaf::Attribute(..) | Leaf::Sample(_) | Leaf::List(_) => Simplified::Same,
    }
}

fn event(leaf: &EventLeaf) -> Simplified {
    if leaf.test.is_impossible() {
        return Simplified::Constant(false);
    }
    if leaf.window.is_empty() {
        return Simplified::Constant(leaf.holds_over_nothing());
    }
    let filtered = if is_simple(&leaf.filter) { None } else { Some(filter(&leaf.filter, true)) };
    if filtered == Some(Filter::Const(false)) {
        return Simplified::Constant(leaf.holds_over_nothing());
    }
    if leaf.test == Test::Exists {
        // Counts and sums are always there.
        if leaf.measure.over_nothing().is_some() {
            return Simplified::Constant(true);
        }
        // That a time is there at all is that an event is.
        if matches!(leaf.measure, Measure::FirstTime | Measure::LastTime) {
            let (filter, test) = (filtered.unwrap_or_else(|| leaf.filter.clone()), Test::Gte(Value::Integer(1)));
            return Simplified::Leaf(Leaf::Event(EventLeaf { filter, measure: Measure::Count, test, ..leaf.clone() }));
        }
    }
    match filtered {
        Some(filter) if filter != leaf.filter => Simplified::Leaf(Leaf::Event(EventLeaf { filter, ..leaf.clone() })),
        _ => Simplified::Same,
    }
}

/// Whether there is nothing to simplify, as in most filters: none, or a single test.
fn is_simple(filter: &Filter) -> bool {
    match filter {
        Filter::Const(holds) => *holds,
        Filter::Test(_, test) => !matches!(test, Test::AnyItem(_)) && !test.is_impossible(),
        Filter::All(_) | Filter::Any(_) | Filter::Not(_) => false,
    }
}

/// A filter, or its complement, simplified in the same way.
fn filter(condition: &Filter, holds: bool) -> Filter {
    match condition {
        Filter::Const(b) => Filter::Const(*b == holds),
        Filter::Not(child) => filter(child, !holds),
        Filter::Test(_, test) if test.is_impossible() => Filter::Const(!holds),
        Filter::Test(field, Test::AnyItem(inner)) => {
            let inner = filter(inner, true);
            if inner == Filter::Const(false) {
                return Filter::Const(!holds);
            }
            signed(Filter::Test(field.clone(), Test::AnyItem(Box::new(inner))), holds)
        }
        Filter::Test(..) => signed(condition.clone(), holds),
        Filter::All(children) => filter_group(children, holds, holds),
        Filter::Any(children) => filter_group(children, !holds, holds),
    }
}

fn signed(test: Filter, holds: bool) -> Filter {
    if holds { test } else { Filter::Not(Box::new(test)) }
}

fn filter_group(children: &[Filter], all: bool, holds: bool) -> Filter {
    let mut kept: Vec<Filter> = Vec::with_capacity(children.len());
    for child in children {
        match filter(child, holds) {
            Filter::Const(b) if b == all => {}
            Filter::Const(b) => return Filter::Const(b),
            Filter::All(grand) if all => kept.extend(grand),
            Filter::Any(grand) if !all => kept.extend(grand),
            other => kept.push(other),
        }
    }
    match (kept.len(), kept.pop()) {
        (0, _) | (_, None) => Filter::Const(all),
        (1, Some(only)) => only,
        (_, Some(last)) => {
            kept.push(last);
            if all { Filter::All(kept) } else { Filter::Any(kept) }
        }
    }
}

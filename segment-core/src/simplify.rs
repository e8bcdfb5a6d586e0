//! A plan with the same members and less to do: groups flattened, `not` pushed inward to the leaves, constants folded,
//! repeats dropped, a node beside its complement folded, leaves that can only be constant folded.
//!
//! Invariant: `All` and `Any` have two children at least, all different, none of their own kind, none constant; `Not` stands
//! only around leaves; a constant is only at the root. Segments that are referred to twice are simplified once.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::plan::{EventLeaf, Filter, Leaf, Measure, Node, Plan, Test};

/// Simplifies a plan.
pub fn simplify(plan: &Plan) -> Plan {
    let mut simplifier = Simplifier { memo: HashMap::new() };
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
            Node::Leaf(leaf) => match leaf_constant(leaf) {
                Some(b) => Arc::new(Node::Const(b == holds)),
                None => {
                    let leaf = Arc::new(Node::Leaf(simplified(leaf)));
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
        let mut kept = Kept { nodes: Vec::with_capacity(children.len()), seen: HashMap::new() };
        for child in children {
            let child = self.node(child, holds);
            let grand: &[Arc<Node>] = match child.as_ref() {
                Node::Const(b) if *b == all => continue,
                Node::Const(_) => return child,
                Node::All(grand) if all => grand,
                Node::Any(grand) if !all => grand,
                Node::All(_) | Node::Any(_) | Node::Not(_) | Node::Leaf(_) => std::slice::from_ref(&child),
            };
            for node in grand {
                if kept.add(node) {
                    return Arc::new(Node::Const(!all));
                }
            }
        }
        let mut nodes = kept.nodes;
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

struct Kept {
    nodes: Vec<Arc<Node>>,
    /// Positions by hash of the node without its sign.
    seen: HashMap<u64, Vec<usize>>,
}

impl Kept {
    /// Keeps a node unless it is there; true if its complement is.
    fn add(&mut self, node: &Arc<Node>) -> bool {
        let (bare, holds) = unsigned(node);
        let mut hasher = DefaultHasher::new();
        bare.hash(&mut hasher);
        let positions = self.seen.entry(hasher.finish()).or_default();
        for position in positions.iter() {
            if let Some(other) = self.nodes.get(*position) {
                let (other, other_holds) = unsigned(other);
                if other == bare {
                    return holds != other_holds;
                }
            }
        }
        positions.push(self.nodes.len());
        self.nodes.push(node.clone());
        false
    }
}

fn unsigned(node: &Node) -> (&Node, bool) {
    match node {
        Node::Not(child) => (child, false),
        other => (other, true),
    }
}

fn leaf_constant(leaf: &Leaf) -> Option<bool> {
    match leaf {
        Leaf::Attribute(_, test) if test.is_impossible() => Some(false),
        Leaf::Event(event) => event_constant(event),
        Leaf::Sample(sample) if sample.threshold == 0 => Some(false),
        Leaf::Sample(sample) if sample.by.is_none() && sample.threshold >= 1 << 64 => Some(true),
        Leaf::Attribute(..) | Leaf::Sample(_) | Leaf::List(_) => None,
    }
}

fn event_constant(event: &EventLeaf) -> Option<bool> {
    if event.test.is_impossible() {
        return Some(false);
    }
    if event.window.is_empty() || filter(&event.filter, true) == Filter::Const(false) {
        return Some(event.holds_over_nothing());
    }
    // Counts and sums are always there.
    (event.test == Test::Exists && event.measure.over_nothing().is_some()).then_some(true)
}

fn simplified(leaf: &Leaf) -> Leaf {
    match leaf {
        Leaf::Event(event) => {
            let measure = match (&event.measure, &event.test) {
                // That a time is there at all is that an event is.
                (Measure::FirstTime | Measure::LastTime, Test::Exists) => None,
                (measure, _) => Some(measure.clone()),
            };
            let filter = filter(&event.filter, true);
            match measure {
                Some(measure) => Leaf::Event(EventLeaf { filter, measure, ..event.clone() }),
                None => Leaf::Event(EventLeaf {
                    filter,
                    measure: Measure::Count,
                    test: Test::Gte(crate::value::Value::Integer(1)),
                    ..event.clone()
                }),
            }
        }
        other => other.clone(),
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

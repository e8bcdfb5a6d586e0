//! "Always true" and "never true": nodes that hold for everyone or for nobody whatever the data. Never warned wrongly.
//!
//! In: a resolved plan and the condition it came from, walked side by side so that a warning has its pointer; the trees of
//! `where` and `any_item` too. A group is looked at for a part beside its complement, and for contradictions and
//! tautologies over one attribute, one property or one measure: the tests of one operand are evaluated at every *place* its
//! value can be (`places`). What is open at a place never gives a warning, and a window always is: at another `as_of` it
//! holds other instants. So parts are one and the same only if their windows are at every `as_of`, not if they merely coincide at this one.

mod places;

use std::sync::Arc;

use places::{Operand, What};

use crate::condition::{Comparison, Condition, FieldCondition, Operand as Written};
use crate::diagnostics::{Code, Diagnostic, Pointer};
use crate::map::HashMap;
use crate::plan::{Filter, Leaf, Node, Plan, Test};
use crate::resolve::{Meanings, Seen};

/// Groups with more parts than this are not compared with each other; it bounds the work on machine-made trees.
const GROUP_COMPARED_MAX: usize = 256;

/// The warnings of a tree.
pub(crate) fn warnings(plan: &Plan, condition: &Condition, meanings: &Meanings) -> Vec<Diagnostic> {
    let mut lint = Lint { meanings, out: Vec::new() };
    lint.walk(condition, &plan.root, &Pointer::ROOT);
    lint.out
}

/// Warnings in the making.
struct Lint<'a> {
    meanings: &'a Meanings,
    out: Vec<Diagnostic>,
}

/// A tree of conditions: over users, or over one event or item.
trait Tree: PartialEq {
    /// Whom it holds for if always, and if never.
    const HOLDS: (&'static str, &'static str);

    /// Whether it is an intersection, if it is a group.
    fn group(&self) -> Option<bool>;

    /// Its children, if it is a group.
    fn children(&self) -> impl Iterator<Item = &Self>;

    /// What it is the complement of, if it is one.
    fn negated(&self) -> Option<&Self>;

    /// The test that it is, and of what.
    fn tested(&self) -> Option<(Operand<'_>, &Test)>;

    /// Whether it is equal to what it equals at every `as_of`.
    fn is_fixed(&self, meanings: &Meanings) -> bool;
}

impl Tree for Node {
    const HOLDS: (&'static str, &'static str) = ("holds for everyone", "holds for nobody");

    fn group(&self) -> Option<bool> {
        match self {
            Node::All(_) => Some(true),
            Node::Any(_) => Some(false),
            Node::Const(_) | Node::Not(_) | Node::Leaf(_) => None,
        }
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let children: &[Arc<Node>] = match self {
            Node::All(children) | Node::Any(children) => children,
            Node::Const(_) | Node::Not(_) | Node::Leaf(_) => &[],
        };
        children.iter().map(Arc::as_ref)
    }

    fn negated(&self) -> Option<&Self> {
        match self {
            Node::Not(child) => Some(child),
            Node::Const(_) | Node::All(_) | Node::Any(_) | Node::Leaf(_) => None,
        }
    }

    fn tested(&self) -> Option<(Operand<'_>, &Test)> {
        match self {
            Node::Leaf(Leaf::Attribute(field, test)) => Some((Operand::attribute(field), test)),
            Node::Leaf(Leaf::Event(leaf)) => Some((Operand::measure(leaf), &leaf.test)),
            Node::Const(_) | Node::All(_) | Node::Any(_) | Node::Not(_) | Node::Leaf(Leaf::List(_) | Leaf::Sample(_)) => None,
        }
    }

    fn is_fixed(&self, meanings: &Meanings) -> bool {
        match self {
            Node::Const(_) | Node::Leaf(Leaf::List(_) | Leaf::Sample(_)) => true,
            Node::All(children) | Node::Any(children) => children.iter().all(|child| child.is_fixed(meanings)),
            Node::Not(child) => child.is_fixed(meanings),
            Node::Leaf(Leaf::Attribute(_, test)) => is_test_fixed(test, meanings),
            Node::Leaf(Leaf::Event(leaf)) => Operand::measure(leaf).is_fixed(meanings) && is_test_fixed(&leaf.test, meanings),
        }
    }
}

fn is_test_fixed(test: &Test, meanings: &Meanings) -> bool {
    match test {
        Test::InWindow(interval) => meanings.is_one(Seen::Instants(*interval)),
        Test::InDates(first, last) => meanings.is_one(Seen::Dates(*first, *last)),
        Test::AnyItem(filter) => filter.is_fixed(meanings),
        Test::Never
        | Test::Exists
        | Test::Is(..)
        | Test::In(..)
        | Test::Lt(_)
        | Test::Lte(_)
        | Test::Gt(_)
        | Test::Gte(_)
        | Test::Between(..)
        | Test::Contains(..)
        | Test::StartsWith(..)
        | Test::EndsWith(..)
        | Test::Matches(_)
        | Test::Has(_)
        | Test::HasAny(_)
        | Test::HasAll(_)
        | Test::IsEmpty => true,
    }
}

impl Tree for Filter {
    const HOLDS: (&'static str, &'static str) = ("always holds", "never holds");

    fn group(&self) -> Option<bool> {
        match self {
            Filter::All(_) => Some(true),
            Filter::Any(_) => Some(false),
            Filter::Const(_) | Filter::Not(_) | Filter::Test(..) => None,
        }
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let children: &[Filter] = match self {
            Filter::All(children) | Filter::Any(children) => children,
            Filter::Const(_) | Filter::Not(_) | Filter::Test(..) => &[],
        };
        children.iter()
    }

    fn negated(&self) -> Option<&Self> {
        match self {
            Filter::Not(child) => Some(child),
            Filter::Const(_) | Filter::All(_) | Filter::Any(_) | Filter::Test(..) => None,
        }
    }

    fn tested(&self) -> Option<(Operand<'_>, &Test)> {
        match self {
            Filter::Test(field, test) => Some((Operand::property(field), test)),
            Filter::Const(_) | Filter::All(_) | Filter::Any(_) | Filter::Not(_) => None,
        }
    }

    fn is_fixed(&self, meanings: &Meanings) -> bool {
        match self {
            Filter::Const(_) => true,
            Filter::All(children) | Filter::Any(children) => children.iter().all(|child| child.is_fixed(meanings)),
            Filter::Not(child) => child.is_fixed(meanings),
            Filter::Test(_, test) => is_test_fixed(test, meanings),
        }
    }
}

fn constant_warning<T: Tree>(pointer: &Pointer<'_>, holds: bool, why: &str) -> Diagnostic {
    let (code, what) = if holds { (Code::AlwaysTrue, T::HOLDS.0) } else { (Code::NeverTrue, T::HOLDS.1) };
    Diagnostic::new(code, pointer, format!("this {what}: {why}"))
}

impl Lint<'_> {
    fn walk(&mut self, condition: &Condition, node: &Node, pointer: &Pointer<'_>) {
        match (condition, node) {
            (Condition::All(conditions), Node::All(nodes)) | (Condition::Any(conditions), Node::Any(nodes)) => {
                let at = pointer.key(word(node));
                self.group(node, &at);
                for (i, (condition, node)) in conditions.iter().zip(nodes).enumerate() {
                    self.walk(condition, node, &at.index(i));
                }
            }
            (Condition::Not(condition), Node::Not(node)) => self.walk(condition, node, &pointer.key("not")),
            (Condition::Attribute(_, comparison), _) => {
                self.alone(node, pointer);
                self.items(Some(comparison), node, pointer);
            }
            (Condition::Event(event), _) => {
                self.alone(node, pointer);
                if let (Some(condition), Node::Leaf(Leaf::Event(leaf))) = (&event.filter, unsigned(node).0) {
                    self.fields(condition, &leaf.filter, &pointer.key("where"));
                }
                self.items(event.comparison.as_ref(), node, pointer);
            }
            _ => {}
        }
    }

    /// The tree of an `any_item`.
    fn items<T: Tree>(&mut self, comparison: Option<&Comparison>, tree: &T, pointer: &Pointer<'_>) {
        if let Some(Written::Items(condition)) = comparison.map(|c| &c.operand)
            && let Some((_, Test::AnyItem(filter))) = unsigned(tree).0.tested()
        {
            self.fields(condition, filter, &pointer.key("value"));
        }
    }

    fn fields(&mut self, condition: &FieldCondition, filter: &Filter, pointer: &Pointer<'_>) {
        match (condition, filter) {
            (FieldCondition::All(conditions), Filter::All(filters)) | (FieldCondition::Any(conditions), Filter::Any(filters)) => {
                let at = pointer.key(word(filter));
                self.group(filter, &at);
                for (i, (condition, filter)) in conditions.iter().zip(filters).enumerate() {
                    self.fields(condition, filter, &at.index(i));
                }
            }
            (FieldCondition::Not(condition), Filter::Not(filter)) => self.fields(condition, filter, &pointer.key("not")),
            (FieldCondition::Property(_, comparison), _) => {
                self.alone(filter, pointer);
                self.items(Some(comparison), filter, pointer);
            }
            _ => {}
        }
    }

    /// One predicate that is constant by itself, such as `count gte 0`.
    fn alone<T: Tree>(&mut self, tree: &T, pointer: &Pointer<'_>) {
        let (bare, positive) = unsigned(tree);
        let Some((operand, test)) = bare.tested() else {
            return;
        };
        if matches!(test, Test::Never) {
            // Its operator has said so already, and why.
            return;
        }
        if operand.is_told_apart(test) {
            return;
        }
        if let Some(constant) = operand.places(&[test]).answer(test) {
            self.out.push(constant_warning::<T>(pointer, constant == positive, "every value there can be gives the same answer"));
        }
    }

    /// A group as a whole.
    fn group<T: Tree>(&mut self, tree: &T, at: &Pointer<'_>) {
        let Some(all) = tree.group() else {
            return;
        };
        let mut parts = Vec::new();
        flatten(tree, all, &mut parts);
        if (2..=GROUP_COMPARED_MAX).contains(&parts.len())
            && let Some(why) = self.constant(&parts, all)
        {
            self.out.push(constant_warning::<T>(at, !all, &why));
        }
    }

    /// Why an intersection of these is empty, or their union everything, if it is. Each comes with its sign.
    fn constant<T: Tree>(&self, parts: &[(&T, bool)], all: bool) -> Option<String> {
        for (i, (part, sign)) in parts.iter().enumerate() {
            if parts.iter().skip(i + 1).any(|(other, other_sign)| other_sign != sign && other == part) && part.is_fixed(self.meanings) {
                return Some("it has a condition beside that same condition's \"not\"".to_owned());
            }
        }
        let mut places: HashMap<What<'_>, usize> = HashMap::with_capacity_and_hasher(parts.len(), Default::default());
        let mut by_operand: Vec<(Operand<'_>, Vec<(&Test, bool)>)> = Vec::with_capacity(parts.len());
        for (part, sign) in parts {
            let Some((operand, test)) = part.tested() else { continue };
            if !operand.is_fixed(self.meanings) {
                continue;
            }
            let place = *places.entry(operand.what).or_insert(by_operand.len());
            match by_operand.get_mut(place) {
                Some((_, tests)) => tests.push((test, *sign)),
                None => by_operand.push((operand, vec![(test, *sign)])),
            }
        }
        for (operand, tests) in by_operand.iter().filter(|(_, tests)| tests.len() > 1) {
            let bare: Vec<&Test> = tests.iter().map(|(t, _)| *t).collect();
            let places = operand.places(&bare);
            // In a conjunction some test has to fail everywhere, in a disjunction some test has to hold everywhere.
            if places.all(|place| tests.iter().any(|(test, sign)| places.holds(test, place).is_some_and(|holds| (holds == *sign) != all))) {
                let why = if all { "no value meets all of its tests of" } else { "every value meets one of its tests of" };
                return Some(format!("{why} {}", operand.name()));
            }
        }
        None
    }
}

/// The key of a group.
fn word<T: Tree>(group: &T) -> &'static str {
    if group.group() == Some(true) { "all" } else { "any" }
}

/// The parts of a group, those of groups of its kind inside it too.
fn flatten<'n, T: Tree>(group: &'n T, all: bool, parts: &mut Vec<(&'n T, bool)>) {
    for child in group.children() {
        if child.group() == Some(all) {
            flatten(child, all, parts);
        } else {
            parts.push(unsigned(child));
        }
    }
}

/// What the tree is, or is the complement of, and whether it is it.
fn unsigned<T: Tree>(tree: &T) -> (&T, bool) {
    let mut sign = true;
    let mut tree = tree;
    while let Some(child) = tree.negated() {
        sign = !sign;
        tree = child;
    }
    (tree, sign)
}

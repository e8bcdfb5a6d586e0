//! Wire condition + catalog + instant + zone → typed [`Plan`].
//!
//! Every name is looked up, every operator checked against its type, every literal typed, every window turned into
//! instants, every saved segment put in place of its reference. All faults are reported at once; a part at fault
//! leaves no node, and a tree with faults no plan. Deliberately absent: anything about SQL or an engine.

mod cycle;
mod event;
mod fields;
mod meanings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

use fields::KnownFields;
pub(crate) use fields::{Names, filter};
pub(crate) use meanings::{Meanings, Seen};

use cycle::Circles;

use crate::catalog::Catalog;
use crate::condition::{Comparison, Condition, Operand, SampleCondition};
use crate::decimal::Decimal;
use crate::diagnostics::{Code, Diagnostic, Pointer};
use crate::limits;
use crate::names;
use crate::ops::{self, Asked, Subject};
use crate::plan::{FieldRef, Interval, Leaf, Node, Plan, Sample, ShownWindow, Test};
use crate::time::{Window, WindowFault, Zone, resolve_window};
use crate::types::Type;

/// The saved things that a tree can refer to.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// Saved segments: key to the condition's JSON text.
    pub segments: BTreeMap<String, String>,
    /// Keys of the lists.
    pub lists: BTreeSet<String>,
}

/// What resolving gave.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The plan; `None` if there is any diagnostic.
    pub plan: Option<Plan>,
    /// Every fault.
    pub diagnostics: Vec<Diagnostic>,
    /// What is allowed but suspicious.
    pub warnings: Vec<Diagnostic>,
    /// Which of the windows' instants mean one thing at this `as_of` only.
    pub(crate) meanings: Meanings,
}

/// Resolves a condition. `saved_as` is the key of the segment that it is to become, so that a reference that leads back to it is a circle.
pub fn resolve(condition: &Condition, catalog: &Catalog, library: &Library, as_of: i64, saved_as: Option<&str>) -> Resolved {
    let zone = match Zone::parse(&catalog.timezone) {
        Ok(zone) => zone,
        Err(message) => {
            let diagnostics = vec![Diagnostic::new(Code::InvalidValue, "", format!("the workspace's time zone: {message}"))];
            return Resolved { plan: None, diagnostics, warnings: Vec::new(), meanings: Meanings::default() };
        }
    };
    let mut cx = Cx {
        catalog,
        library,
        as_of,
        zone,
        diagnostics: Vec::new(),
        warnings: Vec::new(),
        windows: Vec::new(),
        meanings: Meanings::default(),
        circles: saved_as.map(Circles::new),
        memo: BTreeMap::new(),
        fields: KnownFields::default(),
        path: Vec::new(),
        outer: String::new(),
        expanded: 0,
        too_many: false,
        at: Depth::default(),
        deepest: Depth::default(),
        too_deep: false,
    };
    let root = cx.node(condition, &Pointer::ROOT);
    let Cx { zone, diagnostics, warnings, windows, meanings, .. } = cx;
    let plan = root.filter(|_| diagnostics.is_empty()).map(|root| Plan { as_of, zone, root, windows });
    Resolved { plan, diagnostics, warnings, meanings }
}

/// The state of one resolution.
pub(crate) struct Cx<'a> {
    pub(crate) catalog: &'a Catalog,
    library: &'a Library,
    pub(crate) as_of: i64,
    pub(crate) zone: Zone,
    diagnostics: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    windows: Vec<ShownWindow>,
    pub(crate) meanings: Meanings,
    /// Looks for references that lead back to the segment that the tree is to become.
    circles: Option<Circles>,
    /// Fields found so far.
    fields: KnownFields,
    /// Segments resolved so far.
    memo: BTreeMap<String, Known>,
    /// The segments being resolved, outermost first.
    path: Vec<String>,
    /// Pointer to the outermost reference being resolved.
    outer: String,
    expanded: usize,
    too_many: bool,
    at: Depth,
    /// The deepest that was come to.
    deepest: Depth,
    too_deep: bool,
}

/// How deep something is in the tree with its saved segments put in, or how deep it is itself.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    levels: usize,
    references: usize,
}

/// A saved segment that was resolved.
#[derive(Debug, Clone)]
struct Known {
    node: Option<Arc<Node>>,
    /// Its nodes.
    nodes: usize,
    depth: Depth,
}

impl Cx<'_> {
    /// Reports a fault. Inside a saved segment it is reported at the reference that led there.
    pub(crate) fn fault(&mut self, code: Code, pointer: &dyn Display, message: impl Into<String>) {
        self.fault_hint(code, pointer, message, None);
    }

    pub(crate) fn fault_hint(&mut self, code: Code, pointer: &dyn Display, message: impl Into<String>, hint: Option<String>) {
        let mut diagnostic = self.placed(code, pointer, message.into());
        diagnostic.hint = hint;
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn warn(&mut self, code: Code, pointer: &dyn Display, message: impl Into<String>) {
        let diagnostic = self.placed(code, pointer, message.into());
        if !self.warnings.contains(&diagnostic) {
            self.warnings.push(diagnostic);
        }
    }

    fn placed(&self, code: Code, pointer: &dyn Display, message: String) -> Diagnostic {
        match self.path.last() {
            None => Diagnostic::new(code, pointer.to_string(), message),
            Some(_) => Diagnostic::new(
                code,
                self.outer.clone(),
                format!("in segment \"{}\" at \"{pointer}\": {message}", cycle::shortened(self.path.clone()).join("\" → \"")),
            ),
        }
    }

    /// Warns that a positive test never holds, and so that a negative operator always does.
    pub(crate) fn never(&mut self, asked: &Asked<'_>, reason: &str) {
        let (code, holds) = if asked.negative { (Code::AlwaysTrue, "always") } else { (Code::NeverTrue, "never") };
        self.warn(code, &asked.value_at(), format!("this {holds} holds: {reason}"));
    }

    /// Resolves a window to instants, and keeps it to be shown.
    pub(crate) fn window(&mut self, window: &Window, at: &Pointer<'_>) -> Option<Interval> {
        match resolve_window(window, self.as_of, &self.zone) {
            Ok(interval) => {
                self.show_window(at, interval);
                self.meanings.note(Seen::Instants(interval), window.meaning(&self.zone));
                Some(interval)
            }
            Err(WindowFault::Empty) => {
                self.fault(Code::EmptyWindow, at, "the window is empty at every instant: its start is not before its end");
                None
            }
            Err(WindowFault::MixedUnits) => {
                self.fault(Code::MixedUnits, at, "an aligned \"ago\" needs one unit for both ends");
                None
            }
            Err(WindowFault::BadTimes { from, to }) => {
                for member in [from.then_some("from"), to.then_some("to")].into_iter().flatten() {
                    let message = "an instant such as 2026-01-31T09:00:00Z, or a date, is needed";
                    self.fault(Code::InvalidWindow, &at.key(member), message);
                }
                None
            }
        }
    }

    pub(crate) fn show_window(&mut self, at: &Pointer<'_>, interval: Interval) {
        let pointer = if self.path.is_empty() { at.into() } else { format!("{}{at}", self.outer) };
        // Every pointer comes once: a saved segment is resolved once, however often it is referred to.
        self.windows.push(ShownWindow { pointer, segments: self.path.clone(), interval });
    }

    /// Resolves a comparison of a subject; the test is positive, the flag says to take its complement.
    pub(crate) fn comparison(&mut self, comparison: &Comparison, subject: Subject<'_>, pointer: &Pointer<'_>) -> Option<(Test, bool)> {
        let Some(op) = comparison.op else {
            self.unasked(comparison, subject, pointer);
            return None;
        };
        if matches!(subject, Subject::Unknown) {
            // What it would warn of depends on the type.
            let warned = self.warnings.len();
            op.resolve(self, &Asked { subject, comparison, pointer, negative: op.is_negative() });
            self.warnings.truncate(warned);
            return None;
        }
        if !op.fits(subject) {
            let fitting: Vec<&str> = crate::ops::Op::ALL.iter().filter(|o| o.fits(subject)).map(|o| o.name()).collect();
            self.fault_hint(
                Code::OperatorMismatch,
                &pointer.key("op"),
                format!("\"{}\" does not fit a value of type {}", op.name(), subject.name()),
                Some(format!("these do: {}", fitting.join(", "))),
            );
            self.unasked(comparison, subject, pointer);
            return None;
        }
        let asked = Asked { subject, comparison, pointer, negative: op.is_negative() };
        op.resolve(self, &asked).map(|test| (test, op.is_negative()))
    }

    /// Reports what a value is at fault for whatever its operator, where that is none, or not one for the type.
    fn unasked(&mut self, comparison: &Comparison, subject: Subject<'_>, pointer: &Pointer<'_>) {
        let at = pointer.key("value");
        let warned = self.warnings.len();
        match &comparison.operand {
            Operand::Literal(json) => ops::untyped_literal(self, json, &at),
            Operand::Window(window) => {
                self.window(window, &at);
            }
            Operand::Items(condition) => {
                let names = match subject.ty() {
                    Some(Type::Objects(fields)) => Names::Item(fields),
                    _ => Names::Unknown,
                };
                filter(self, condition, names, &at);
            }
            Operand::None | Operand::Invalid => {}
        }
        self.warnings.truncate(warned);
    }

    /// Resolves a comparison of what a name stands for; the name is the member of that key. An unknown name does not hide
    /// what the value is at fault for.
    fn tested(
        &mut self,
        names: Names<'_>,
        (name, key): (&str, &str),
        comparison: &Comparison,
        pointer: &Pointer<'_>,
    ) -> Option<(Arc<FieldRef>, Test, bool)> {
        let field = self.field(names, name, &pointer.key(key));
        let subject = field.as_ref().map_or(Subject::Unknown, |field| Subject::Of(&field.ty));
        let (test, negative) = self.comparison(comparison, subject, pointer)?;
        Some((field?, test, negative))
    }

    fn count_node(&mut self, pointer: &Pointer<'_>, nodes: usize) -> bool {
        self.expanded = self.expanded.saturating_add(nodes);
        if self.expanded <= limits::EXPANDED_NODES_MAX {
            return true;
        }
        if !self.too_many {
            self.too_many = true;
            self.fault(
                Code::TooManyNodes,
                pointer,
                format!("with its saved segments put in, the tree has more than {} nodes", limits::EXPANDED_NODES_MAX),
            );
        }
        false
    }

    /// Goes deeper, by so much at the most; false where that is too deep, which is reported once.
    fn enter(&mut self, pointer: &Pointer<'_>, by: Depth) -> bool {
        let to = Depth { levels: self.at.levels + by.levels, references: self.at.references + by.references };
        self.deepest.levels = self.deepest.levels.max(to.levels);
        self.deepest.references = self.deepest.references.max(to.references);
        let message = if to.references > limits::REFERENCE_DEPTH_MAX {
            format!("saved segments are more than {} deep one inside another", limits::REFERENCE_DEPTH_MAX)
        } else if to.levels > limits::EXPANDED_DEPTH_MAX {
            format!("with its saved segments put in, the tree is deeper than {} levels", limits::EXPANDED_DEPTH_MAX)
        } else {
            return true;
        };
        if !self.too_deep {
            self.too_deep = true;
            self.fault(Code::TooDeep, pointer, message);
        }
        false
    }

    fn node(&mut self, condition: &Condition, pointer: &Pointer<'_>) -> Option<Arc<Node>> {
        if let Condition::Segment(key) = condition {
            return self.segment(key, &pointer.key("segment"));
        }
        if !self.count_node(pointer, 1) || !self.enter(pointer, Depth { levels: 1, references: 0 }) {
            return None;
        }
        self.at.levels += 1;
        // What goes deeper is here, and what needs much of the stack is not.
        let node = match condition {
            Condition::All(children) => self.children(children, pointer, "all").map(Node::All),
            Condition::Any(children) => self.children(children, pointer, "any").map(Node::Any),
            Condition::Not(child) => self.node(child, &pointer.key("not")).map(Node::Not),
            leaf => self.leaf(leaf, pointer),
        };
        self.at.levels -= 1;
        node.map(Arc::new)
    }

    fn leaf(&mut self, condition: &Condition, pointer: &Pointer<'_>) -> Option<Node> {
        Some(match condition {
            Condition::Everyone => Node::Const(true),
            Condition::Attribute(name, comparison) => {
                let (field, test, negative) = self.tested(Names::Attributes, (name, "attribute"), comparison, pointer)?;
                let leaf = Node::Leaf(Leaf::Attribute(field, test));
                if negative { Node::Not(Arc::new(leaf)) } else { leaf }
            }
            Condition::Event(event) => event::resolve(self, event, pointer)?,
            Condition::Unnamed(comparison) => {
                self.comparison(comparison, Subject::Unknown, pointer)?;
                return None;
            }
            Condition::List(key) => {
                if !self.library.lists.contains(key) {
                    let hint = names::nearest(key, self.library.lists.iter().map(String::as_str));
                    self.fault_hint(Code::UnknownList, &pointer.key("list"), format!("there is no list \"{key}\""), hint);
                    return None;
                }
                Node::Leaf(Leaf::List(key.clone()))
            }
            Condition::Sample(sample) => Node::Leaf(Leaf::Sample(self.sample(sample, &pointer.key("sample"))?)),
            Condition::Sequence(_) | Condition::Sql(_) => {
                if !self.path.is_empty() {
                    self.fault(Code::NotSupported, pointer, "sequences and SQL conditions are not supported yet");
                }
                return None;
            }
            // Groups are no leaves, and a reference is no node of its own.
            Condition::All(_) | Condition::Any(_) | Condition::Not(_) | Condition::Segment(_) | Condition::Invalid => return None,
        })
    }

    fn children(&mut self, children: &[Condition], pointer: &Pointer<'_>, key: &str) -> Option<Vec<Arc<Node>>> {
        let at = pointer.key(key);
        if children.is_empty() {
            let meaning = if key == "all" { "everyone" } else { "nobody" };
            self.warn(Code::EmptyGroup, &at, format!("\"{key}\" of nothing is {meaning}"));
        }
        // Every child is resolved, so that every fault is found, before a missing one is given up on.
        let nodes: Vec<Option<Arc<Node>>> = children.iter().enumerate().map(|(i, c)| self.node(c, &at.index(i))).collect();
        nodes.into_iter().collect()
    }

    fn segment(&mut self, key: &str, at: &Pointer<'_>) -> Option<Arc<Node>> {
        if let Some(start) = self.path.iter().position(|k| k == key) {
            let circle = self.path.iter().skip(start).cloned().chain([key.to_owned()]).collect();
            let message = format!("segments refer to each other in a circle: {}", cycle::shortened(circle).join(" → "));
            self.fault(Code::SegmentCycle, at, message);
            return None;
        }
        if self.path.is_empty()
            && let Some(circle) = self.circles.as_mut().and_then(|circles| circles.through(key, self.library))
        {
            self.fault(Code::SegmentCycle, at, format!("segments would refer to each other in a circle: {}", circle.join(" → ")));
            return None;
        }
        if let Some(known) = self.memo.get(key).cloned() {
            return known.node.filter(|_| self.count_node(at, known.nodes) && self.enter(at, known.depth));
        }
        let Some(text) = self.library.segments.get(key) else {
            let hint = names::nearest(key, self.library.segments.keys().map(String::as_str));
            self.fault_hint(Code::UnknownSegment, at, format!("there is no segment \"{key}\""), hint);
            return None;
        };
        if !self.enter(at, Depth { levels: 0, references: 1 }) {
            return None;
        }
        let parsed = Condition::parse(text);
        let outermost = self.path.is_empty();
        if outermost {
            self.outer = at.into();
        }
        self.path.push(key.to_owned());
        for d in &parsed.diagnostics {
            self.fault_hint(d.code, &d.pointer, d.message.clone(), d.hint.clone());
        }
        let (before, here, deepest) = (self.expanded, self.at, self.deepest);
        self.at.references += 1;
        self.deepest = self.at;
        let node = if parsed.diagnostics.is_empty() { self.node(&parsed.condition, &Pointer::ROOT) } else { None };
        let depth = Depth { levels: self.deepest.levels - here.levels, references: self.deepest.references - here.references };
        self.at = here;
        self.deepest.levels = self.deepest.levels.max(deepest.levels);
        self.deepest.references = self.deepest.references.max(deepest.references);
        self.path.pop();
        if outermost {
            self.outer.clear();
        }
        let nodes = self.expanded.saturating_sub(before);
        self.memo.insert(key.to_owned(), Known { node: node.clone(), nodes, depth });
        node
    }

    fn sample(&mut self, sample: &SampleCondition, at: &Pointer<'_>) -> Option<Sample> {
        let percent =
            sample.percent.as_deref().and_then(|p| Decimal::literal(p).ok()).filter(|p| *p >= Decimal::from(0) && *p <= Decimal::from(100));
        if percent.is_none() && sample.percent.is_some() {
            self.fault(Code::InvalidValue, &at.key("percent"), "\"percent\" is a number from 0 to 100");
        }
        let by = match &sample.by {
            None => Some(None),
            Some(name) => {
                let pointer = at.key("by");
                self.field(Names::Attributes, name, &pointer).and_then(|field| match field.ty {
                    Type::String | Type::Integer | Type::Boolean => Some(Some(field)),
                    _ => {
                        let message =
                            format!("\"by\" is an attribute of type string, integer or boolean; \"{name}\" is {}", field.ty.name());
                        self.fault(Code::InvalidValue, &pointer, message);
                        None
                    }
                })
            }
        };
        Some(Sample { threshold: percent?.share_of_2_64(), salt: sample.salt.clone()?, by: by? })
    }
}

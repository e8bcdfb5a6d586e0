//! What a tree asks of the events: its distinct leaves, and the arms that read for them.

use super::wide::widened;
use crate::condition::MeasureName;
use crate::decimal::Decimal;
use crate::map::HashMap;
use crate::ops::Op;
use crate::plan::{EventLeaf, EventMatch, Filter, Interval, Leaf, Measure, Node, Plan, Test};
use crate::value::Value;

/// Arms × marks up to which each mark has a column: every arm writes a NULL for each mark of the others. 32 leaves of as many
/// choices of events, or 64 of 16.
const MARK_CELLS_MAX: usize = 1_024;
/// Bits of a bigint that is not negative.
const COLUMN_BITS: usize = 63;

/// How event leaves become SQL. Which is best for an engine is decided by measurement, and said by its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// One pre-aggregating arm per choice of events, unioned and grouped once. A mark is a column, or, in a tree that would
    /// have too many, a bit of one.
    Arms,
    /// The same, and arms of named events whose windows are alike are one, with conditional aggregates, unless there are many leaves.
    WideArms,
    /// The same, and marks are always bits.
    PackedArms,
    /// `user_no IN (SELECT …)`, one subquery a leaf.
    Subqueries,
    /// One scan of all the leaves' events, with conditional aggregates.
    OneScan,
    /// The same, with the events' names and the outermost window stated besides.
    OneScanBounded,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Strategy; 6] =
        [Strategy::Arms, Strategy::WideArms, Strategy::PackedArms, Strategy::Subqueries, Strategy::OneScan, Strategy::OneScanBounded];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Arms => "arms",
            Strategy::WideArms => "wide-arms",
            Strategy::PackedArms => "packed-arms",
            Strategy::Subqueries => "subqueries",
            Strategy::OneScan => "one-scan",
            Strategy::OneScanBounded => "one-scan-bounded",
        }
    }
}

/// The leaves of a tree.
pub(super) struct Marks<'a> {
    /// Distinct event leaves; the i-th has the i-th mark.
    pub(super) leaves: Vec<&'a EventLeaf>,
    /// The position among them of each leaf of the tree, by its address; the plan keeps it alive meanwhile.
    positions: HashMap<*const EventLeaf, usize>,
    /// Keys of the lists.
    pub(super) lists: Vec<String>,
    /// Operators used anywhere.
    pub(super) ops: Vec<Op>,
    /// Measures used.
    pub(super) measures: Vec<MeasureName>,
}

impl<'a> Marks<'a> {
    pub(super) fn collect(plan: &'a Plan) -> Self {
        // Every event leaf has shown its window.
        let leaves = plan.windows.len();
        let mut marks = Marks {
            leaves: Vec::with_capacity(leaves),
            positions: HashMap::with_capacity_and_hasher(leaves, Default::default()),
            lists: Vec::new(),
            ops: Vec::new(),
            measures: Vec::new(),
        };
        marks.node(&plan.root, &mut HashMap::with_capacity_and_hasher(leaves, Default::default()));
        marks
    }

    fn node(&mut self, node: &'a Node, known: &mut HashMap<&'a EventLeaf, usize>) {
        match node {
            Node::Const(_) => {}
            Node::All(children) | Node::Any(children) => children.iter().for_each(|c| self.node(c, known)),
            Node::Not(child) => self.node(child, known),
            Node::Leaf(Leaf::Attribute(_, test)) => self.test(test),
            Node::Leaf(Leaf::Event(leaf)) => {
                let position = *known.entry(leaf).or_insert(self.leaves.len());
                self.positions.insert(leaf, position);
                if position == self.leaves.len() {
                    self.leaves.push(leaf);
                    self.test(&leaf.test);
                    self.filter(&leaf.filter);
                    push_new(&mut self.measures, measure_name(&leaf.measure));
                }
            }
            Node::Leaf(Leaf::List(key)) => push_new(&mut self.lists, key.clone()),
            Node::Leaf(Leaf::Sample(_)) => {}
        }
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Const(_) => {}
            Filter::All(children) | Filter::Any(children) => children.iter().for_each(|c| self.filter(c)),
            Filter::Not(child) => self.filter(child),
            Filter::Test(_, test) => self.test(test),
        }
    }

    fn test(&mut self, test: &Test) {
        if let Some(op) = test.op() {
            push_new(&mut self.ops, op);
        }
        if let Test::AnyItem(filter) = test {
            self.filter(filter);
        }
    }

    /// The position of a leaf among the marks.
    pub(super) fn position(&self, leaf: &EventLeaf) -> Option<usize> {
        self.positions.get(&std::ptr::from_ref(leaf)).copied()
    }

    /// The arms: positions of the leaves that share each, with what the arm reads.
    pub(super) fn arms(&self, strategy: Strategy) -> Vec<Arm> {
        let mut arms: Vec<Arm> = Vec::new();
        let mut by_events: HashMap<&EventMatch, usize> = HashMap::default();
        for (i, leaf) in self.leaves.iter().enumerate() {
            let shared = match strategy {
                Strategy::Arms | Strategy::WideArms | Strategy::PackedArms => *by_events.entry(&leaf.events).or_insert(arms.len()),
                Strategy::Subqueries => arms.len(),
                Strategy::OneScan | Strategy::OneScanBounded => 0,
            };
            match arms.get_mut(shared) {
                Some(arm) => arm.read(&leaf.events, leaf.window, [i]),
                None => arms.push(Arm { events: leaf.events.clone(), window: leaf.window, leaves: vec![i] }),
            }
        }
        if strategy == Strategy::WideArms { widened(arms) } else { arms }
    }
}

/// How the arms hand on their marks.
pub(super) enum Form {
    /// The i-th in the column `m<i>`: 1 or NULL.
    Columns,
    /// Each as a bit, that of the i-th leaf at the i-th place; the bits of an arm lie side by side.
    Bits(Vec<Bit>),
}

/// A bit of the column `b<column>`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bit {
    /// Which column.
    pub(super) column: usize,
    /// The bit's value in it.
    pub(super) value: i64,
}

impl Form {
    /// The form for these arms.
    pub(super) fn of(strategy: Strategy, arms: &[Arm]) -> Self {
        let leaves: usize = arms.iter().map(|a| a.leaves.len()).sum();
        if strategy != Strategy::PackedArms && arms.len().saturating_mul(leaves) <= MARK_CELLS_MAX {
            return Form::Columns;
        }
        let mut bits = vec![Bit { column: 0, value: 0 }; leaves];
        for (place, leaf) in arms.iter().flat_map(|a| &a.leaves).enumerate() {
            if let Some(bit) = bits.get_mut(*leaf) {
                *bit = Bit { column: place / COLUMN_BITS, value: 1 << (place % COLUMN_BITS) };
            }
        }
        Form::Bits(bits)
    }

    /// The columns of so many marks.
    pub(super) fn names(&self, leaves: usize) -> Vec<String> {
        match self {
            Form::Columns => (0..leaves).map(mark_name).collect(),
            Form::Bits(_) => (0..leaves.div_ceil(COLUMN_BITS)).map(bits_name).collect(),
        }
    }
}

/// The name of the i-th leaf's mark.
pub(super) fn mark_name(i: usize) -> String {
    format!("m{i}")
}

/// The name of the i-th column of bits.
pub(super) fn bits_name(i: usize) -> String {
    format!("b{i}")
}

/// One scan of the events.
pub(super) struct Arm {
    /// Events that its leaves select among.
    pub(super) events: EventMatch,
    /// The outermost window of its leaves.
    pub(super) window: Interval,
    /// Positions of its leaves.
    pub(super) leaves: Vec<usize>,
}

impl Arm {
    /// Reads these events as well, for these leaves.
    pub(super) fn read(&mut self, events: &EventMatch, window: Interval, leaves: impl IntoIterator<Item = usize>) {
        self.leaves.extend(leaves);
        if self.events != *events {
            self.events = joined(&self.events, events);
        }
        self.window = self.window.hull(window);
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn joined(a: &EventMatch, b: &EventMatch) -> EventMatch {
    match (a, b) {
        (EventMatch::Names(a), EventMatch::Names(b)) => EventMatch::Names(a | b),
        _ => EventMatch::Any,
    }
}

fn measure_name(measure: &Measure) -> MeasureName {
    match measure {
        Measure::Count => MeasureName::Count,
        Measure::Days => MeasureName::Days,
        Measure::Sum(_) => MeasureName::Sum,
        Measure::Avg(_) => MeasureName::Avg,
        Measure::Min(_) => MeasureName::Min,
        Measure::Max(_) => MeasureName::Max,
        Measure::Distinct(_) => MeasureName::Distinct,
        Measure::First(_) => MeasureName::First,
        Measure::Last(_) => MeasureName::Last,
        Measure::FirstTime => MeasureName::FirstTime,
        Measure::LastTime => MeasureName::LastTime,
    }
}

impl Measure {
    /// The measure over no events: 0, or `None` where it is missing then.
    pub fn over_nothing(&self) -> Option<Value> {
        match self {
            Measure::Count | Measure::Days | Measure::Distinct(_) => Some(Value::Integer(0)),
            Measure::Sum(_) => Some(Value::Decimal(Decimal::from(0))),
            Measure::Avg(_)
            | Measure::Min(_)
            | Measure::Max(_)
            | Measure::First(_)
            | Measure::Last(_)
            | Measure::FirstTime
            | Measure::LastTime => None,
        }
    }
}

impl EventLeaf {
    /// Whether a user none of whose events is selected meets the leaf.
    pub fn holds_over_nothing(&self) -> bool {
        self.test.holds(self.measure.over_nothing().as_ref())
    }
}

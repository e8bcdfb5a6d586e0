//! What a query reads, from partitions and file statistics: the same for every backend, as all read one state.

use std::collections::BTreeMap;

use segment_core::plan::{EventLeaf, EventMatch, Interval, Leaf, Node, Plan};
use store::{BoundFile, EventRead};

use crate::backend::Query;

/// Bytes that a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Estimate {
    /// Of the event files that may hold what it needs.
    pub(super) events_bytes: u64,
    /// Of all event files.
    pub(super) events_total_bytes: u64,
    /// Of the profiles' columnar files.
    pub(super) profiles_bytes: u64,
}

impl Estimate {
    /// Of a query over a pinned state; `None` where there is none, or its metadata cannot be read, which is for the backends to report.
    pub(super) async fn of(query: &Query) -> Option<Self> {
        let pinned = query.pinned.as_deref()?;
        let profiles_bytes = pinned.profiles.files.iter().map(|f| f.size_bytes).sum();
        let reads = reads(&query.plan);
        if reads.is_empty() {
            return Some(Self { profiles_bytes, ..Self::default() });
        }
        if let Some(bound) = &pinned.bound {
            let size = |files: &mut dyn Iterator<Item = &BoundFile>| files.map(|f| f.size_bytes).sum();
            let needed = |f: &&BoundFile| reads.iter().any(|read| f.may_hold(Interval { start: read.start, end: read.end }));
            let events_bytes = size(&mut bound.files().iter().filter(needed));
            return Some(Self { events_bytes, events_total_bytes: size(&mut bound.files().iter()), profiles_bytes });
        }
        let plan = pinned.events.plan(&reads).await.ok()?;
        Some(Self { events_bytes: plan.files.iter().map(|f| f.size_bytes).sum(), events_total_bytes: plan.bytes_total, profiles_bytes })
    }
}

/// What of the events a plan needs: for each choice of events the span of its windows.
fn reads(plan: &Plan) -> Vec<EventRead> {
    let mut spans = BTreeMap::new();
    collect(&plan.root, &mut spans);
    let read = |(events, (start, end)): (&EventMatch, (Option<i64>, i64))| {
        let (names, prefix) = match events {
            EventMatch::Names(names) => (Some(names.iter().cloned().collect()), None),
            EventMatch::Prefix(prefix) => (None, Some(prefix.clone())),
            EventMatch::Any => (None, None),
        };
        EventRead { names, prefix, start, end }
    };
    spans.into_iter().map(read).collect()
}

type Spans<'p> = BTreeMap<&'p EventMatch, (Option<i64>, i64)>;

fn collect<'p>(node: &'p Node, spans: &mut Spans<'p>) {
    match node {
        Node::All(children) | Node::Any(children) => children.iter().for_each(|c| collect(c, spans)),
        Node::Not(child) => collect(child, spans),
        Node::Leaf(Leaf::Event(leaf)) => widen(leaf, spans),
        Node::Const(_) | Node::Leaf(Leaf::Attribute(..) | Leaf::List(_) | Leaf::Sample(_)) => {}
    }
}

fn widen<'p>(leaf: &'p EventLeaf, spans: &mut Spans<'p>) {
    let window = (leaf.window.start, leaf.window.end);
    spans
        .entry(&leaf.events)
        .and_modify(|(start, end)| {
            // `None` is the beginning, and less than any instant.
            *start = (*start).min(window.0);
            *end = (*end).max(window.1);
        })
        .or_insert(window);
}

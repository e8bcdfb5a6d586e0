//! Event predicates: which events, which of them, when, what is measured, how it is tested.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Cx, Names, Seen, filter};
use crate::catalog::Origin;
use crate::condition::{EventCondition, EventSelector, MeasureName, MeasureSpec, WindowSpec};
use crate::diagnostics::{Code, Pointer};
use crate::names;
use crate::ops::Subject;
use crate::plan::{EventLeaf, EventMatch, FieldRef, Filter, Interval, Leaf, Measure, Node, Test};
use crate::time::WindowMeaning;
use crate::types::Type;
use crate::value::Value;

pub(super) fn resolve(cx: &mut Cx<'_>, event: &EventCondition, pointer: &Pointer<'_>) -> Option<Node> {
    let events = selector(cx, &event.event, &pointer.key("event"));
    let filter = match &event.filter {
        None => Some(Filter::Const(true)),
        Some(condition) => filter(cx, condition, Names::Properties, &pointer.key("where")),
    };
    let window = match &event.window {
        None => {
            let interval = Interval { start: None, end: cx.as_of };
            cx.show_window(pointer, interval);
            cx.meanings.note(Seen::Instants(interval), WindowMeaning::All);
            Some(interval)
        }
        Some(WindowSpec::Invalid) => None,
        Some(WindowSpec::Given(window)) => cx.window(window, &pointer.key("window")),
    };
    let measure = measure(cx, event.measure.as_ref(), &pointer.key("measure"));
    let (test, negative) = match &event.comparison {
        None => (Test::Gte(Value::Integer(1)), false),
        Some(comparison) => {
            let subject = measure.as_ref().map_or_else(|| unmeasured(event.measure.as_ref()), subject);
            cx.comparison(comparison, subject, pointer)?
        }
    };
    let leaf = Node::Leaf(Leaf::Event(EventLeaf { events: events?, filter: filter?, window: window?, measure: measure?, test }));
    Some(if negative { Node::Not(Arc::new(leaf)) } else { leaf })
}

fn selector(cx: &mut Cx<'_>, selector: &EventSelector, at: &Pointer<'_>) -> Option<EventMatch> {
    match selector {
        EventSelector::Name(name) => named(cx, name, at).then(|| EventMatch::Names(BTreeSet::from([name.clone()]))),
        EventSelector::Names(list) => {
            let mut known = true;
            for (i, name) in list.iter().enumerate() {
                known &= name.as_ref().is_some_and(|name| named(cx, name, &at.index(i)));
            }
            known.then(|| EventMatch::Names(list.iter().flatten().cloned().collect()))
        }
        EventSelector::Prefix(prefix) if prefix.is_empty() => Some(EventMatch::Any),
        EventSelector::Prefix(prefix) => Some(EventMatch::Prefix(prefix.clone())),
        EventSelector::Any => Some(EventMatch::Any),
        EventSelector::Invalid => None,
    }
}

fn named(cx: &mut Cx<'_>, name: &str, at: &Pointer<'_>) -> bool {
    match cx.catalog.events.get(name) {
        Some(event) => {
            // What others write is never looked through for names.
            if event.origin == Origin::Declared && !event.seen && cx.catalog.events_table.is_none() {
                cx.warn(Code::NeverSeen, at, format!("event \"{name}\" is declared, but no data has it yet"));
            }
            true
        }
        None => {
            let hint = names::nearest(name, cx.catalog.events.keys().map(String::as_str));
            cx.fault_hint(Code::UnknownEvent, at, format!("there is no event \"{name}\": it is neither declared nor ever seen"), hint);
            false
        }
    }
}

fn measure(cx: &mut Cx<'_>, spec: Option<&MeasureSpec>, at: &Pointer<'_>) -> Option<Measure> {
    let (name, property) = match spec {
        None => return Some(Measure::Count),
        Some(MeasureSpec::Invalid) => return None,
        Some(MeasureSpec::Plain(name)) => (*name, None),
        Some(MeasureSpec::Of(name, property)) => (*name, Some(property)),
    };
    let at = at.key(name.name());
    let field = match property {
        None => None,
        Some(property) => Some(cx.field(Names::Properties, property, &at)?),
    };
    if let Some(field) = &field
        && !fits(name, &field.ty)
    {
        let message = format!("\"{}\" does not fit a property of type {}", name.name(), field.ty.name());
        cx.fault(Code::MeasureMismatch, &at, message);
        return None;
    }
    if matches!(name, MeasureName::First | MeasureName::Last) && cx.catalog.events_table.as_ref().is_some_and(|t| t.message_id.is_none()) {
        let message =
            format!("\"{}\" needs an order of events with one time: \"events_table\" of the catalog names no message_id", name.name());
        cx.fault(Code::NotSupported, &at, message);
        return None;
    }
    made(name, field)
}

/// The type rule of each measure.
fn fits(measure: MeasureName, ty: &Type) -> bool {
    match measure {
        MeasureName::Sum | MeasureName::Avg => matches!(ty, Type::Integer | Type::Number),
        MeasureName::Min | MeasureName::Max => ty.is_ordered(),
        MeasureName::Distinct => ty.is_scalar(),
        MeasureName::First
        | MeasureName::Last
        | MeasureName::Count
        | MeasureName::Days
        | MeasureName::FirstTime
        | MeasureName::LastTime => true,
    }
}

fn made(measure: MeasureName, field: Option<Arc<FieldRef>>) -> Option<Measure> {
    Some(match measure {
        MeasureName::Count => Measure::Count,
        MeasureName::Days => Measure::Days,
        MeasureName::FirstTime => Measure::FirstTime,
        MeasureName::LastTime => Measure::LastTime,
        MeasureName::Sum => Measure::Sum(field?),
        MeasureName::Avg => Measure::Avg(field?),
        MeasureName::Min => Measure::Min(field?),
        MeasureName::Max => Measure::Max(field?),
        MeasureName::Distinct => Measure::Distinct(field?),
        MeasureName::First => Measure::First(field?),
        MeasureName::Last => Measure::Last(field?),
    })
}

/// What a measure's value is compared as.
fn subject(measure: &Measure) -> Subject<'_> {
    match measure {
        Measure::Count | Measure::Days | Measure::Distinct(_) => Subject::Of(&Type::Integer),
        Measure::Sum(_) => Subject::Sum,
        Measure::Avg(_) => Subject::Avg,
        Measure::Min(f) | Measure::Max(f) | Measure::First(f) | Measure::Last(f) => Subject::Of(&f.ty),
        Measure::FirstTime | Measure::LastTime => Subject::Of(&Type::Timestamp),
    }
}

/// What a measure at fault is compared as: for some that does not depend on the property.
fn unmeasured(spec: Option<&MeasureSpec>) -> Subject<'static> {
    match spec {
        Some(MeasureSpec::Of(MeasureName::Sum, _)) => Subject::Sum,
        Some(MeasureSpec::Of(MeasureName::Avg, _)) => Subject::Avg,
        Some(MeasureSpec::Of(MeasureName::Distinct, _)) => Subject::Of(&Type::Integer),
        None | Some(MeasureSpec::Of(..) | MeasureSpec::Plain(_) | MeasureSpec::Invalid) => Subject::Unknown,
    }
}

//! [`Condition`] → JSON, the inverse of `read`.

use super::{Comparison, Condition, EventSelector, FieldCondition, MeasureSpec, Operand, WindowSpec};
use crate::json::Json;
use crate::time::{Duration, Window};

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

fn text(s: &str) -> Json {
    Json::String(s.to_owned())
}

pub(super) fn condition(c: &Condition) -> Json {
    match c {
        Condition::All(children) => object([("all", Json::Array(children.iter().map(condition).collect()))]),
        Condition::Any(children) => object([("any", Json::Array(children.iter().map(condition).collect()))]),
        Condition::Not(child) => object([("not", condition(child))]),
        Condition::Everyone => object([("everyone", Json::Bool(true))]),
        Condition::Attribute(name, c) => {
            let mut members = vec![("attribute".to_owned(), text(name))];
            comparison(c, &mut members);
            Json::Object(members)
        }
        Condition::Unnamed(c) => {
            let mut members = Vec::new();
            comparison(c, &mut members);
            Json::Object(members)
        }
        Condition::Event(e) => {
            let selector = match &e.event {
                EventSelector::Name(name) => text(name),
                EventSelector::Names(names) => Json::Array(names.iter().flatten().map(|n| text(n)).collect()),
                EventSelector::Prefix(prefix) => object([("prefix", text(prefix))]),
                EventSelector::Any => text("*"),
                EventSelector::Invalid => Json::Null,
            };
            let mut members = vec![("event".to_owned(), selector)];
            if let Some(filter) = &e.filter {
                members.push(("where".to_owned(), field(filter)));
            }
            if let Some(measure) = &e.measure {
                let measure = match measure {
                    MeasureSpec::Plain(name) => object([(name.name(), Json::Bool(true))]),
                    MeasureSpec::Of(name, property) => object([(name.name(), text(property))]),
                    MeasureSpec::Invalid => Json::Null,
                };
                members.push(("measure".to_owned(), measure));
            }
            if let Some(c) = &e.comparison {
                comparison(c, &mut members);
            }
            if let Some(w) = &e.window {
                let window = match w {
                    WindowSpec::Given(w) => window(w),
                    WindowSpec::Invalid => Json::Null,
                };
                members.push(("window".to_owned(), window));
            }
            Json::Object(members)
        }
        Condition::Segment(key) => object([("segment", text(key))]),
        Condition::List(key) => object([("list", text(key))]),
        Condition::Sample(s) => {
            let percent = s.percent.clone().map_or(Json::Null, Json::Number);
            let salt = s.salt.as_deref().map_or(Json::Null, text);
            let mut members = vec![("percent".to_owned(), percent), ("salt".to_owned(), salt)];
            if let Some(by) = &s.by {
                members.push(("by".to_owned(), text(by)));
            }
            object([("sample", Json::Object(members))])
        }
        Condition::Sequence(json) => object([("sequence", json.clone())]),
        Condition::Sql(json) => object([("sql", json.clone())]),
        Condition::Invalid => Json::Null,
    }
}

fn comparison(c: &Comparison, members: &mut Vec<(String, Json)>) {
    if let Some(op) = c.op {
        members.push(("op".to_owned(), text(op.name())));
    }
    match &c.operand {
        Operand::None | Operand::Invalid => {}
        Operand::Literal(json) => members.push(("value".to_owned(), json.clone())),
        Operand::Window(w) => members.push(("value".to_owned(), window(w))),
        Operand::Items(f) => members.push(("value".to_owned(), field(f))),
    }
    if let Some(ignore) = c.ignore_case {
        members.push(("ignore_case".to_owned(), Json::Bool(ignore)));
    }
}

fn field(f: &FieldCondition) -> Json {
    match f {
        FieldCondition::All(children) => object([("all", Json::Array(children.iter().map(field).collect()))]),
        FieldCondition::Any(children) => object([("any", Json::Array(children.iter().map(field).collect()))]),
        FieldCondition::Not(child) => object([("not", field(child))]),
        FieldCondition::Property(name, c) => {
            let mut members = vec![("property".to_owned(), text(name))];
            comparison(c, &mut members);
            Json::Object(members)
        }
        FieldCondition::Unnamed(c) => {
            let mut members = Vec::new();
            comparison(c, &mut members);
            Json::Object(members)
        }
        FieldCondition::Invalid => Json::Null,
    }
}

fn duration(d: &Duration) -> Json {
    object([("n", Json::Number(d.n.to_string())), ("unit", text(d.unit.name()))])
}

fn window(w: &Window) -> Json {
    let mut members = match w {
        Window::Last { d, .. } => vec![("last".to_owned(), duration(d))],
        Window::Ago { from, to, .. } => vec![("ago".to_owned(), object([("from", duration(from)), ("to", duration(to))]))],
        Window::Between { from, to } => {
            [("from", from), ("to", to)].into_iter().filter_map(|(key, t)| t.as_ref().map(|t| (key.to_owned(), text(t)))).collect()
        }
        Window::Next(d) => vec![("next".to_owned(), duration(d))],
        Window::All => Vec::new(),
    };
    if let Window::Last { aligned: true, .. } | Window::Ago { aligned: true, .. } = w {
        members.push(("aligned".to_owned(), Json::Bool(true)));
    }
    Json::Object(members)
}

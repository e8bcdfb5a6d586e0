//! Windows and durations.

use super::{Members, Reader, member};
use crate::decimal::{Decimal, DecimalError};
use crate::diagnostics::{Code, Pointer};
use crate::json::{Borrowed, Json};
use crate::limits;
use crate::names;
use crate::time::{Duration, Unit, Window, Zone, parse_instant};

impl Reader {
    pub(super) fn window(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>, next_allowed: bool) -> Option<Window> {
        let Json::Object(members) = json else {
            self.fault(
                Code::InvalidWindow,
                at,
                format!("a window is an object such as {{\"last\": {{\"n\": 30, \"unit\": \"day\"}}}}; this is {}", json.kind()),
            );
            return None;
        };
        let before = self.diagnostics.len();
        self.doubled(members, at);
        let has = |key: &str| member(members, key).is_some();
        if let Some(json) = member(members, "last") {
            self.unknown(members, at, ["last", "aligned"].into_iter(), "a \"last\" window");
            let d = self.duration(json, &at.key("last"), false);
            let aligned = self.aligned(members, at);
            d.zip(aligned).map(|(d, aligned)| Window::Last { d, aligned })
        } else if let Some(json) = member(members, "ago") {
            self.unknown(members, at, ["ago", "aligned"].into_iter(), "an \"ago\" window");
            let aligned = self.aligned(members, at);
            self.ago(json, &at.key("ago")).zip(aligned).map(|((from, to), aligned)| Window::Ago { from, to, aligned })
        } else if has("from") || has("to") {
            self.unknown(members, at, ["from", "to"].into_iter(), "a window between two instants");
            let mut time = |key: &str| match member(members, key) {
                None => Some(None),
                Some(json) => self.time(json, &at.key(key)).map(Some),
            };
            let (from, to) = (time("from"), time("to"));
            from.zip(to).map(|(from, to)| Window::Between { from, to })
        } else if next_allowed && has("next") {
            self.unknown(members, at, ["next"].into_iter(), "a \"next\" window");
            member(members, "next").and_then(|json| self.duration(json, &at.key("next"), false)).map(Window::Next)
        } else if members.is_empty() {
            self.fault(Code::EmptyWindow, at, "the window is empty: leave it out for all time");
            None
        } else {
            let known: &[&str] = if next_allowed { &["last", "ago", "from", "to", "next"] } else { &["last", "ago", "from", "to"] };
            self.unknown(members, at, known.iter().copied().chain(["aligned"]), "a window");
            if self.diagnostics.len() == before {
                self.fault(Code::MissingField, at, format!("a window has one of {}", known.join(", ")));
            }
            None
        }
    }

    /// An instant or a date, as text. Which instant it is, the workspace's zone says; whether it is one, its form does.
    fn time(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>) -> Option<String> {
        let text = self.text(json, at, "an instant or a date")?;
        if parse_instant(&text, &Zone::utc()).is_none() {
            self.fault(Code::InvalidWindow, at, "an instant such as 2026-01-31T09:00:00Z, or a date, is needed");
            return None;
        }
        Some(text)
    }

    fn aligned(&mut self, members: &Members<'_>, at: &Pointer<'_>) -> Option<bool> {
        match member(members, "aligned") {
            None => Some(false),
            Some(Json::Bool(b)) => Some(*b),
            Some(other) => {
                self.fault(Code::InvalidValue, &at.key("aligned"), format!("true or false is needed; this is {}", other.kind()));
                None
            }
        }
    }

    fn ago(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>) -> Option<(Duration, Duration)> {
        let Json::Object(members) = json else {
            self.fault(Code::InvalidWindow, at, format!("\"ago\" is an object with \"from\" and \"to\"; this is {}", json.kind()));
            return None;
        };
        self.doubled(members, at);
        self.unknown(members, at, ["from", "to"].into_iter(), "\"ago\"");
        let mut end = |key: &str, zero: bool| match member(members, key) {
            Some(json) => self.duration(json, &at.key(key), zero),
            None => {
                self.fault(Code::MissingField, at, format!("\"{key}\" is missing"));
                None
            }
        };
        let from = end("from", false);
        let to = end("to", true);
        Some((from?, to?))
    }

    fn duration(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>, zero: bool) -> Option<Duration> {
        let Json::Object(members) = json else {
            self.fault(
                Code::InvalidWindow,
                at,
                format!("a duration is an object such as {{\"n\": 30, \"unit\": \"day\"}}; this is {}", json.kind()),
            );
            return None;
        };
        self.doubled(members, at);
        self.unknown(members, at, ["n", "unit"].into_iter(), "a duration");
        let least = u32::from(!zero);
        let n = match member(members, "n") {
            None => {
                self.fault(Code::MissingField, at, "\"n\" is missing");
                None
            }
            Some(json) => self.whole(json, &at.key("n"), least),
        };
        let unit = match member(members, "unit") {
            None => {
                self.fault(Code::MissingField, at, "\"unit\" is missing");
                None
            }
            Some(json) => {
                let unit = json.as_str().and_then(Unit::parse);
                if unit.is_none() {
                    let hint = json.as_str().and_then(|s| names::nearest(s, Unit::ALL.iter().map(|u| u.name())));
                    self.fault_hint(
                        Code::InvalidWindow,
                        &at.key("unit"),
                        "\"unit\" is second, minute, hour, day, week, month or year",
                        hint,
                    );
                }
                unit
            }
        };
        Some(Duration { n: n?, unit: unit? })
    }

    fn whole(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>, least: u32) -> Option<u32> {
        let written = json.as_number().unwrap_or_default();
        // Nearly all are written plainly, and need no decimal.
        let n = written.parse().ok().or_else(|| Decimal::literal(written).ok()?.to_i64_exact()?.try_into().ok());
        if n.is_none() && Decimal::literal(written) == Err(DecimalError::Exponent) {
            self.fault(Code::NonFinite, at, "the number is beyond what a number can be");
            return None;
        }
        let n = n.filter(|n: &u32| (least..=limits::DURATION_N_MAX).contains(n));
        if n.is_none() {
            self.fault(Code::InvalidWindow, at, format!("\"n\" is a whole number from {least} to {}", limits::DURATION_N_MAX));
        }
        n
    }
}

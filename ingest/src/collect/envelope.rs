//! A request's body into the events in it.
//!
//! Only the outermost object, and in a batch the list, is read here; each event keeps its bytes and is read by itself, so that what is
//! wrong with one is no fault of the others. Of a key given twice the later counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use segment_core::json::Json;
use segment_core::time::Zone;

use super::limits::CONTEXTS_BYTES_MAX;
use super::quarantine::{Call, Form, Raw};
use super::segment;

/// What a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// One event of a call.
    Call(Call),
    /// Many.
    Batch,
}

/// A body taken apart.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    members: BTreeMap<Cow<'a, str>, &'a RawValue>,
    body: &'a str,
}

/// A body that is not what the path takes, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

#[derive(Deserialize)]
struct Members<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Envelope<'a> {
    /// Takes a body apart. A byte order mark is passed over.
    pub(crate) fn open(body: &'a [u8]) -> Result<Self, Malformed> {
        let body = std::str::from_utf8(body).map_err(|e| Malformed(format!("the body is not UTF-8: byte {}", e.valid_up_to() + 1)))?;
        let body = body.trim_start_matches('\u{feff}').trim_ascii();
        let members: Members<'a> = serde_json::from_str(body).map_err(|e| Malformed(format!("the body is not a JSON object: {e}")))?;
        Ok(Self { members: members.0, body })
    }

    fn member(&self, name: &str) -> Option<Json> {
        Json::parse(self.members.get(name)?.get()).ok()
    }

    /// The write key in the body.
    pub(crate) fn write_key(&self) -> Option<String> {
        match self.member("writeKey") {
            Some(Json::String(key)) => Some(key),
            _ => None,
        }
    }

    /// The events. `id` is unique to the request; those without a message id get it with their place.
    pub(crate) fn events(&self, endpoint: Endpoint, zone: &Zone, id: &str) -> Result<Vec<Raw<'a>>, Malformed> {
        match endpoint {
            Endpoint::Call(call) => Ok(vec![Raw {
                form: Form::Call(call),
                sent_at: None,
                context: None,
                id: Cow::Owned(id.to_owned()),
                bytes: Cow::Borrowed(self.body.as_bytes()),
            }]),
            Endpoint::Batch => {
                let list = self.members.get("batch").ok_or_else(|| Malformed("\"batch\", the list of events, is missing".to_owned()))?;
                let list: Vec<&'a RawValue> =
                    serde_json::from_str(list.get()).map_err(|_| Malformed("\"batch\" is not a list of events".to_owned()))?;
                let sent_at = segment::sent_at(self.member("sentAt").as_ref(), zone);
                let context = self.context(list.len())?;
                let event = |(at, raw): (usize, &&'a RawValue)| Raw {
                    form: Form::Typed,
                    sent_at,
                    context: context.map(Cow::Borrowed),
                    id: Cow::Owned(format!("{id}-{at}")),
                    bytes: Cow::Borrowed(raw.get().as_bytes()),
                };
                Ok(list.iter().enumerate().map(event).collect())
            }
        }
    }

    /// The batch's context, which every event of it gets a copy of.
    fn context(&self, events: usize) -> Result<Option<&'a str>, Malformed> {
        let Some(text) = self.members.get("context").map(|raw| raw.get()) else { return Ok(None) };
        // As deep as it will stand in an event's properties.
        match Json::parse(&format!("{{\"context\":{text}}}")).map(|json| json.get("context").cloned()) {
            Ok(None | Some(Json::Null)) => return Ok(None),
            Ok(Some(Json::Object(members))) if members.is_empty() => return Ok(None),
            Ok(Some(Json::Object(_))) => {}
            Ok(Some(other)) => return Err(Malformed(format!("the batch's \"context\" is an object; this is {}", other.kind()))),
            Err(e) => return Err(Malformed(format!("the batch's \"context\" cannot be read: {e}"))),
        }
        if text.len().saturating_mul(events) > CONTEXTS_BYTES_MAX {
            let message = format!(
                "the batch's \"context\", once for each event, has more than {CONTEXTS_BYTES_MAX} bytes: send fewer events at a time"
            );
            return Err(Malformed(message));
        }
        Ok(Some(text))
    }
}

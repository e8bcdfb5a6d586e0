//! A line of `POST /v1/events` into a draft: the same line as in a file of events that is imported (docs/import.md).

use segment_core::convert::{canonical_user_id, normalize_dotted};
use segment_core::json::Json;
use segment_core::time::parse_instant;

use super::clock::{Stated, corrected};
use super::draft::Draft;
use super::quarantine::{Raw, Reason, Unfit};
use super::read::Arrival;
use super::segment;
use crate::mapping::Half;
use crate::rejects::{self, Place};
use crate::rows::json::{native, usable};

/// Reads a line.
pub(crate) fn read(raw: &Raw<'_>, at: &Arrival<'_>) -> Result<Draft, Unfit> {
    let line = native(Half::Events, usable(&raw.bytes).map_err(unfit)?);
    let [user_id, event, ts, message_id] = &line.own;
    let user_id = match user_id {
        None | Some(Json::Null) => return Err(Unfit::new(Reason::NoUserId, "", "there is no \"user_id\"")),
        Some(Json::String(text)) if text.is_empty() => return Err(Unfit::new(Reason::NoUserId, "/user_id", "the user id is empty")),
        Some(json) => canonical_user_id(json).map_err(|message| Unfit::new(Reason::BadUserId, "/user_id", message))?,
    };
    let event = segment::event_name(event.as_ref(), "/event")?;
    let happened = match ts {
        None | Some(Json::Null) => return Err(Unfit::new(Reason::NoTime, "", "there is no \"ts\"")),
        Some(json) => json.as_str().and_then(|text| parse_instant(text, &at.workspace.zone)).ok_or_else(|| segment::no_time("ts", json))?,
    };
    let message_id = segment::message_id(message_id.as_ref(), "message_id", &raw.id)?;
    let Json::Object(members) = normalize_dotted(Json::Object(line.others)) else {
        return Err(Unfit::new(Reason::MalformedJson, "", "an object is needed"));
    };
    let ts = corrected(Stated { happened: Some(happened), sent: None }, at.received_at);
    Ok(Draft { user_id, ts, message_id, event: Some(event), members, place: "", made: Vec::new() })
}

/// What makes a row unusable for an import makes it unfit here.
fn unfit(fault: rejects::Fault) -> Unfit {
    let reason = match fault.reason {
        rejects::Reason::NotUtf8 => Reason::NotUtf8,
        rejects::Reason::IntegerOverflow => Reason::IntegerOverflow,
        rejects::Reason::NoUserId => Reason::NoUserId,
        rejects::Reason::BadUserId => Reason::BadUserId,
        rejects::Reason::NoEvent => Reason::NoEvent,
        rejects::Reason::NoTime => Reason::NoTime,
        rejects::Reason::MalformedJson | rejects::Reason::WrongWidth => Reason::MalformedJson,
    };
    match fault.place {
        Some(Place::Field(name)) => Unfit::new(reason, segment::pointer(&[&name]), fault.message),
        Some(Place::Byte(byte)) => Unfit::new(reason, "", format!("byte {byte}: {}", fault.message)),
        None => Unfit::new(reason, "", fault.message),
    }
}

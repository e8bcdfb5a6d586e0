//! An object of Segment's tracking API into a draft.
//!
//! `track` is the event that it names; `page`, `screen`, `group` and `alias` are events of these names; `identify` is facts about the user.
//! docs/collect.md says which members become what. What is not named there is passed over.

use segment_core::convert::{canonical_user_id, is_integer_overflow, normalize_dotted};
use segment_core::json::{Json, NOT_UTF8};
use segment_core::time::{Zone, parse_instant};

use super::clock::{Stated, corrected};
use super::draft::Draft;
use super::limits::{MESSAGE_ID_BYTES_MAX, SHOWN_CHARS_MAX};
use super::quarantine::{Call, Raw, Reason, Unfit};
use super::read::Arrival;

type Members = Vec<(String, Json)>;

/// Reads an object: of that call, or of the one that its `type` names.
pub(crate) fn read(raw: &Raw<'_>, call: Option<Call>, at: &Arrival<'_>) -> Result<Draft, Unfit> {
    let mut members = object(&raw.bytes)?;
    if let Some((name, _)) = members.iter().find(|(name, value)| name != "integrations" && is_integer_overflow(value)) {
        return Err(Unfit::new(Reason::IntegerOverflow, pointer(&[name]), "an integer of more than 64 bits"));
    }
    let call = match call {
        Some(call) => call,
        None => typed(member(&members, "type"))?,
    };
    let (user_id, anonymous_id) = user(&members)?;
    let ts = time(&members, raw.sent_at, at)?;
    let message_id = message_id(member(&members, "messageId"), "messageId", &raw.id)?;
    let event = match call {
        Call::Identify => None,
        Call::Track => Some(event_name(member(&members, "event"), "/event")?),
        Call::Page | Call::Screen | Call::Group | Call::Alias => Some(call.name().to_owned()),
    };
    let context = context(take(&mut members, "context"), raw.context.as_deref())?;
    let place = match call {
        Call::Identify => "/traits",
        Call::Track | Call::Page | Call::Screen | Call::Group | Call::Alias => "/properties",
    };
    let (fields, made) = match call {
        Call::Identify => (attributes(&mut members, context)?, Vec::new()),
        Call::Track | Call::Page | Call::Screen | Call::Group | Call::Alias => properties(call, members, context, anonymous_id)?,
    };
    let Json::Object(fields) = normalize_dotted(Json::Object(fields)) else {
        return Err(Unfit::new(Reason::MalformedJson, place, "an object is needed"));
    };
    Ok(Draft { user_id, ts, message_id, event, members: fields, place, made })
}

/// The members of the object that the bytes are.
pub(crate) fn object(bytes: &[u8]) -> Result<Members, Unfit> {
    match Json::parse_bytes(bytes) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(other) => Err(Unfit::new(Reason::MalformedJson, "", format!("an event is an object; this is {}", other.kind()))),
        Err(e) if e.message == NOT_UTF8 => Err(Unfit::new(Reason::NotUtf8, "", e.to_string())),
        Err(e) => Err(Unfit::new(Reason::MalformedJson, "", e.to_string())),
    }
}

/// A JSON pointer of these steps.
pub(crate) fn pointer(steps: &[&str]) -> String {
    steps.iter().map(|step| format!("/{}", shown(step).replace('~', "~0").replace('/', "~1"))).collect()
}

/// The beginning of a text, for people.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// A member that is not null; of one given twice the later.
fn member<'m>(members: &'m Members, name: &str) -> Option<&'m Json> {
    members.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value).filter(|value| !value.is_null())
}

fn take(members: &mut Members, name: &str) -> Option<Json> {
    let at = members.iter().rposition(|(n, _)| n == name)?;
    Some(members.remove(at).1).filter(|value| !value.is_null())
}

fn typed(json: Option<&Json>) -> Result<Call, Unfit> {
    let all = "track, identify, page, screen, group or alias";
    match json {
        None => Err(Unfit::new(Reason::UnknownType, "", format!("\"type\" is missing: {all}"))),
        Some(json) => json.as_str().and_then(Call::named).ok_or_else(|| {
            let message = format!("{} is no type of an event: {all}", shown(&json.to_text()));
            Unfit::new(Reason::UnknownType, "/type", message)
        }),
    }
}

/// The user, and the anonymous id besides, where there is another one.
fn user(members: &Members) -> Result<(String, Option<String>), Unfit> {
    let given = |name| member(members, name).filter(|json| json.as_str() != Some(""));
    let canonical = |name, json| canonical_user_id(json).map_err(|message| Unfit::new(Reason::BadUserId, pointer(&[name]), message));
    match (given("userId"), given("anonymousId")) {
        (Some(user), anonymous) => {
            let user = canonical("userId", user)?;
            let anonymous = anonymous.and_then(|json| canonical_user_id(json).ok()).filter(|anonymous| *anonymous != user);
            Ok((user, anonymous))
        }
        (None, Some(anonymous)) => Ok((canonical("anonymousId", anonymous)?, None)),
        (None, None) => Err(Unfit::new(Reason::NoUserId, "", "there is neither a \"userId\" nor an \"anonymousId\"")),
    }
}

fn time(members: &Members, batch_sent_at: Option<i64>, at: &Arrival<'_>) -> Result<i64, Unfit> {
    let zone = &at.workspace.zone;
    let read = |name| match member(members, name) {
        None => Ok(None),
        Some(json) => instant(json, zone).map(Some).ok_or_else(|| no_time(name, json)),
    };
    let (timestamp, original) = (read("timestamp")?, read("originalTimestamp")?);
    // With both, somebody has corrected `timestamp` already.
    if let (Some(timestamp), Some(_)) = (timestamp, original) {
        return Ok(corrected(Stated { happened: Some(timestamp), sent: None }, at.received_at));
    }
    let sent = batch_sent_at.or_else(|| sent_at(member(members, "sentAt"), zone));
    Ok(corrected(Stated { happened: timestamp.or(original), sent }, at.received_at))
}

fn instant(json: &Json, zone: &Zone) -> Option<i64> {
    parse_instant(json.as_str()?, zone)
}

/// When something was sent. What cannot be read is as if it were not there: it only serves to correct.
pub(crate) fn sent_at(json: Option<&Json>, zone: &Zone) -> Option<i64> {
    instant(json?, zone)
}

pub(crate) fn no_time(name: &str, json: &Json) -> Unfit {
    let message = format!("{} is no time: RFC 3339 or a date is needed, such as \"2026-01-31T09:00:00Z\"", shown(&json.to_text()));
    Unfit::new(Reason::NoTime, pointer(&[name]), message)
}

/// The message id that is stated, or the other one.
pub(crate) fn message_id(json: Option<&Json>, name: &str, other: &str) -> Result<String, Unfit> {
    let bad = |message: String| Err(Unfit::new(Reason::BadMessageId, pointer(&[name]), message));
    match json {
        None | Some(Json::Null) => Ok(other.to_owned()),
        Some(Json::String(text)) if text.is_empty() => Ok(other.to_owned()),
        Some(Json::String(text) | Json::Number(text)) if text.len() <= MESSAGE_ID_BYTES_MAX => Ok(text.clone()),
        Some(Json::String(_) | Json::Number(_)) => bad(format!("a message id has at most {MESSAGE_ID_BYTES_MAX} bytes")),
        Some(json) => bad(format!("a message id is text; this is {}", json.kind())),
    }
}

/// An event's name.
pub(crate) fn event_name(json: Option<&Json>, pointer: &str) -> Result<String, Unfit> {
    match json {
        Some(Json::String(name)) if !name.is_empty() => Ok(name.clone()),
        Some(Json::String(_)) => Err(Unfit::new(Reason::NoEvent, pointer, "the event's name is empty")),
        None | Some(Json::Null) => Err(Unfit::new(Reason::NoEvent, "", "there is no event name")),
        Some(other) => Err(Unfit::new(Reason::NoEvent, pointer, format!("an event's name is text; this is {}", other.kind()))),
    }
}

/// The members of an object that may be missing.
fn inner(json: Option<Json>, pointer: &str) -> Result<Members, Unfit> {
    match json {
        None | Some(Json::Null) => Ok(Members::new()),
        Some(Json::Object(members)) => Ok(members),
        Some(other) => Err(Unfit::new(Reason::MalformedJson, pointer, format!("an object is needed; this is {}", other.kind()))),
    }
}

/// The event's context, over the batch's.
fn context(own: Option<Json>, batch: Option<&str>) -> Result<Members, Unfit> {
    let own = inner(own, "/context")?;
    let Some(batch) = batch else { return Ok(own) };
    let mut all = inner(Json::parse(batch).ok(), "")?;
    all.retain(|(name, _)| own.iter().all(|(n, _)| n != name));
    all.extend(own);
    Ok(all)
}

/// What `identify` says of its user: `traits`, over those in the context.
fn attributes(members: &mut Members, mut context: Members) -> Result<Members, Unfit> {
    let traits = inner(take(members, "traits"), "/traits")?;
    let mut all = inner(take(&mut context, "traits"), "/context/traits")?;
    all.retain(|(name, _)| traits.iter().all(|(n, _)| n != name));
    all.extend(traits);
    Ok(all)
}

/// An event's properties: the sender's, and those made of other members where the sender has none of that name; then the names of these.
fn properties(
    call: Call,
    mut members: Members,
    context: Members,
    anonymous_id: Option<String>,
) -> Result<(Members, Vec<&'static str>), Unfit> {
    let mut all = inner(take(&mut members, "properties"), "/properties")?;
    let of_call: &[(&'static str, &str)] = match call {
        Call::Page | Call::Screen => &[("name", "name"), ("category", "category")],
        Call::Group => &[("group_id", "groupId"), ("traits", "traits")],
        Call::Alias => &[("previous_id", "previousId")],
        Call::Track | Call::Identify => &[],
    };
    let mut made: Vec<(&'static str, Json)> = of_call.iter().filter_map(|(name, from)| Some((*name, take(&mut members, from)?))).collect();
    made.extend(anonymous_id.map(|id| ("anonymous_id", Json::String(id))));
    if !context.is_empty() {
        made.push(("context", Json::Object(context)));
    }
    made.retain(|(name, _)| all.iter().all(|(n, _)| n != name));
    let names = made.iter().map(|(name, _)| *name).collect();
    all.extend(made.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok((all, names))
}

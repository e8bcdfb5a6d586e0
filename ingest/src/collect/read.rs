//! One event's bytes into an entry of the log.

use super::draft::Draft;
use super::keys::Workspace;
use super::limits::EVENT_BYTES_MAX;
use super::message::Entry;
use super::quarantine::{Form, Quarantined, Raw, Reason, Unfit};
use super::{line, segment};

/// For whom and when events arrived.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// The workspace of the write key.
    pub workspace: &'a Workspace,
    /// When, in microseconds.
    pub received_at: i64,
}

/// Reads and checks an event: a message, or, with the reason, what came.
pub fn take(raw: Raw<'_>, at: &Arrival<'_>) -> Entry {
    let checked = read(&raw, at).and_then(|draft| {
        at.workspace.checker.check(&draft, &at.workspace.zone)?;
        Ok(draft)
    });
    match checked {
        Ok(draft) => Entry::Message(draft.into_message(at)),
        Err(unfit) => {
            let mut raw = raw.into_owned();
            raw.bytes.to_mut().truncate(EVENT_BYTES_MAX);
            Entry::Quarantined(Quarantined { workspace: at.workspace.id.clone(), received_at: at.received_at, unfit, raw })
        }
    }
}

fn read(raw: &Raw<'_>, at: &Arrival<'_>) -> Result<Draft, Unfit> {
    if raw.bytes.len() > EVENT_BYTES_MAX {
        let message = format!("the event has more than {EVENT_BYTES_MAX} bytes");
        return Err(Unfit::new(Reason::TooLarge, "", message));
    }
    match raw.form {
        Form::Call(call) => segment::read(raw, Some(call), at),
        Form::Typed => segment::read(raw, None, at),
        Form::Line => line::read(raw, at),
    }
}

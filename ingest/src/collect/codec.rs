//! Entries as bytes, for the log.
//!
//! The first byte is the version, the second the kind: 1 event, 2 attributes, 3 quarantined. Then come the times, signed 64 bits, little-endian, and
//! the texts, each after its length in seven bits a byte, least first. What a text may lack is one byte, 0 or 1, before it. An entry written by
//! any version is read by all later ones; the log holds no other account of itself.

use std::borrow::Cow;

use super::message::{Entry, Fact, Message};
use super::quarantine::{Call, Form, Quarantined, Raw, Reason, Unfit};

/// The version that is written.
const VERSION: u8 = 1;
const EVENT: u8 = 1;
const ATTRIBUTES: u8 = 2;
const QUARANTINED: u8 = 3;
/// Names of the forms that are no calls.
const TYPED: &str = "typed";
const LINE: &str = "line";

/// Bytes that are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A later version wrote them.
    #[error("an entry of version {0} cannot be read: this Muster reads versions up to {VERSION}")]
    Version(u8),
    /// They are damaged.
    #[error("an entry is damaged: {0}")]
    Damaged(&'static str),
}

/// An entry's bytes.
pub fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = vec![VERSION];
    match entry {
        Entry::Message(message) => put_message(&mut out, message),
        Entry::Quarantined(quarantined) => put_quarantined(&mut out, quarantined),
    }
    out
}

fn put_message(out: &mut Vec<u8>, message: &Message) {
    let (kind, texts) = match &message.fact {
        Fact::Event { name, properties } => (EVENT, vec![name, properties]),
        Fact::Attributes { attributes } => (ATTRIBUTES, vec![attributes]),
    };
    out.push(kind);
    out.extend_from_slice(&message.ts.to_le_bytes());
    out.extend_from_slice(&message.received_at.to_le_bytes());
    for text in [&message.workspace, &message.user_id, &message.message_id].into_iter().chain(texts) {
        put(out, text.as_bytes());
    }
}

fn put_quarantined(out: &mut Vec<u8>, quarantined: &Quarantined) {
    let Quarantined { workspace, received_at, unfit, raw } = quarantined;
    out.push(QUARANTINED);
    out.extend_from_slice(&received_at.to_le_bytes());
    match raw.sent_at {
        None => out.push(0),
        Some(at) => {
            out.push(1);
            out.extend_from_slice(&at.to_le_bytes());
        }
    }
    match &raw.context {
        None => out.push(0),
        Some(text) => {
            out.push(1);
            put(out, text.as_bytes());
        }
    }
    let form = match raw.form {
        Form::Call(call) => call.name(),
        Form::Typed => TYPED,
        Form::Line => LINE,
    };
    for text in [workspace.as_str(), unfit.reason.name(), &unfit.pointer, &unfit.message, form, &raw.id] {
        put(out, text.as_bytes());
    }
    put(out, &raw.bytes);
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut n = bytes.len();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out.extend_from_slice(bytes);
}

/// The entry that the bytes are.
///
/// # Errors
///
/// `Version`: an older Muster is reading. `Damaged`: they are cut off, go on too long, or hold what no entry does.
pub fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
    let mut reader = Reader { rest: bytes };
    match reader.byte()? {
        VERSION => {}
        version => return Err(DecodeError::Version(version)),
    }
    let entry = match reader.byte()? {
        kind @ (EVENT | ATTRIBUTES) => Entry::Message(reader.message(kind)?),
        QUARANTINED => Entry::Quarantined(reader.quarantined()?),
        _ => return Err(DecodeError::Damaged("it is of no kind")),
    };
    if reader.rest.is_empty() { Ok(entry) } else { Err(DecodeError::Damaged("it goes on after its end")) }
}

const CUT_OFF: DecodeError = DecodeError::Damaged("it is cut off");

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn message(&mut self, kind: u8) -> Result<Message, DecodeError> {
        let (ts, received_at) = (self.time()?, self.time()?);
        let (workspace, user_id, message_id) = (self.text()?, self.text()?, self.text()?);
        let fact = match kind {
            EVENT => Fact::Event { name: self.text()?, properties: self.text()? },
            _ => Fact::Attributes { attributes: self.text()? },
        };
        Ok(Message { workspace, user_id, ts, received_at, message_id, fact })
    }

    fn quarantined(&mut self) -> Result<Quarantined, DecodeError> {
        let received_at = self.time()?;
        let sent_at = if self.flag()? { Some(self.time()?) } else { None };
        let context = if self.flag()? { Some(Cow::Owned(self.text()?)) } else { None };
        let workspace = self.text()?;
        let reason = Reason::named(&self.text()?).ok_or(DecodeError::Damaged("its reason is unknown"))?;
        let unfit = Unfit { reason, pointer: self.text()?, message: self.text()? };
        let form = match self.text()?.as_str() {
            TYPED => Form::Typed,
            LINE => Form::Line,
            name => Form::Call(Call::named(name).ok_or(DecodeError::Damaged("its form is unknown"))?),
        };
        let id = Cow::Owned(self.text()?);
        let bytes = Cow::Owned(self.bytes()?.to_vec());
        Ok(Quarantined { workspace, received_at, unfit, raw: Raw { form, sent_at, context, id, bytes } })
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.rest.split_first().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(byte)
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Damaged("a flag is neither 0 nor 1")),
        }
    }

    fn time(&mut self) -> Result<i64, DecodeError> {
        let (word, rest) = self.rest.split_first_chunk().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(i64::from_le_bytes(*word))
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let mut len = 0usize;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            len |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let (bytes, rest) = self.rest.split_at_checked(len).ok_or(CUT_OFF)?;
                self.rest = rest;
                return Ok(bytes);
            }
        }
        Err(DecodeError::Damaged("a length has too many bytes"))
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Damaged("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> impl Strategy<Value = Message> {
        let fact = prop_oneof![
            (any::<String>(), any::<String>()).prop_map(|(name, properties)| Fact::Event { name, properties }),
            any::<String>().prop_map(|attributes| Fact::Attributes { attributes }),
        ];
        (any::<[String; 3]>(), any::<[i64; 2]>(), fact).prop_map(|([workspace, user_id, message_id], [ts, received_at], fact)| Message {
            workspace,
            user_id,
            ts,
            received_at,
            message_id,
            fact,
        })
    }

    fn quarantined() -> impl Strategy<Value = Quarantined> {
        let forms: Vec<Form> = Call::ALL.into_iter().map(Form::Call).chain([Form::Typed, Form::Line]).collect();
        let raw = (
            prop::sample::select(forms),
            any::<Option<i64>>(),
            any::<Option<String>>(),
            any::<String>(),
            prop::collection::vec(any::<u8>(), 0..300),
        );
        let raw = raw.prop_map(|(form, sent_at, context, id, bytes)| Raw {
            form,
            sent_at,
            context: context.map(Cow::Owned),
            id: Cow::Owned(id),
            bytes: Cow::Owned(bytes),
        });
        let unfit = (prop::sample::select(Reason::ALL.to_vec()), any::<[String; 2]>());
        let unfit = unfit.prop_map(|(reason, [pointer, message])| Unfit { reason, pointer, message });
        (any::<String>(), any::<i64>(), unfit, raw).prop_map(|(workspace, received_at, unfit, raw)| Quarantined {
            workspace,
            received_at,
            unfit,
            raw,
        })
    }

    fn entry() -> impl Strategy<Value = Entry> {
        prop_oneof![message().prop_map(Entry::Message), quarantined().prop_map(Entry::Quarantined)]
    }

    proptest! {
        #[test]
        fn written_entries_read_back(entry in entry()) {
            let bytes = encode(&entry);
            prop_assert_eq!(decode(&bytes), Ok(entry));
        }

        #[test]
        fn nothing_that_is_cut_or_longer_is_read(entry in entry(), cut in any::<prop::sample::Index>()) {
            let mut bytes = encode(&entry);
            let cut = cut.index(bytes.len());
            prop_assert!(decode(&bytes[..cut]).is_err());
            bytes.push(0);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..5) {
            let _ = decode(&bytes);
            let _ = decode(&[&[VERSION, kind], &bytes[..]].concat());
        }
    }

    #[test]
    fn later_versions_are_told_apart() {
        assert_eq!(decode(&[2, EVENT]), Err(DecodeError::Version(2)));
        assert_eq!(decode(&[]), Err(CUT_OFF));
    }

    /// What a log already holds stays readable: these bytes never change.
    #[test]
    fn version_1() {
        let fact = Fact::Event { name: "buy".into(), properties: "{\"a\":1}".into() };
        let message = Message { workspace: "w".into(), user_id: "é".into(), ts: 1, received_at: -2, message_id: "m".into(), fact };
        let bytes = b"\x01\x01\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\x01w\x02\xc3\xa9\x01m\x03buy\x07{\"a\":1}";
        assert_eq!(encode(&Entry::Message(message.clone())), bytes);
        assert_eq!(decode(bytes), Ok(Entry::Message(message)));
    }
}

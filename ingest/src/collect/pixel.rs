//! The beacon: an event in the query of an image.
//!
//! Either `data`, an object of the tracking API as JSON or in base64 (of either alphabet), or plain parameters: `event`, `userId`, `anonymousId`, `messageId`
//! and `timestamp` are what they are in `track`, and every other one is a property, text.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use segment_core::json::Json;
use url::form_urlencoded;

use super::quarantine::{Call, Form, Raw};

/// The image: one transparent pixel, GIF89a.
pub(crate) const GIF: [u8; 43] = *b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\
\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

/// Members of `track` that are parameters of their own name.
const OWN: [&str; 5] = ["event", "userId", "anonymousId", "messageId", "timestamp"];

/// What a query says.
pub(crate) struct Query {
    pub(crate) write_key: Option<String>,
    pub(crate) raw: Raw<'static>,
}

/// Reads a query. `id` is the message id of an event that has none.
pub(crate) fn read(query: &str, id: &str) -> Query {
    let mut write_key = None;
    let (mut own, mut properties) = (Vec::new(), Vec::new());
    let mut data = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "writeKey" => write_key = Some(value.into_owned()),
            "data" => data = Some(value.into_owned()),
            name if OWN.contains(&name) => own.push((name.to_owned(), Json::String(value.into_owned()))),
            name => properties.push((name.to_owned(), Json::String(value.into_owned()))),
        }
    }
    let bytes = match data {
        Some(data) => decoded(data),
        None => {
            own.push(("properties".to_owned(), Json::Object(properties)));
            Json::Object(own).to_text().into_bytes()
        }
    };
    let object = Json::parse_bytes(&bytes).ok();
    let in_data = |name: &str| object.as_ref().and_then(|json| json.get(name)?.as_str());
    let form = if in_data("type").is_some() { Form::Typed } else { Form::Call(Call::Track) };
    let write_key = write_key.or_else(|| in_data("writeKey").map(str::to_owned));
    Query { write_key, raw: Raw { form, sent_at: None, context: None, id: Cow::Owned(id.to_owned()), bytes: Cow::Owned(bytes) } }
}

/// What base64 stands for, if it is that.
fn decoded(data: String) -> Vec<u8> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    if data.trim_start().starts_with('{') {
        return data.into_bytes();
    }
    // A plus that was not escaped in the query has become a space.
    let text = data.replace(' ', "+");
    let decode = |alphabet| GeneralPurpose::new(alphabet, lenient).decode(&text).ok();
    decode(&STANDARD).or_else(|| decode(&URL_SAFE)).unwrap_or_else(|| data.into_bytes())
}

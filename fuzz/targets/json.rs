//! JSON: what is read is written so that it is read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use segment_core::json::Json;

fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = Json::parse_bytes(bytes) else { return };
    let text = json.to_text();
    assert_eq!(Json::parse(&text).unwrap(), json, "{text}");
});

//! A record of the log: what is decoded is encoded so that it is decoded alike.
#![no_main]

use ingest::collect::codec::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = decode(bytes) {
        assert_eq!(decode(&encode(&entry)).unwrap(), entry);
    }
});

//! Instants, dates and zones: what is read is written so that it is read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use segment_core::time::{Zone, format_date, format_instant, parse_date, parse_instant};

fuzz_target!(|parts: (&str, &str)| {
    let (zone, text) = parts;
    let zone = Zone::parse(zone).unwrap_or_else(|_| Zone::utc());
    if let Some(instant) = parse_instant(text, &zone) {
        let written = format_instant(instant);
        assert_eq!(parse_instant(&written, &Zone::utc()), Some(instant), "{text} in {}: {written}", zone.name());
        let day = zone.local_day(instant);
        assert!(zone.midnight(day) <= instant, "{text} in {}", zone.name());
    }
    if let Some(date) = parse_date(text) {
        assert_eq!(parse_date(&format_date(date)), Some(date), "{text}");
    }
});

//! A declaration's text, in place of a catalog and over what was declared before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use segment_core::catalog::Catalog;
use segment_core::declare::declare;
use segment_core::json::Json;

fuzz_target!(|parts: (&str, &str)| {
    let (Ok(first), Ok(second)) = (Json::parse(parts.0), Json::parse(parts.1)) else { return };
    let Ok(catalog) = declare(&Catalog::new("UTC"), &first) else { return };
    // The same again changes nothing.
    assert_eq!(declare(&catalog, &first).unwrap(), catalog);
    if let Ok(grown) = declare(&catalog, &second) {
        assert_eq!(declare(&grown, &second).unwrap(), grown);
    }
});

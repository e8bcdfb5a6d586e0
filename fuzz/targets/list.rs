//! A file of a list: its report adds up to its rows.
#![no_main]

use ingest::ListFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let list = ListFile::read(bytes).unwrap();
    assert!(list.ids.iter().all(|id| !id.is_empty()));
    let report = list.report(0);
    assert_eq!(report.rows, report.matched + report.duplicate + report.blank + report.unknown, "{report:?}");
});

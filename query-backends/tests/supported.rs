//! The tables of docs/backends.md are what the code declares. `MUSTER_BLESS=1` writes them.

use std::fmt::Write as _;

use query_backends::{Capabilities, MemoryBackend};
use segment_core::condition::MeasureName;
use segment_core::dialect::{self, Support};
use segment_core::lower::Strategy;
use segment_core::ops::Op;

const BEGIN: &str = "<!-- supported: begin -->\n";
const END: &str = "<!-- supported: end -->\n";

/// A backend's capabilities, if it is built in; all are when the whole workspace is tested.
macro_rules! declared {
    ($feature:literal, $backend:ident) => {{
        #[cfg(feature = $feature)]
        let capabilities = Some(query_backends::$backend::CAPABILITIES);
        #[cfg(not(feature = $feature))]
        let capabilities = None;
        ($feature, capabilities)
    }};
}

/// This crate's backends.
fn backends() -> [(&'static str, Option<Capabilities>); 4] {
    [
        declared!("parquet", ParquetBackend),
        ("memory", Some(MemoryBackend::CAPABILITIES)),
        declared!("trino", TrinoBackend),
        declared!("cassandra", CassandraBackend),
    ]
}

fn page() -> std::path::PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/backends.md").into()
}

fn backend_row(name: &str, can: &Capabilities) -> String {
    let strategies = match can.strategies {
        [] => "–".to_owned(),
        all if all == Strategy::ALL => "all".to_owned(),
        some => some.iter().map(|s| s.name()).collect::<Vec<_>>().join(", "),
    };
    let events = match (can.events, can.events_max) {
        (false, _) => "none".to_owned(),
        (true, None) => "any number".to_owned(),
        (true, Some(max)) => format!("{max} at most"),
    };
    let bound = if can.bound { "yes" } else { "no" };
    let order = if can.sorted { "sorted" } else { "in no order" };
    format!("| `{name}` | {} | {strategies} | {events} | {bound} | {order} |", can.dialect.unwrap_or("–"))
}

/// The rows of a backend as the page has them now, for those that are not built in.
fn row_on_page(page: &str, name: &str) -> String {
    let start = format!("| `{name}` |");
    page.split(BEGIN).nth(1).and_then(|t| t.lines().find(|l| l.starts_with(&start))).unwrap_or_default().to_owned()
}

fn word(support: Support) -> &'static str {
    match support {
        Support::Exact => "exact",
        Support::Residual => "residual",
        Support::Unsupported => "unsupported",
    }
}

fn tables(page: &str) -> String {
    let mut out = String::from(
        "| backend | dialect | strategies | events | events [somebody else writes](byo.md) | ids come |\n|---|---|---|---|---|---|\n",
    );
    for (name, can) in backends() {
        let row = can.map_or_else(|| row_on_page(page, name), |can| backend_row(name, &can));
        let _ = writeln!(out, "{row}");
    }
    let dialects: Vec<_> = dialect::NAMES.iter().filter_map(|name| dialect::named(name)).collect();
    let header = |what: &str| {
        let names: String = dialects.iter().map(|d| format!(" `{}` |", d.name())).collect();
        format!("\n| {what} |{names}\n|---|{}\n", "---|".repeat(dialects.len()))
    };
    out.push_str(&header("operator"));
    for op in Op::ALL {
        let row: String = dialects.iter().map(|d| format!(" {} |", word(d.support(op)))).collect();
        let _ = writeln!(out, "| `{}` |{row}", op.name());
    }
    out.push_str(&header("measure"));
    for measure in MeasureName::ALL {
        let row: String = dialects.iter().map(|d| format!(" {} |", word(d.measure_support(measure)))).collect();
        let _ = writeln!(out, "| `{}` |{row}", measure.name());
    }
    out
}

#[test]
fn the_page_says_what_the_code_declares() {
    let text = std::fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let made = tables(&text);
    if std::env::var_os("MUSTER_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(page(), format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert!(shown == made, "docs/backends.md is behind the code; MUSTER_BLESS=1 writes:\n{made}");
}

#[test]
fn the_page_tells_of_every_backend() {
    let text = std::fs::read_to_string(page()).unwrap();
    let choosing = text.split("## What each supports").next().unwrap();
    for (name, _) in backends() {
        assert!(choosing.contains(&format!("| `{name}` |")), "docs/backends.md does not say when to choose {name}");
    }
}

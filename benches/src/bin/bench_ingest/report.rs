//! The report.

use std::fmt::Write;

use super::load::Measured;

/// The section's heading.
pub const HEADING: &str = "## Collecting\n";
const MIB: f64 = (1u64 << 20) as f64;

/// One measurement, for people who wait.
pub fn line(row: &Measured) -> String {
    format!("{}: {:.0} events/s, p99 {:.1} ms, {} refused", row.load.name, row.events_per_s, ms(row, 0.99), row.refused)
}

/// The section.
pub fn section(rows: &[Measured], machine: &str) -> String {
    let mut out = format!(
        "{HEADING}\nWritten by `scripts/bench-ingest`: `muster serve` and the load beside it, everything on {machine}.\n\nEvery answer means that the events are on disk. \
         Latencies are of requests, in milliseconds, under a rate from when they were due; processor time is the server's, in microseconds an event; memory is what is \
         resident at the start, at most, and at the end, in MiB.\n\n\
         | load | connections | events/s | p50 | p99 | greatest | refused | µs/event | memory |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    for row in rows {
        let [start, most, end] = row.resident.map(|bytes| bytes as f64 / MIB);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {} | {:.1} | {start:.0} · {most:.0} · {end:.0} |",
            row.load.name,
            row.load.connections,
            row.events_per_s,
            ms(row, 0.5),
            ms(row, 0.99),
            ms(row, 1.0),
            row.refused,
            row.cpu_us_per_event,
        );
    }
    out
}

fn ms(row: &Measured, quantile: f64) -> f64 {
    row.latency.value_at_quantile(quantile) as f64 / 1_000.0
}

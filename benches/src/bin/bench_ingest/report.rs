//! The report.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::load::Measured;
use super::reads::{RATE, Reads};

/// The section's heading.
pub const HEADING: &str = "## Collecting\n";
const MIB: f64 = (1u64 << 20) as f64;

/// One measurement, for people who wait.
pub fn line(row: &Measured) -> String {
    format!("{}: {:.0} events/s, p99 {:.1} ms, {} refused", row.load.name, row.events_per_s, ms(row, 0.99), row.refused)
}

/// The section.
pub fn section(rows: &[Measured], read: &[Reads], [fresh, counted]: [&Histogram<u64>; 2], machine: &str) -> String {
    let mut out = format!(
        "{HEADING}\nWritten by `{}`: `muster serve` and the load beside it, everything on {machine}.\n\nEvery answer means that the events are on disk. \
         Latencies are of requests, in milliseconds, under a rate from when they were due; processor time is the server's, in microseconds an event; memory is what is \
         resident at the start, at most, and at the end, in MiB. A load also pays for what was still to be published of those before.\n\n\
         | load | connections | events/s | p50 | p99 | greatest | refused | µs/event | memory |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        std::iter::once("scripts/bench-ingest".to_owned()).chain(arguments()).collect::<Vec<_>>().join(" "),
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
    for reads in read {
        let at = |quantile: f64| at(&reads.latency, quantile);
        let _ = writeln!(
            out,
            "\nUsers read back, {RATE} a second, beside \"{}\": {:.1} ms at the median, {:.1} ms at the 99th percentile, {:.1} ms at most, from when each was due; {} of {} were there, {} refused.",
            reads.beside,
            at(0.5),
            at(0.99),
            at(1.0),
            reads.found,
            reads.latency.len(),
            reads.refused,
        );
    }
    let ends = [
        ("to the commit that every query sees", fresh),
        ("until a count by the embedded engine, in a process of its own, has it", counted),
    ];
    for (end, times) in ends {
        let at = |quantile: f64| at(times, quantile);
        let _ = writeln!(
            out,
            "\nHow fresh: beside 2,000 events a second in batches of 100, from the answer {end}: {:.0} ms at the median, {:.0} ms at the 99th percentile, {:.0} ms at most; {} times.",
            at(0.5),
            at(0.99),
            at(1.0),
            times.len(),
        );
    }
    out
}

/// What was asked for besides which server it is.
fn arguments() -> Vec<String> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let pairs = given.chunks(2).filter(|pair| {
        !pair.first().is_some_and(|name| matches!(name.as_str(), "--to" | "--key" | "--read-key" | "--data" | "--pid" | "--out"))
    });
    pairs.flatten().cloned().collect()
}

fn ms(row: &Measured, quantile: f64) -> f64 {
    at(&row.latency, quantile)
}

/// A quantile of times in microseconds, in milliseconds.
fn at(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1_000.0
}

//! The figures as a section of docs/benchmarks.md.

use std::fmt::Write as _;
use std::time::Duration;

use muster_benches::Size;

use crate::client::Cost;
use crate::data::DataSet;
use crate::measure::Row;

/// The section's heading.
pub const HEADING: &str = "## Engines\n";
const MIB: f64 = 1_048_576.0;

/// What is reported.
pub struct Report<'a> {
    pub sets: &'a [(DataSet, Vec<Row>)],
    /// Trino's version.
    pub trino: &'a str,
    /// The machine, and its load before all.
    pub machine: &'a str,
    pub runs: usize,
    pub size: Size,
}

/// What a shape cost: the median of each figure.
struct Typical {
    wall: f64,
    cpu: f64,
    planning: f64,
    memory: f64,
    files: u64,
    files_widest: u64,
    rows: u64,
    bytes: f64,
}

fn median<T: Copy + PartialOrd>(figures: impl Iterator<Item = T>) -> Option<T> {
    let mut figures: Vec<T> = figures.collect();
    figures.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    figures.get(figures.len() / 2).copied()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn typical(costs: &[Cost]) -> Typical {
    let of = |figure: &dyn Fn(&Cost) -> f64| median(costs.iter().map(figure)).unwrap_or_default();
    let whole = |figure: &dyn Fn(&Cost) -> u64| median(costs.iter().map(figure)).unwrap_or_default();
    Typical {
        wall: of(&|c| ms(c.wall)),
        cpu: of(&|c| ms(c.cpu)),
        planning: of(&|c| ms(c.planning)),
        memory: of(&|c| c.memory as f64 / MIB),
        files: whole(&|c| c.events.files),
        files_widest: whole(&|c| c.events.files_widest),
        rows: whole(&|c| c.events.rows),
        bytes: of(&|c| c.events.bytes as f64 / MIB),
    }
}

/// A row's figures on a line, for whoever waits.
pub fn line(row: &Row) -> String {
    let shapes: Vec<String> = row.shapes.iter().map(|(shape, costs)| format!("{} {:.0}", shape.name(), typical(costs).wall)).collect();
    format!("{}: {} members, ms: {}", row.segment, row.members, shapes.join(", "))
}

/// The section.
pub fn markdown(report: &Report<'_>) -> String {
    let mut text = format!("{HEADING}\n");
    let size = report.size;
    let words = [
        format!(
            "Written by `{}`: {} users and {} events made up, seed {}. Trino {} in one process, the lake on the S3 gateway of \
             `scripts/engines`, everything on {}.\n",
            std::iter::once("scripts/bench-engines".to_owned()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" "),
            size.users,
            size.events,
            size.seed,
            report.trino,
            report.machine
        ),
        format!(
            "Each segment runs in every shape, in rounds, {} of them timed after one to warm up, and all shapes' ids are equal by md5; the run fails otherwise. Time is from sending \
             the statement until the last id is there; processor time, memory and what was read are Trino's own statistics. Figures are medians. `intersect` is a \
             subquery a leaf, combined by INTERSECT, UNION and EXCEPT, and `arms by user_id` arms over text ids in place of numbers: both are made for \
             comparison and no strategies. `made, in place` are the generator's files as somebody else's, in folders of a day, read by Trino's Hive connector: their users \
             have no numbers. `backend` is the whole way through Muster, by its own rule, with spooled results. The last row has the geometric mean of \
             the ratios to `arms`.\n",
            report.runs
        ),
    ];
    text.push_str(&words.join("\n"));
    for (set, rows) in report.sets.iter().filter(|(_, rows)| !rows.is_empty()) {
        let pinned = &set.pinned;
        let files = rows.iter().filter_map(|r| r.files).map(|(_, all)| all).max().unwrap_or_default();
        let _ = write!(
            text,
            "\n### {}: {} users, events in {files} files of a day each, imported in {:.1} s\n",
            set.name,
            pinned.profiles.rows,
            set.import.as_secs_f64()
        );
        tables(&mut text, rows);
    }
    text
}

fn tables(text: &mut String, rows: &[Row]) {
    let walls =
        |row: &Row| vec![format!("{}", row.members), format!("{:.0}", median(row.backend.iter().map(|t| ms(*t))).unwrap_or_default())];
    let words = "\nMilliseconds, processor time in brackets; `plan` is Trino's analysing and planning of `arms` within them.\n\n";
    text.push_str(words);
    let front = |row: &Row| {
        let plan = row.shapes.first().map_or(0.0, |(_, costs)| typical(costs).planning);
        [walls(row), vec![format!("{plan:.0}")]].concat()
    };
    table(text, rows, &["members", "backend", "plan"], &front, &|_, t| format!("{:.0} ({:.0})", t.wall, t.cpu));
    means(text, rows, 3, &[&|t| t.wall, &|t| t.cpu]);
    text.push_str("\nThe most memory at a time, MiB.\n\n");
    table(text, rows, &[], &|_| Vec::new(), &|_, t| format!("{:.1}", t.memory));
    means(text, rows, 0, &[&|t| t.memory.max(0.1)]);
    text.push_str(
        "\nWhat scans of events read: files, thousands of rows, MiB. A file read by two scans counts twice. `window` is the number of files that the window around all windows of \
         the tree holds; a scan that opened more is marked with an exclamation mark.\n\n",
    );
    let window = |row: &Row| vec![row.files.map_or_else(String::new, |(window, all)| format!("{window} of {all}"))];
    table(text, rows, &["window"], &window, &|row, t| {
        let beyond = row.files.is_some_and(|(window, _)| t.files_widest > window);
        format!("{}{} / {:.0} / {:.2}", t.files, if beyond { "!" } else { "" }, t.rows as f64 / 1e3, t.bytes)
    });
}

/// A table of a row for each segment and a column for each shape, after columns of the row's own.
fn table(text: &mut String, rows: &[Row], head: &[&str], front: &dyn Fn(&Row) -> Vec<String>, cell: &dyn Fn(&Row, &Typical) -> String) {
    let shapes = rows.first().map(|row| row.shapes.as_slice()).unwrap_or_default();
    let names: Vec<&str> = head.iter().copied().chain(shapes.iter().map(|(shape, _)| shape.name())).collect();
    let _ = writeln!(text, "| segment | {} |\n| --- |{}", names.join(" | "), " ---: |".repeat(names.len()));
    for row in rows {
        let shapes = row.shapes.iter().map(|(_, costs)| cell(row, &typical(costs)));
        let cells: Vec<String> = front(row).into_iter().chain(shapes).collect();
        let _ = writeln!(text, "| {} | {} |", row.segment, cells.join(" | "));
    }
}

/// A last row: the geometric mean over segments of each figure's ratio to the first shape's.
fn means(text: &mut String, rows: &[Row], columns_before: usize, figures: &[&dyn Fn(&Typical) -> f64]) {
    let shapes = rows.first().map_or(0, |row| row.shapes.len());
    let mean = |i: usize, figure: &dyn Fn(&Typical) -> f64| {
        let ratio = |row: &Row| {
            let of = |i: usize| row.shapes.get(i).map(|(_, costs)| figure(&typical(costs)).max(0.1));
            Some((of(i)? / of(0)?).ln())
        };
        let ratios: Vec<f64> = rows.iter().filter_map(ratio).collect();
        (ratios.iter().sum::<f64>() / ratios.len().max(1) as f64).exp()
    };
    let cell = |i: usize| {
        let means: Vec<String> = figures.iter().map(|figure| format!("{:.2}", mean(i, *figure))).collect();
        match means.as_slice() {
            [first, second] => format!("{first} ({second})"),
            _ => means.join(" "),
        }
    };
    let cells: Vec<String> = (0..shapes).map(|i| format!("**{}**", cell(i))).collect();
    let _ = writeln!(text, "| **to arms** |{} {} |", "  |".repeat(columns_before), cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3, 1, 2].into_iter()), Some(2));
        assert_eq!(median(std::iter::empty::<f64>()), None);
    }
}

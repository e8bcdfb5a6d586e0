//! Prints how long compiling trees of 1,000 nodes takes, from JSON text to SQL text, warnings included: a line of JSON for each
//! tree and dialect. The goal is a median under 1 ms.
//!
//! `compile-time [--runs N] [--tree NAME] [--dialect NAME]`. It needs no engine, and so is built in seconds:
//! `cargo run --release -p muster-tests --no-default-features --bin compile-time`.
#![allow(clippy::print_stdout, reason = "what a tool for the command line is for")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::compile;
use segment_core::dialect;
use segment_core::lower::Tables;
use segment_core::resolve::Library;
use segment_core::types::Type;

/// As in the binary that people run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Nodes of each tree; the most that a tree may have.
const NODES: usize = 1_000;
/// Compilations measured, after a tenth of that to warm up.
const RUNS: usize = 500;
const AS_OF: i64 = 1_700_000_000_000_000;

fn catalog() -> Catalog {
    let mut catalog = Catalog::new("Europe/London");
    let set = |catalog: &mut Catalog, scope, name: &str, ty: &Type| {
        if let Err(error) = catalog.set_field(scope, name, ty, Origin::Learned) {
            panic!("{error}");
        }
    };
    for i in 0..20 {
        set(&mut catalog, Scope::Attribute, &format!("text{i}"), &Type::String);
        set(&mut catalog, Scope::Attribute, &format!("int{i}"), &Type::Integer);
        set(&mut catalog, Scope::Property, &format!("amount{i}"), &Type::Number);
        set(&mut catalog, Scope::Property, &format!("page{i}"), &Type::String);
    }
    for i in 0..40 {
        catalog.set_event(&format!("event{i}"), ["amount1", "page1"], Origin::Learned);
    }
    catalog
}

/// A tree of groups of 24 leaves; `leaf(i)` writes the i-th and says how many nodes it is.
fn tree(leaf: impl Fn(usize, &mut String) -> usize) -> String {
    let mut out = String::from("{\"all\":[");
    let mut nodes = 1;
    let mut i = 0;
    while nodes + 2 < NODES {
        out.push_str(if nodes > 1 { ",{\"any\":[" } else { "{\"any\":[" });
        nodes += 1;
        for place in 0..24 {
            if nodes >= NODES - 2 {
                break;
            }
            if place > 0 {
                out.push(',');
            }
            nodes += leaf(i, &mut out);
            i += 1;
        }
        out.push_str("]}");
    }
    out.push_str("]}");
    out
}

fn attribute(i: usize, out: &mut String) -> usize {
    let _ = match i % 3 {
        0 => write!(out, r#"{{"attribute":"text{}","op":"is","value":"v{i}"}}"#, i % 20),
        1 => write!(out, r#"{{"attribute":"int{}","op":"gte","value":{i}}}"#, i % 20),
        _ => write!(out, r#"{{"not":{{"attribute":"text{}","op":"in","value":["a","b{i}"]}}}}"#, i % 20),
    };
    if i % 3 == 2 { 2 } else { 1 }
}

fn event(i: usize, out: &mut String) -> usize {
    let _ = match i % 3 {
        0 => write!(out, r#"{{"event":"event{}","op":"gte","value":{i},"window":{{"last":{{"n":{i},"unit":"day"}}}}}}"#, i % 40, i = i + 1),
        1 => write!(out, r#"{{"event":"event{}","measure":{{"sum":"amount{}"}},"op":"gt","value":{i}.5}}"#, i % 40, i % 20),
        _ => write!(out, r#"{{"event":"event{}","where":{{"property":"page{}","op":"contains","value":"p{i}"}}}}"#, i % 40, i % 20),
    };
    if i % 3 == 2 { 2 } else { 1 }
}

/// Groups with all kinds of measures, windows, filters and choices of events, no two alike.
fn mixed() -> String {
    let mut out = String::from("{\"all\":[");
    for i in 0..(NODES - 1) / 9 {
        let measure = [r#""sum":"amount2""#, r#""distinct":"page2""#, r#""days":true"#, r#""max":"amount3""#][i % 4];
        let _ = write!(
            out,
            r#"{comma}{{"any":[{{"attribute":"int1","op":"between","value":[{i},{high}]}},
            {{"event":"event{a}","op":"gte","value":{next},"window":{{"last":{{"n":30,"unit":"day"}}}}}},
            {{"event":"event{b}","measure":{{{measure}}},"op":"gt","value":{i},"window":{{"last":{{"n":{next},"unit":"day"}}}},
              "where":{{"all":[{{"property":"page1","op":"contains","value":"/shop/{i}"}},{{"property":"amount1","op":"in","value":[1,2,{i}]}}]}}}},
            {{"not":{{"event":{{"prefix":"event3"}},"window":{{"ago":{{"from":{{"n":{months},"unit":"month"}},"to":{{"n":1,"unit":"day"}}}}}}}}}}]}}"#,
            comma = if i > 0 { "," } else { "" },
            high = i + 20,
            a = i % 40,
            b = (i + 1) % 40,
            next = i + 1,
            months = i + 2,
        );
    }
    out.push_str("]}");
    out
}

/// What one tree takes in one dialect, in microseconds: medians, and the best whole.
struct Measured {
    check: f64,
    lower: f64,
    print: f64,
    median: f64,
    best: f64,
    sql_bytes: usize,
}

fn measure(text: &str, dialect_name: &str, runs: usize) -> Measured {
    let (catalog, library) = (catalog(), Library::default());
    let tables = Tables { events: vec!["events".to_owned()], profiles: vec!["profiles".to_owned()], ..Tables::default() };
    let mut times: [Vec<Duration>; 4] = Default::default();
    let mut sql_bytes = 0;
    for run in 0..runs + runs / 10 {
        let start = Instant::now();
        let checked = compile::check(text, &catalog, &library, AS_OF);
        let check = start.elapsed();
        let plan = checked.plan.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let dialect = dialect::named(dialect_name).unwrap_or_else(|| panic!("no dialect {dialect_name}"));
        let lowered = compile::lowered(&plan, dialect.as_ref(), &tables, dialect.strategy()).unwrap_or_else(|d| panic!("{d:?}"));
        let built = start.elapsed();
        sql_bytes = lowered.sql().len();
        let whole = start.elapsed();
        if run >= runs / 10 {
            for (list, time) in times.iter_mut().zip([check, built - check, whole - built, whole]) {
                list.push(time);
            }
        }
    }
    times.iter_mut().for_each(|list| list.sort_unstable());
    let [check, lower, print, whole] = times;
    let us = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64) * 1e6;
    let median = |list: &[Duration]| us(list.get(list.len() / 2));
    Measured {
        check: median(&check),
        lower: median(&lower),
        print: median(&print),
        median: median(&whole),
        best: us(whole.first()),
        sql_bytes,
    }
}

fn main() {
    let (mut runs, mut only_tree, mut only_dialect) = (RUNS, None, None);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--runs" => runs = value.parse().unwrap_or_else(|e| panic!("{value}: {e}")),
            "--tree" => only_tree = Some(value),
            "--dialect" => only_dialect = Some(value),
            _ => panic!("there is no option {name}"),
        }
    }
    let trees = [
        ("attributes", tree(attribute)),
        ("a few events", tree(|i, out| if i.is_multiple_of(40) { event(i / 40, out) } else { attribute(i, out) })),
        ("half events", tree(|i, out| if i.is_multiple_of(2) { event(i / 2, out) } else { attribute(i, out) })),
        ("events", tree(event)),
        ("mixed", mixed()),
    ];
    for (name, text) in trees.iter().filter(|t| only_tree.as_ref().is_none_or(|only| only == t.0)) {
        for dialect in dialect::NAMES.into_iter().filter(|d| only_dialect.as_ref().is_none_or(|only| only == d)) {
            let m = measure(text, dialect, runs);
            println!(
                "{{\"tree\":\"{name}\",\"dialect\":\"{dialect}\",\"nodes\":{NODES},\"runs\":{runs},\"median_us\":{:.0},\"best_us\":{:.0},\
                 \"check_us\":{:.0},\"lower_us\":{:.0},\"print_us\":{:.0},\"condition_bytes\":{},\"sql_bytes\":{}}}",
                m.median,
                m.best,
                m.check,
                m.lower,
                m.print,
                text.len(),
                m.sql_bytes,
            );
        }
    }
}

//! Prints how long it takes to compile trees of 1,000 nodes, from JSON text to SQL text. The goal is under 1 ms.
//!
//! Best of many: the work is the same each time, so whatever is slower was disturbed.
#![allow(clippy::print_stdout, reason = "what a tool for the command line is for")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::compile;
use segment_core::dialect;
use segment_core::lower::{Strategy, Tables};
use segment_core::resolve::Library;
use segment_core::types::Type;

/// Nodes of each tree; the most that a tree may have.
const NODES: usize = 1_000;
const ROUNDS: usize = 200;
/// What is aimed at, for each tree and dialect.
const GOAL: Duration = Duration::from_millis(1);
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

fn main() {
    let catalog = catalog();
    let library = Library::default();
    let tables = Tables { events: vec!["events".to_owned()], profiles: vec!["profiles".to_owned()], lists: Default::default() };
    let trees = [
        ("attributes", tree(attribute)),
        ("a few events", tree(|i, out| if i.is_multiple_of(40) { event(i / 40, out) } else { attribute(i, out) })),
        ("half events", tree(|i, out| if i.is_multiple_of(2) { event(i / 2, out) } else { attribute(i, out) })),
        ("events", tree(event)),
    ];
    let mut missed = 0;
    let only = std::env::args().nth(1);
    for (name, text) in trees.iter().filter(|t| only.as_ref().is_none_or(|o| o == t.0)) {
        for dialect_name in dialect::NAMES {
            let mut best = [Duration::MAX; 3];
            let mut size = 0;
            for _ in 0..ROUNDS {
                let start = Instant::now();
                let checked = compile::check(text, &catalog, &library, AS_OF);
                let resolved = start.elapsed();
                let plan = checked.plan.unwrap_or_else(|| panic!("{name}: {:?}", checked.diagnostics));
                let dialect = dialect::named(dialect_name).unwrap_or_else(|| panic!("no dialect {dialect_name}"));
                let lowered = compile::lowered(&plan, dialect.as_ref(), &tables, Strategy::Arms).unwrap_or_else(|d| panic!("{d:?}"));
                let built = start.elapsed();
                let sql = lowered.query.to_string();
                let printed = start.elapsed();
                size = sql.len();
                if printed < best[2] {
                    best = [resolved, built, printed];
                }
            }
            let ms = |d: Duration| d.as_secs_f64() * 1e3;
            let [resolved, built, printed] = best;
            let verdict = if printed <= GOAL { "" } else { "  OVER THE GOAL" };
            missed += usize::from(printed > GOAL);
            println!(
                "{name:>14} {dialect_name:>11}: {:.3} ms (check {:.3}, lower {:.3}, print {:.3}; {} kB of JSON, {} kB of SQL){verdict}",
                ms(printed),
                ms(resolved),
                ms(built - resolved),
                ms(printed - built),
                text.len() / 1_000,
                size / 1_000,
            );
        }
    }
    std::process::exit(i32::from(missed > 0));
}

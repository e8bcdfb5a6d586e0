//! How long compiling a tree of a thousand nodes takes, by stage, as a line of JSON.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Parser;
use muster_benches::{Result, tree};
use segment_core::condition::Condition;
use segment_core::lower::{self, Strategy, Tables};
use segment_core::resolve::{self, Library};
use segment_core::simplify::simplify;
use segment_core::{compile, dialect};
use serde_json::json;

/// Measures compiling a tree of a thousand nodes.
#[derive(Debug, Parser)]
struct Args {
    /// How many times it is compiled, after a tenth of that to warm up.
    #[arg(long, default_value_t = 1000)]
    runs: usize,
    /// The dialect to compile for.
    #[arg(long, default_value = "datafusion")]
    dialect: String,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The stages, in their order.
const STAGES: [&str; 5] = ["parse", "resolve", "simplify", "lower", "text"];
/// 2026-04-01T00:00:00Z, where the made-up data ends.
const AS_OF: i64 = 1_775_001_600_000_000;

fn main() -> Result<()> {
    let args = Args::parse();
    let catalog = tree::catalog()?;
    let text = tree::thousand_nodes().to_string();
    let dialect = dialect::named(&args.dialect).ok_or("there is no such dialect")?;
    let tables = Tables { events: vec!["events".to_owned()], profiles: vec!["profiles".to_owned()], ..Tables::default() };
    let library = Library::default();
    let mut stages: [Vec<Duration>; STAGES.len()] = Default::default();
    let (mut whole, mut checks, mut sql_bytes) = (Vec::new(), Vec::new(), 0);
    for run in 0..args.runs + args.runs / 10 {
        let mut times = [Instant::now(); STAGES.len() + 1];
        let parsed = Condition::parse(&text);
        times[1] = Instant::now();
        let resolved = resolve::resolve(&parsed.condition, &catalog, &library, AS_OF);
        times[2] = Instant::now();
        let plan = simplify(resolved.plan.as_ref().ok_or("the tree has faults")?);
        times[3] = Instant::now();
        let lowered = lower::lower(&plan, dialect.as_ref(), &tables, Strategy::default()).map_err(|d| format!("{d:?}"))?;
        times[4] = Instant::now();
        let sql = lowered.query.to_string();
        times[5] = Instant::now();
        sql_bytes = sql.len();
        let checked = compile::check(&text, &catalog, &library, AS_OF);
        let check = times[5].elapsed();
        if checked.plan.is_none() {
            return Err("the tree has faults".into());
        }
        if run >= args.runs / 10 {
            checks.push(check);
            whole.push(times[5] - times[0]);
            for (i, stage) in stages.iter_mut().enumerate() {
                stage.push(times[i + 1] - times[i]);
            }
        }
    }
    let best = whole.iter().min().copied().unwrap_or_default();
    let stages: serde_json::Map<_, _> =
        STAGES.iter().zip(&mut stages).map(|(name, times)| ((*name).to_owned(), us(median(times)).into())).collect();
    let line = json!({
        "nodes": tree::NODES, "runs": args.runs, "median_us": us(median(&mut whole)), "best_us": us(best), "stages_us": stages,
        "check_us": us(median(&mut checks)), "condition_bytes": text.len(), "sql_bytes": sql_bytes,
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn us(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}

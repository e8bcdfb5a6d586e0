//! `soak --trees N --seed S --backend NAME`: compares an engine with the oracle on so many random trees.
#![allow(clippy::print_stdout, reason = "it prints how far it is")]

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use muster_tests::differential::{Against, Extent, Tally, compare};

/// Trees for each world: making a world costs as much as some hundred trees.
const TREES_OF_A_WORLD: usize = 500;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

fn argument(name: &str, default: u64) -> Result<u64, String> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|a| a == name) {
        None => Ok(default),
        Some(i) => arguments.get(i + 1).and_then(|a| a.replace('_', "").parse().ok()).ok_or(format!("{name} needs a whole number")),
    }
}

/// The engine named, or else the first that was built.
fn against() -> Result<Against, String> {
    let arguments: Vec<String> = std::env::args().collect();
    let named = arguments.iter().position(|a| a == "--backend").map(|i| arguments.get(i + 1).map_or("", String::as_str));
    let mut built = Against::ALL.iter().copied();
    built.find(|a| named.is_none_or(|name| a.name() == name)).ok_or_else(|| {
        let names: Vec<&str> = Against::ALL.iter().map(|a| a.name()).collect();
        format!("--backend is one of {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let (against, trees, seed) = match (against(), argument("--trees", 1_000_000), argument("--seed", 1_000)) {
        (Ok(against), Ok(trees), Ok(seed)) => (against, trees, seed),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => {
            println!("{error}\nusage: soak [--trees N] [--seed S] [--backend NAME]");
            return ExitCode::from(2);
        }
    };
    // An engine elsewhere is waited for more than it is worked for.
    let waiting = if against.name() == "parquet" { 1 } else { 3 };
    let threads = std::thread::available_parallelism().map_or(2, usize::from) * waiting;
    let worlds = trees.div_ceil(TREES_OF_A_WORLD as u64) as usize;
    let extent = Extent { against, seed, worlds, trees: TREES_OF_A_WORLD.min(trees as usize), threads, bound: false };
    let (tally, started) = (Tally::default(), Instant::now());
    let done = std::sync::atomic::AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut shown = Instant::now();
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                if shown.elapsed() >= PROGRESS_EVERY {
                    shown = Instant::now();
                    show(&tally, started);
                }
            }
        });
        let result = compare(extent, &tally);
        done.store(true, Ordering::Relaxed);
        result
    });
    show(&tally, started);
    match result {
        Ok(()) => {
            println!("no difference");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn show(tally: &Tally, started: Instant) {
    let trees = tally.trees.load(Ordering::Relaxed);
    println!(
        "{trees} trees, {} of which tell users apart; {} worlds; {:.0} trees a second",
        tally.told_apart.load(Ordering::Relaxed),
        tally.worlds.load(Ordering::Relaxed),
        trees as f64 / started.elapsed().as_secs_f64().max(0.001)
    );
}

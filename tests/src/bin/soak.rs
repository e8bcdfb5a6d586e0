//! `soak --trees N --seed S --backend NAME`: compares an engine with the oracle on so many random trees.
#![allow(clippy::print_stdout, reason = "it prints how far it is")]

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use muster_tests::differential::{Against, Extent, Tally, compare};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trees for each world: making a world costs as much as some hundred trees.
const TREES_OF_A_WORLD: usize = 500;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

const USAGE: &str = "usage: soak [--trees N] [--seed S] [--backend NAME]";

/// What is asked for.
struct Arguments {
    against: Against,
    trees: u64,
    seed: u64,
}

/// By default a million trees, on the first engine that was built; `None` if the usage is asked for.
fn arguments(mut given: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let first = Against::ALL.first().copied().ok_or("no engine was built")?;
    let mut arguments = Arguments { against: first, trees: 1_000_000, seed: 1_000 };
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or(format!("{name} needs a value"));
        let number = |text: String| text.replace('_', "").parse().map_err(|_| format!("{name}: {text} is no whole number"));
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--trees" => arguments.trees = number(value()?)?,
            "--seed" => arguments.seed = number(value()?)?,
            "--backend" => arguments.against = named(&value()?)?,
            _ => return Err(format!("{name} is no argument")),
        }
    }
    Ok(Some(arguments))
}

fn named(name: &str) -> Result<Against, String> {
    Against::ALL.iter().copied().find(|a| a.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Against::ALL.iter().map(|a| a.name()).collect();
        format!("--backend is one of {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let Arguments { against, trees, seed } = match arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            println!("{error}\n{USAGE}");
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

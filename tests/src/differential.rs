//! Random trees over random worlds: does the engine find whom the oracle finds?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use segment_core::catalog::Catalog;
use segment_core::json::Json;
use segment_core::lower::Strategy;
use segment_core::plan::Plan;

use crate::engine::{Answers, Engine, Lake};
use crate::oracle;
use crate::random::Random;
use crate::shrink::shrink;
use crate::trees::Trees;
use crate::world::World;

/// Leaves of the largest trees.
const LEAVES_MAX: usize = 12;
/// Threads of the embedded engines, by turns: with one there is nothing to exchange, with three users are divided unevenly.
#[cfg(feature = "engines")]
const ENGINE_THREADS: [usize; 2] = [1, 3];
/// Failures shown.
const FAILURES_MAX: usize = 5;
/// Rows of a user shown in a failure.
const USERS_SHOWN: usize = 3;

/// The engine that is compared with the oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// DataFusion.
    #[cfg(feature = "engines")]
    Embedded,
    /// Trino, over a shared lake.
    #[cfg(feature = "federated")]
    Trino,
}

impl Against {
    /// Every engine that was built.
    pub const ALL: &[Against] = &[
        #[cfg(feature = "engines")]
        Against::Embedded,
        #[cfg(feature = "federated")]
        Against::Trino,
    ];

    /// Its name, as a backend's.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "engines")]
            Against::Embedded => "parquet",
            #[cfg(feature = "federated")]
            Against::Trino => "trino",
        }
    }

    /// Whether it says that it does not read a plan over events that somebody else writes, whatever their files hold: Trino reads no JSON text there,
    /// and no fields with names that its connector does not take.
    fn refuses_bound(self, plan: &Plan, catalog: &Catalog) -> bool {
        match self {
            #[cfg(feature = "engines")]
            Against::Embedded => {
                let _ = (plan, catalog);
                false
            }
            #[cfg(feature = "federated")]
            Against::Trino => {
                let held = segment_core::binding::HeldColumns::default();
                let refused = |table| segment_core::dialect::trino::external(plan, catalog, table, &held).is_err();
                catalog.events_table.as_ref().is_some_and(refused)
            }
        }
    }

    /// The engine of the i-th worker.
    fn engine(self, worker: usize) -> Result<Engine, String> {
        match self {
            #[cfg(feature = "engines")]
            Against::Embedded => Engine::new(ENGINE_THREADS.get(worker % ENGINE_THREADS.len()).copied().unwrap_or(1)),
            #[cfg(feature = "federated")]
            Against::Trino => {
                let _ = worker;
                Engine::trino()
            }
        }
    }

    /// Every strategy in turn, the backend's own rule, and now and then the embedded engine short of memory, and the oracle over what is in
    /// the lake.
    fn answers(self, i: usize) -> Answers {
        let strategy = |n: usize| Strategy::ALL.get(n % (Strategy::ALL.len() + 1)).copied();
        match (self, i % 13) {
            (_, 10) => Answers::Memory,
            #[cfg(feature = "engines")]
            (Against::Embedded, 11) => Answers::Hashing(None),
            #[cfg(feature = "engines")]
            (Against::Embedded, 12) => Answers::Hashing(Some(Strategy::OneScan)),
            #[cfg(feature = "engines")]
            (Against::Embedded, n) => Answers::Parquet(strategy(n)),
            #[cfg(feature = "federated")]
            (Against::Trino, n) => Answers::Trino(strategy(n)),
        }
    }
}

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The engine.
    pub against: Against,
    /// The first world's seed; the others follow it.
    pub seed: u64,
    /// Worlds.
    pub worlds: usize,
    /// Trees for each world.
    pub trees: usize,
    /// Worlds at a time.
    pub threads: usize,
    /// Whether events are files that somebody else wrote.
    pub bound: bool,
}

/// How far a comparison is.
#[derive(Debug, Default)]
pub struct Tally {
    /// Worlds done.
    pub worlds: AtomicUsize,
    /// Trees compared.
    pub trees: AtomicU64,
    /// Trees that the engine does not take.
    pub refused: AtomicU64,
    /// Trees that hold for some users and not for others.
    pub told_apart: AtomicU64,
}

/// Compares, and panics at a failure, or if fewer trees than that were compared or two thirds of them told no users apart.
#[allow(clippy::print_stdout, reason = "it is part of a test, and this its output")]
pub fn assert_agrees(extent: Extent, trees_min: u64) {
    let tally = Tally::default();
    if let Err(error) = compare(extent, &tally) {
        panic!("{error}");
    }
    let (trees, told_apart) = (tally.trees.load(Ordering::Relaxed), tally.told_apart.load(Ordering::Relaxed));
    println!("{trees} trees, {told_apart} of which tell users apart; {} refused", tally.refused.load(Ordering::Relaxed));
    assert!(trees >= trees_min && told_apart * 3 > trees, "{trees} trees, {told_apart} of which tell users apart");
}

/// Compares; a world ends with its first failure, the whole with the fifth.
///
/// # Errors
///
/// The failures, each with its seed, the tree made small, both answers, and the rows of users that they differ in.
pub fn compare(extent: Extent, tally: &Tally) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let worker = |number: usize| -> Result<(), String> {
        let engine = extent.against.engine(number)?;
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= extent.worlds || failures.lock().is_ok_and(|f| f.len() >= FAILURES_MAX) {
                return Ok(());
            }
            if let Err(error) = compare_world(&engine, extent, extent.seed + i as u64, tally)
                && let Ok(mut failures) = failures.lock()
            {
                failures.push(error);
            }
            tally.worlds.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let worker = &worker;
        let workers: Vec<_> = (0..extent.threads.max(1)).map(|number| scope.spawn(move || worker(number))).collect();
        let results: Vec<Result<(), String>> =
            workers.into_iter().map(|w| w.join().unwrap_or_else(|_| Err("a worker panicked; see above".to_owned()))).collect();
        results.into_iter().collect::<Result<(), String>>()
    })?;
    let failures = failures.into_inner().unwrap_or_default();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n\n")) }
}

fn compare_world(engine: &Engine, extent: Extent, seed: u64, tally: &Tally) -> Result<(), String> {
    let world = World::generate(seed);
    let loaded = if extent.bound { engine.load_bound(&world) } else { engine.load(&world) };
    let lake = loaded.map_err(|e| format!("world {seed}: {e}"))?;
    let everyone = oracle::universe(&world);
    let mut random = Random::new(!seed);
    for i in 0..extent.trees {
        let mut maker = Trees::new(&world, random.fork());
        let tree = if i % 10 == 9 { maker.contradiction() } else { maker.tree(LEAVES_MAX) };
        let answers = extent.against.answers(i);
        if extent.bound && extent.against.refuses_bound(&oracle::plan(&world, &lake.pinned.catalog, &tree)?, &lake.pinned.catalog) {
            tally.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        match differs(engine, &lake, &world, &tree, answers) {
            Ok(members) => {
                tally.trees.fetch_add(1, Ordering::Relaxed);
                tally.told_apart.fetch_add(u64::from(!members.is_empty() && members != everyone), Ordering::Relaxed);
            }
            Err(_) => {
                let small = shrink(&tree, |t| {
                    oracle::plan(&world, &lake.pinned.catalog, t).is_ok() && differs(engine, &lake, &world, t, answers).is_err()
                });
                let error = differs(engine, &lake, &world, &small, answers).err().unwrap_or_else(|| "no longer differs".to_owned());
                return Err(format!("world {seed}, tree {i}, {answers:?}\n{small}\n{error}"));
            }
        }
    }
    Ok(())
}

/// The members, where the engine agrees.
fn differs(engine: &Engine, lake: &Lake, world: &World, tree: &Json, answers: Answers) -> Result<BTreeSet<String>, String> {
    let plan = Arc::new(oracle::plan(world, &lake.pinned.catalog, tree)?);
    let expected = oracle::members(world, &plan);
    let found =
        engine.members(lake, plan.clone(), answers).map_err(|e| format!("{e}\n{}", engine.explained(lake, plan.clone(), answers)))?;
    if found == expected {
        return Ok(found);
    }
    let mut out = format!("as of {} in {}\n", segment_core::time::format_instant(world.times.as_of), world.zone);
    let missing: Vec<&String> = expected.difference(&found).collect();
    let extra: Vec<&String> = found.difference(&expected).collect();
    let _ = writeln!(out, "not found: {missing:?}\nfound wrongly: {extra:?}\n{}", engine.explained(lake, plan, answers));
    for id in missing.into_iter().chain(extra).take(USERS_SHOWN) {
        if let Some(user) = world.users.iter().find(|u| u.user_id == *id) {
            let _ = writeln!(out, "{user:?}");
        }
        for (i, import) in world.imports.iter().enumerate() {
            for row in import.users.iter().chain(&import.events) {
                let of = row.get("user_id").is_some_and(|u| u.as_str() == Some(id) || u.as_number() == Some(id));
                if of {
                    let _ = writeln!(out, "import {i}: {row}");
                }
            }
        }
    }
    Err(out)
}

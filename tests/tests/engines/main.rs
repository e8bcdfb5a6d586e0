//! The embedded engine, and the oracle over the lake, against the oracle over the rows that the data means.

use std::sync::Arc;

use muster_tests::differential::{Against, Extent, assert_agrees};
use muster_tests::engine::{Answers, Engine};
use muster_tests::golden::topics;
use muster_tests::oracle;
use muster_tests::random::Random;
use muster_tests::trees::Trees;
use muster_tests::world::World;
use muster_tests::world::rows::Rows;
use segment_core::lower::Strategy;

#[test]
fn random_trees_find_the_same_users() {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let extent = Extent { against: Against::Embedded, seed: 1, worlds: 48, trees: 125, threads, bound: false };
    assert_agrees(extent, 5_000);
}

#[test]
fn random_trees_find_the_same_users_by_events_that_others_wrote() {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let extent = Extent { against: Against::Embedded, seed: 1, worlds: 12, trees: 50, threads, bound: true };
    assert_agrees(extent, 600);
}

#[test]
fn marks_in_columns_and_in_bits_find_the_same_users() {
    let engine = Engine::new(2).unwrap_or_else(|e| panic!("{e}"));
    for seed in 1..=6 {
        let world = World::generate(seed);
        let lake = engine.load(&world).unwrap_or_else(|e| panic!("world {seed}: {e}"));
        let mut trees = Trees::new(&world, Random::new(seed));
        // Marks of one column of bits, of two, and of three.
        for leaves in [12, 75, 135] {
            let tree = trees.wide(leaves);
            let plan = Arc::new(oracle::plan(&world, &lake.pinned.catalog, &tree).unwrap_or_else(|e| panic!("world {seed}: {tree}\n{e}")));
            let expected = oracle::members(&world, &plan);
            for strategy in [Strategy::Arms, Strategy::PackedArms] {
                let found = engine.members(&lake, plan.clone(), Answers::Parquet(Some(strategy)));
                assert_eq!(found.as_ref(), Ok(&expected), "world {seed}, {}: {tree}", strategy.name());
            }
        }
    }
}

#[test]
fn golden_cases_find_their_members() {
    let engine = Engine::new(2).unwrap_or_else(|e| panic!("{e}"));
    let mut faults = Vec::new();
    let mut runs = 0;
    let strategies = Strategy::ALL.into_iter().map(|s| Answers::Parquet(Some(s)));
    let answers: Vec<Answers> = strategies.chain([Answers::Hashing(None), Answers::Memory]).collect();
    for topic in topics() {
        let rows = Rows { users: topic.users.clone(), events: topic.events.clone() };
        let lake = match engine.load_rows(&topic.catalog.timezone, &topic.declaration, &rows, &topic.lists) {
            Ok(lake) => lake,
            Err(error) => {
                faults.push(format!("{}: {error}", topic.name));
                continue;
            }
        };
        for case in &topic.cases {
            let plan = match topic.plan(case, &lake.pinned.catalog) {
                Ok(plan) => Arc::new(plan),
                Err(error) => {
                    faults.push(format!("{}, {}: {error}", topic.name, case.name));
                    continue;
                }
            };
            for answers in &answers {
                runs += 1;
                match engine.members(&lake, plan.clone(), *answers) {
                    Ok(found) if found == case.members => {}
                    Ok(found) => faults.push(format!(
                        "{}, {}, {answers:?}: {}\n  expected {:?}\n  found    {found:?}",
                        topic.name, case.name, case.condition, case.members
                    )),
                    Err(error) => faults.push(format!("{}, {}, {answers:?}: {error}", topic.name, case.name)),
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} of {runs} runs:\n{}", faults.len(), faults.join("\n"));
    println!("{runs} runs");
}

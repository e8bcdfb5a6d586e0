//! Trino over a shared lake, and the oracle over that lake, against the oracle over the rows that the data means.
#![allow(clippy::print_stdout, reason = "a skip is said on standard output, where scripts/test counts it")]

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use muster_tests::differential::{Against, Extent, assert_agrees};
use muster_tests::engine::{Answers, Engine};
use muster_tests::golden::{Topic, topics};
use muster_tests::settings;
use muster_tests::world::rows::Rows;

/// Worlds, or topics, at a time.
const AT_ONCE: usize = 6;

/// Whether there is nothing to run against, which is said.
fn skipped() -> bool {
    match settings::trino() {
        Ok(_) => false,
        Err(error) => {
            println!("skipped: {error}");
            true
        }
    }
}

#[test]
fn trino_finds_the_same_users_by_random_trees() {
    if skipped() {
        return;
    }
    let extent = Extent { against: Against::Trino, seed: 1, worlds: 2 * AT_ONCE, trees: 40, threads: AT_ONCE, bound: false };
    assert_agrees(extent, 400);
}

#[test]
fn trino_finds_the_same_users_by_events_that_others_wrote() {
    if skipped() {
        return;
    }
    let extent = Extent { against: Against::Trino, seed: 1, worlds: AT_ONCE, trees: 30, threads: AT_ONCE, bound: true };
    assert_agrees(extent, 90);
}

#[test]
fn trino_finds_the_members_of_golden_cases() {
    if skipped() {
        return;
    }
    let (topics, next, runs) = (topics(), AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(topic) = topics.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check(topic, &runs);
                    faults.lock().unwrap_or_else(|e| e.into_inner()).extend(found);
                }
            });
        }
    });
    let (faults, runs) = (faults.into_inner().unwrap_or_default(), runs.into_inner());
    assert!(faults.is_empty(), "{} of {runs} runs:\n{}", faults.len(), faults.join("\n"));
    println!("{runs} runs");
}

/// What is wrong of a topic.
fn check(topic: &Topic, runs: &AtomicUsize) -> Vec<String> {
    let rows = Rows { users: topic.users.clone(), events: topic.events.clone() };
    let loaded = Engine::trino().and_then(|engine| {
        let lake = engine.load_rows(&topic.catalog.timezone, &topic.declaration, &rows, &topic.lists)?;
        Ok((engine, lake))
    });
    let (engine, lake) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return vec![format!("{}: {error}", topic.name)],
    };
    let mut faults = Vec::new();
    for case in &topic.cases {
        runs.fetch_add(1, Ordering::Relaxed);
        let found = topic.plan(case, &lake.pinned.catalog).and_then(|plan| engine.members(&lake, Arc::new(plan), Answers::Trino(None)));
        match found {
            Ok(found) if found == case.members => {}
            Ok(found) => faults
                .push(format!("{}, {}: {}\n  expected {:?}\n  found    {found:?}", topic.name, case.name, case.condition, case.members)),
            Err(error) => faults.push(format!("{}, {}: {error}", topic.name, case.name)),
        }
    }
    faults
}

//! The suite that every backend passes, wrappers included.
//!
//! An adapter implements [`Fixture`], by which it loads a [`World`] of plain rows into its engine, and calls [`conformance`]. The
//! suite runs every operator on every type, every measure, every window, negations, hostile strings, and nothing at all, and
//! compares members with the oracle's; then how runs count, end, are cancelled, report progress, and refuse. [`lake::LakeFixture`] loads a world
//! into a lake, embedded or shared. A backend whose [`crate::Capabilities::events`] is false must refuse every tree that looks at events.
//!
//! [`isolation`] and [`hostile`] are the suite's other parts: two workspaces that look alike, and trees that try to break out or to break the engine.
//!
//! Invariant: every failure is reported, not the first only.

pub mod cases;
mod hostile;
mod isolation;
pub mod lake;
mod manners;
pub mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use segment_core::compile;
use segment_core::dialect;
use segment_core::eval;
use segment_core::lower::Strategy;
use segment_core::plan::Plan;
use segment_core::resolve::Library;
use store::Pinned;

pub use cases::Case;
pub use hostile::{hostile, hostile_of};
pub use isolation::isolation;
pub use store::chain;
pub use world::World;

use crate::backend::{Backend, Query, RunOptions};
use crate::error::{BackendError, ErrorKind};

/// Differing ids shown in a failure.
const IDS_SHOWN: usize = 5;

/// Loads worlds into an engine.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Makes a workspace of the engine hold exactly this world, and returns the backend over it and the state that queries name.
    /// Worlds loaded before stay, as workspaces of their own.
    ///
    /// # Errors
    ///
    /// Why it could not; the suite fails with it.
    async fn load(&mut self, world: &World) -> Result<Loaded, String>;
}

/// A world in an engine.
pub struct Loaded {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// The state that queries name, `None` for a backend that holds its rows.
    pub pinned: Option<Arc<Pinned>>,
    /// The world with the catalog of the engine's own; columns' names may differ from the world's.
    pub world: World,
}

/// What the suite found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Runs that were compared.
    pub runs: usize,
    /// Cases that held for some users and not for others.
    pub told_apart: usize,
    /// Large trees that the backend said it does not take.
    pub refused: usize,
    /// What failed, each with its case.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.failures.is_empty() && self.runs > 0
    }

    fn add(&mut self, part: Report) {
        self.runs += part.runs;
        self.told_apart += part.told_apart;
        self.refused += part.refused;
        self.failures.extend(part.failures);
    }

    fn fail(&mut self, case: &str, what: impl std::fmt::Display) {
        self.failures.push(format!("{case}: {what}"));
    }
}

/// In a smaller extent, one of so many cases is run over the world without users.
const CASES_OVER_NOBODY: usize = 8;

/// How much of the suite is run, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Cases at a time.
    pub at_once: usize,
    /// Whether each case is run by every strategy and over nobody too; else it is run once, by the backend's own rule and the strategies in
    /// turns, and one in eight over nobody.
    pub every_strategy: bool,
}

impl Extent {
    /// How the i-th case is run, of the ways there are.
    fn ways(self, i: usize, ways: &[Option<Strategy>]) -> &[Option<Strategy>] {
        // A row of cases is as long as there are operators; it must not meet the same ways again and again.
        let turn = (i + i / ways.len().max(1)) % ways.len().max(1);
        if self.every_strategy { ways } else { ways.get(turn..=turn).unwrap_or_default() }
    }
}

/// The backend's own rule, and every other strategy that it has.
fn ways(backend: &dyn Backend) -> Vec<Option<Strategy>> {
    let capabilities = backend.capabilities();
    let own = capabilities.dialect.and_then(dialect::named).map(|d| d.strategy());
    let others = capabilities.strategies.iter().copied().filter(|s| Some(*s) != own);
    std::iter::once(None).chain(others.map(Some)).collect()
}

impl Default for Extent {
    fn default() -> Self {
        Self { at_once: 1, every_strategy: true }
    }
}

/// Runs the suite over the standard worlds.
pub async fn conformance(fixture: &mut dyn Fixture) -> Report {
    conformance_of(fixture, Extent::default()).await
}

/// Runs as much of the suite as is asked for; an engine that takes a while for every query can take several at a time.
pub async fn conformance_of(fixture: &mut dyn Fixture, extent: Extent) -> Report {
    let mut report = Report::default();
    for world in [World::standard(), World::empty()] {
        match fixture.load(&world).await {
            Ok(loaded) => {
                cases(&loaded, extent, &mut report).await;
                manners::check(&loaded, &mut report).await;
            }
            Err(e) => report.fail("loading", e),
        }
    }
    report
}

/// Compares every case with the oracle.
async fn cases(loaded: &Loaded, extent: Extent, report: &mut Report) {
    let capabilities = loaded.backend.capabilities();
    let ways = ways(&*loaded.backend);
    let mut runs = Vec::new();
    let thinned = loaded.world.users.is_empty() && !extent.every_strategy;
    for (i, case) in cases::all(&loaded.world).into_iter().enumerate().filter(|(i, _)| !thinned || i % CASES_OVER_NOBODY == 0) {
        let plan = match plan(&loaded.world, &case.condition) {
            Ok(plan) => Arc::new(plan),
            Err(e) => {
                report.fail(&case.condition, e);
                continue;
            }
        };
        if !capabilities.events && plan.reads_events() {
            report.runs += 1;
            let query = Query { plan, pinned: loaded.pinned.clone(), strategy: None };
            if let Err(e) = refuses(loaded, &query).await {
                report.fail(&case.condition, e);
            }
            continue;
        }
        let expected = Arc::new(expected(&loaded.world, &plan));
        report.told_apart += usize::from(!expected.is_empty() && expected.len() < loaded.world.users.len());
        // Without events, or without users, they differ in nothing.
        let some =
            if case.has_events && (extent.every_strategy || !loaded.world.users.is_empty()) { extent.ways(i, &ways) } else { &[None] };
        for strategy in some.iter().copied() {
            let query = Query { plan: plan.clone(), pinned: loaded.pinned.clone(), strategy };
            runs.push((case.condition.clone(), query, expected.clone()));
        }
    }
    report.runs += runs.len();
    let compared = futures::stream::iter(runs).map(|(condition, query, expected)| async move {
        let by = query.strategy.map_or("its own rule", Strategy::name);
        let failure = compare(loaded, &query, &expected).await.err()?;
        Some((condition, format!("{} by {by}: {failure}", loaded.backend.name())))
    });
    let failures: Vec<_> = compared.buffered(extent.at_once.max(1)).filter_map(std::future::ready).collect().await;
    failures.into_iter().for_each(|(condition, failure)| report.fail(&condition, failure));
}

/// The plan of a condition over a world.
///
/// # Errors
///
/// The diagnostics.
pub fn plan(world: &World, condition: &str) -> Result<Plan, String> {
    let library = Library { segments: world.segments.clone(), lists: world.lists.keys().cloned().collect() };
    let checked = compile::check(condition, &world.catalog, &library, world.as_of);
    checked.plan.ok_or_else(|| {
        let faults: Vec<String> = checked.diagnostics.iter().map(|d| format!("{} {}", d.pointer, d.message)).collect();
        format!("it does not resolve: {}", faults.join("; "))
    })
}

/// Whom the oracle finds.
pub fn expected(world: &World, plan: &Plan) -> BTreeSet<String> {
    world.users.iter().filter(|u| eval::is_member(plan, u, &world.lists)).map(|u| u.user_id.clone()).collect()
}

/// Whether running and explaining are refused as `Unsupported`.
async fn refuses(loaded: &Loaded, query: &Query) -> Result<(), String> {
    let refused = |what: &str, done: Result<(), BackendError>| match done {
        Err(e) if e.kind == ErrorKind::Unsupported => Ok(()),
        Err(e) => Err(format!("{what} a tree that looks at events is refused as {}: {}", e.kind.name(), chain(&e))),
        Ok(()) => Err(format!("{what} a tree that looks at events is not refused")),
    };
    let run = match loaded.backend.run(query, RunOptions::default()).await {
        Ok(mut run) => run.count().await.map(|_| ()),
        Err(e) => Err(e),
    };
    refused("running", run)?;
    refused("explaining", loaded.backend.explain(query).await.map(|_| ()))
}

async fn compare(loaded: &Loaded, query: &Query, expected: &BTreeSet<String>) -> Result<(), String> {
    same(&found(loaded, query).await.map_err(|e| chain(&e))?, expected)
}

/// Whom the backend finds.
async fn found(loaded: &Loaded, query: &Query) -> Result<Vec<String>, BackendError> {
    loaded.backend.run(query, RunOptions::default()).await?.sorted_ids().await
}

fn same(ids: &[String], expected: &BTreeSet<String>) -> Result<(), String> {
    let found: BTreeSet<String> = ids.iter().cloned().collect();
    if found.len() < ids.len() {
        return Err("a user came twice".to_owned());
    }
    if found != *expected {
        let shown = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).take(IDS_SHOWN).cloned().collect::<Vec<_>>();
        return Err(format!(
            "{} members instead of {}; wrong: {:?}; missing: {:?}",
            found.len(),
            expected.len(),
            shown(&found, expected),
            shown(expected, &found)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

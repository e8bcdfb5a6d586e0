//! Random trees over random worlds: DuckDB finds whom the oracle finds.

use std::sync::Arc;

use muster_tests::oracle;
use muster_tests::random::Random;
use muster_tests::trees::Trees;
use muster_tests::world::World;
use query_backends::conformance::{self, chain};
use query_backends::{Backend, Query, RunOptions};
use segment_core::catalog::{Catalog, Origin};
use segment_core::declare;
use segment_core::json::Json;
use segment_core::lower::Strategy;
use store::Pinned;

use crate::common::{backend, pin};

/// Worlds, and trees of each.
const WORLDS: u64 = 8;
const TREES: usize = 60;
/// Leaves of the largest trees.
const LEAVES_MAX: usize = 12;

/// The same world as the suite's fixtures take it: with the catalog as it was before the second import, and as it is.
fn plain(world: &World) -> conformance::World {
    let declared = |declarations: &[Json]| {
        let mut catalog = declarations.iter().fold(Catalog::new(world.zone.name()), |c, d| declare::declare(&c, d).unwrap());
        world.events.iter().for_each(|name| catalog.set_event(name, [], Origin::Learned));
        catalog
    };
    conformance::World {
        catalog: declared(&world.declarations),
        narrow: declared(world.declarations.get(..1).unwrap()),
        users: world.users.clone(),
        lists: world.lists.clone(),
        segments: world.library.segments.clone(),
        as_of: world.times.as_of,
    }
}

async fn differs(backend: &dyn Backend, pinned: &Arc<Pinned>, world: &World, tree: &Json, strategy: Strategy) -> Result<bool, String> {
    let plan = Arc::new(oracle::plan(world, &pinned.catalog, tree)?);
    let expected = oracle::members(world, &plan);
    let query = Query::new(plan, pinned.clone()).with_strategy(strategy);
    let told_apart = !expected.is_empty() && expected != oracle::universe(world);
    let found = match backend.run(&query, RunOptions::default()).await {
        Ok(mut run) => run.sorted_ids().await,
        Err(e) => Err(e),
    };
    let explained = async || backend.explain(&query).await.map(|e| e.sql.unwrap_or_default()).unwrap_or_else(|e| chain(&e));
    let found = match found {
        Ok(found) => found,
        Err(e) => return Err(format!("{}\n{}", chain(&e), explained().await)),
    };
    if found.iter().eq(&expected) {
        Ok(told_apart)
    } else {
        Err(format!("found {found:?}\ninstead of {expected:?}\n{}", explained().await))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_trees_find_the_same_users() {
    let folder = tempfile::tempdir().unwrap();
    let backend = backend(folder.path());
    let (mut trees, mut told_apart, mut failures) = (0, 0, Vec::new());
    for seed in 1..=WORLDS {
        let world = World::generate(seed);
        let pinned = pin(&folder.path().join(format!("world-{seed}")), &plain(&world)).await;
        let mut random = Random::new(seed);
        for i in 0..TREES {
            let mut maker = Trees::new(&world, random.fork());
            let tree = match i % 20 {
                9 | 19 => maker.contradiction(),
                5 => maker.wide(75),
                _ => maker.tree(LEAVES_MAX),
            };
            let strategy = Strategy::ALL.get(i % Strategy::ALL.len()).copied().unwrap_or(Strategy::Arms);
            match differs(&*backend, &pinned, &world, &tree, strategy).await {
                Ok(apart) => told_apart += usize::from(apart),
                Err(e) => failures.push(format!("world {seed}, tree {i}, {}: {tree}\n{e}", strategy.name())),
            }
            trees += 1;
        }
    }
    println!("{trees} trees, {told_apart} of which tell users apart");
    assert!(failures.is_empty(), "{} of {trees} trees:\n{}", failures.len(), failures.join("\n\n"));
    assert!(told_apart * 3 > trees, "{told_apart} of {trees} trees tell users apart");
}

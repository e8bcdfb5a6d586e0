//! The oracle's answers over a world.

use std::collections::BTreeSet;

use segment_core::catalog::Catalog;
use segment_core::compile::{self, Checked};
use segment_core::eval;
use segment_core::json::Json;
use segment_core::plan::Plan;

use crate::world::World;

/// Checks a tree against a catalog of the world.
pub fn check(world: &World, catalog: &Catalog, tree: &Json) -> Checked {
    compile::check(&tree.to_text(), catalog, &world.library, world.times.as_of)
}

/// The plan of a tree without faults.
///
/// # Errors
///
/// The diagnostics, written out.
pub fn plan(world: &World, catalog: &Catalog, tree: &Json) -> Result<Plan, String> {
    let checked = check(world, catalog, tree);
    checked.plan.ok_or_else(|| format!("refused: {:?}", checked.diagnostics))
}

/// The members of a plan.
pub fn members(world: &World, plan: &Plan) -> BTreeSet<String> {
    world.users.iter().filter(|u| eval::is_member(plan, u, &world.lists)).map(|u| u.user_id.clone()).collect()
}

/// The members of a tree that has no faults.
pub fn members_of(world: &World, tree: &Json) -> BTreeSet<String> {
    match plan(world, &world.catalog, tree) {
        Ok(plan) => members(world, &plan),
        Err(error) => panic!("world {}: {tree}: {error}", world.seed),
    }
}

/// Everyone in the universe.
pub fn universe(world: &World) -> BTreeSet<String> {
    let seen = |t: Option<i64>| t.is_none_or(|t| t < world.times.as_of);
    world.users.iter().filter(|u| seen(u.first_seen_at)).map(|u| u.user_id.clone()).collect()
}

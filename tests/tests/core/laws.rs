//! Laws that every tree keeps, checked on random trees over random worlds.

use std::collections::BTreeSet;

use muster_tests::json::{at, integer, object, text, with};
use muster_tests::oracle::{check, members, members_of, plan, universe};
use muster_tests::random::Random;
use muster_tests::shrink::shrink;
use muster_tests::trees::Trees;
use muster_tests::world::World;
use segment_core::condition::Condition;
use segment_core::diagnostics::Code;
use segment_core::json::Json;
use segment_core::simplify::simplify;

const WORLDS: u64 = 40;
const TREES: usize = 100;

type Members = BTreeSet<String>;

/// Checks a law on random trees. A failure is made smaller, and shown with the seed and the tree.
fn law(name: &str, make: impl Fn(&mut Trees<'_>) -> Json, holds: impl Fn(&World, &Json, &mut Random) -> Result<(), String>) {
    for seed in 0..WORLDS {
        let world = World::generate(seed);
        let mut random = Random::new(seed ^ 0x1a2b);
        for _ in 0..TREES {
            let tree = make(&mut Trees::new(&world, random.fork()));
            let state = random.fork();
            if let Err(error) = holds(&world, &tree, &mut state.clone()) {
                let fails = |t: &Json| plan(&world, &world.catalog, t).is_ok() && holds(&world, t, &mut state.clone()).is_err();
                let small = if fails(&tree) { shrink(&tree, fails) } else { tree };
                let error = holds(&world, &small, &mut state.clone()).err().unwrap_or(error);
                panic!("{name}, world {seed}, as of {}: {small}\n{error}", world.times.as_of);
            }
        }
    }
}

fn tree(trees: &mut Trees<'_>) -> Json {
    trees.tree(12)
}

fn contradiction(trees: &mut Trees<'_>) -> Json {
    trees.contradiction()
}

fn equal(what: &str, left: &Members, right: &Members) -> Result<(), String> {
    if left == right {
        return Ok(());
    }
    let difference: Vec<&String> = left.symmetric_difference(right).collect();
    Err(format!("{what}: differs for {difference:?}"))
}

#[test]
fn generated_trees_have_no_faults() {
    let mut told_apart = 0;
    for seed in 0..WORLDS {
        let world = World::generate(seed);
        let everyone = universe(&world);
        let mut random = Random::new(seed);
        for _ in 0..TREES {
            let tree = Trees::new(&world, random.fork()).tree(12);
            let checked = check(&world, &world.catalog, &tree);
            assert!(checked.diagnostics.is_empty() && checked.plan.is_some(), "world {seed}: {tree}\n{:#?}", checked.diagnostics);
            let found = members_of(&world, &tree);
            told_apart += usize::from(!found.is_empty() && found != everyone);
        }
    }
    let all = WORLDS as usize * TREES;
    println!("{told_apart} of {all} trees tell users apart");
    assert!(told_apart * 5 > all * 2, "most random trees hold for everyone or nobody: {told_apart} of {all}");
}

#[test]
fn a_condition_and_its_negation_partition_the_universe() {
    law("negation", tree, |world, tree, _| {
        let inside = members_of(world, tree);
        let outside = members_of(world, &object([("not", tree.clone())]));
        if let Some(both) = inside.intersection(&outside).next() {
            return Err(format!("{both:?} is in both"));
        }
        equal("together", &(&inside | &outside), &universe(world))
    });
}

#[test]
fn a_double_negation_is_nothing() {
    law("double negation", tree, |world, tree, _| {
        let twice = object([("not", object([("not", tree.clone())]))]);
        equal("twice", &members_of(world, tree), &members_of(world, &twice))
    });
}

#[test]
fn the_order_of_children_is_free() {
    fn shuffled(json: &Json, random: &mut Random) -> Json {
        match json {
            Json::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(key, value)| {
                        let mut value = shuffled(value, random);
                        if let ("all" | "any" | "in", Json::Array(children)) = (key.as_str(), &mut value) {
                            random.shuffle(children);
                        }
                        (key.clone(), value)
                    })
                    .collect(),
            ),
            Json::Array(items) => Json::Array(items.iter().map(|i| shuffled(i, random)).collect()),
            other => other.clone(),
        }
    }
    law("order", tree, |world, tree, random| {
        let other = shuffled(tree, random);
        equal("shuffled", &members_of(world, tree), &members_of(world, &other))
    });
}

#[test]
fn groups_are_intersection_and_union() {
    law("groups", tree, |world, tree, random| {
        let other = Trees::new(world, random.fork()).tree(4);
        let (a, b) = (members_of(world, tree), members_of(world, &other));
        let group = |key: &str| members_of(world, &object([(key, Json::Array(vec![tree.clone(), other.clone()]))]));
        equal("all", &group("all"), &(&a & &b))?;
        equal("any", &group("any"), &(&a | &b))
    });
}

#[test]
fn negative_operators_are_complements() {
    const PAIRS: [(&str, &str); 5] =
        [("is", "is_not"), ("in", "not_in"), ("contains", "not_contains"), ("exists", "not_exists"), ("is_empty", "is_not_empty")];
    let leaf = |trees: &mut Trees<'_>| {
        for _ in 0..40 {
            let leaf = if trees.coin() { trees.attribute() } else { trees.event() };
            let op = leaf.get("op").and_then(Json::as_str).unwrap_or_default();
            if PAIRS.iter().any(|(a, b)| op == *a || op == *b) {
                return leaf;
            }
        }
        object([("everyone", Json::Bool(true))])
    };
    law("complements", leaf, |world, leaf, _| {
        let Some(op) = leaf.get("op").and_then(Json::as_str) else { return Ok(()) };
        let Some((a, b)) = PAIRS.iter().find(|(a, b)| op == *a || op == *b) else { return Ok(()) };
        let positive = members_of(world, &with(leaf, "op", text(*a)));
        let negative = members_of(world, &with(leaf, "op", text(*b)));
        equal(b, &negative, &(&universe(world) - &positive))
    });
}

#[test]
fn widening_a_window_never_loses_a_gte_member() {
    let leaf = |trees: &mut Trees<'_>| {
        let event = trees.event();
        let Json::Object(mut members) = event else { return event };
        members.retain(|(k, _)| !matches!(k.as_str(), "op" | "value" | "ignore_case" | "window"));
        let grows = |m: &(String, Json)| {
            m.0 == "measure" && m.1.as_object().is_some_and(|m| m.iter().any(|(k, _)| matches!(k.as_str(), "days" | "distinct")))
        };
        if !members.iter().any(grows) {
            members.retain(|(k, _)| k != "measure");
        }
        members.push(("op".to_owned(), text("gte")));
        members.push(("value".to_owned(), integer(1)));
        Json::Object(members)
    };
    law("wider windows", leaf, |world, leaf, random| {
        let Json::Object(members) = leaf else { return Ok(()) };
        let windowed = |window: Option<Json>, value: i64| {
            let mut members = members.clone();
            members.retain(|(k, _)| k != "window" && k != "value");
            members.push(("value".to_owned(), integer(value)));
            members.extend(window.map(|w| ("window".to_owned(), w)));
            members_of(world, &Json::Object(members))
        };
        let value = random.between(0, 4);
        let unit = *random.pick(&["second", "minute", "hour", "day", "week", "month", "year"]);
        let last = |n: i64| object([("last", object([("n", integer(n)), ("unit", text(unit))]))]);
        let n = random.between(1, 30);
        let windows = [Some(last(n)), Some(last(n + random.between(0, 30))), None];
        let found: Vec<Members> = windows.into_iter().map(|w| windowed(w, value)).collect();
        for pair in found.windows(2) {
            if let [narrow, wide] = pair
                && let Some(lost) = narrow.difference(wide).next()
            {
                return Err(format!("{lost:?} is lost"));
            }
        }
        Ok(())
    });
}

#[test]
fn simplifying_changes_no_member() {
    law("simplify", tree, |world, tree, _| {
        let plan = plan(world, &world.catalog, tree)?;
        equal("simplified", &members(world, &plan), &members(world, &simplify(&plan)))
    });
    law("simplify contradictions", contradiction, |world, tree, _| {
        let plan = plan(world, &world.catalog, tree)?;
        equal("simplified", &members(world, &plan), &members(world, &simplify(&plan)))
    });
}

#[test]
fn what_is_written_reads_back() {
    law("round trip", tree, |_, tree, _| {
        let first = Condition::parse(&tree.to_text());
        let written = first.condition.to_json();
        let second = Condition::parse(&written.to_text());
        if first.condition != second.condition || !second.diagnostics.is_empty() {
            return Err(format!("written as {written}"));
        }
        Ok(())
    });
}

#[test]
fn segments_are_what_they_stand_for() {
    law("segments", tree, |world, tree, _| {
        fn inlined(world: &World, json: &Json) -> Json {
            match json {
                Json::Object(members) => match members.as_slice() {
                    [(key, Json::String(segment))] if key == "segment" => {
                        let text = world.library.segments.get(segment).cloned().unwrap_or_default();
                        inlined(world, &Json::parse(&text).unwrap_or(Json::Null))
                    }
                    _ => Json::Object(members.iter().map(|(k, v)| (k.clone(), inlined(world, v))).collect()),
                },
                Json::Array(items) => Json::Array(items.iter().map(|i| inlined(world, i)).collect()),
                other => other.clone(),
            }
        }
        equal("inlined", &members_of(world, tree), &members_of(world, &inlined(world, tree)))
    });
}

#[test]
fn warnings_are_never_wrong() {
    let warned = std::cell::Cell::new(0);
    let holds = |world: &World, tree: &Json, _: &mut Random| {
        let checked = check(world, &world.catalog, tree);
        if checked.plan.is_none() {
            return Err(format!("refused: {:?}", checked.diagnostics));
        }
        for warning in checked.warnings.iter().filter(|w| matches!(w.code, Code::AlwaysTrue | Code::NeverTrue)) {
            if warning.pointer.ends_with("/segment") {
                // It is about a part of the saved segment, which has its own check.
                continue;
            }
            warned.set(warned.get() + 1);
            let always = warning.code == Code::AlwaysTrue;
            let empty = emptied(tree, &warning.pointer, always).ok_or_else(|| format!("{} leads to no condition", warning.pointer))?;
            let found = members_of(world, &empty);
            if let Some(user) = found.first() {
                return Err(format!(
                    "{} at {} is wrong for {user:?}: {}",
                    if always { "always_true" } else { "never_true" },
                    warning.pointer,
                    warning.message
                ));
            }
        }
        Ok(())
    };
    law("warnings", tree, holds);
    law("warnings on contradictions", contradiction, holds);
    println!("{} warnings", warned.get());
    assert!(warned.get() > 200, "hardly any tree was warned about: {}", warned.get());
}

/// A condition that nobody meets if the warning is right: the part warned about, negated if it is said to hold always.
///
/// A part of a `where` is asked of any event; a part of an `any_item`, of the items of that leaf's list.
fn emptied(tree: &Json, pointer: &str, always: bool) -> Option<Json> {
    let mut steps: Vec<&str> = pointer.split('/').skip(1).collect();
    // To the condition that holds the member pointed at.
    loop {
        let here: String = steps.iter().map(|s| format!("/{s}")).collect();
        let found = at(tree, &here)?;
        let is_condition = found.as_object().is_some_and(|m| {
            m.iter().any(|(k, _)| {
                matches!(
                    k.as_str(),
                    "all" | "any" | "not" | "everyone" | "attribute" | "event" | "segment" | "list" | "sample" | "property"
                )
            })
        });
        let is_selector = steps.last().is_some_and(|s| matches!(*s, "measure" | "window"));
        if is_condition && !is_selector {
            break;
        }
        steps.pop()?;
    }
    let part = at(tree, &steps.iter().map(|s| format!("/{s}")).collect::<String>())?;
    let mut part = if always { object([("not", part.clone())]) } else { part.clone() };
    // Outwards: an item's condition into its leaf, a property's condition into an event.
    while let Some(step) = steps.pop() {
        let outer = at(tree, &steps.iter().map(|s| format!("/{s}")).collect::<String>())?;
        match step {
            "value" => part = with(outer, "value", part),
            "where" => part = object([("event", text("*")), ("where", part)]),
            _ => {}
        }
    }
    Some(part)
}

//! SQL text of random trees full of hostile strings: read again, it is the tree that was made.

use muster_tests::oracle::plan;
use muster_tests::random::Random;
use muster_tests::sqltext::check_reparses;
use muster_tests::trees::Trees;
use muster_tests::world::World;
use segment_core::compile;
use segment_core::dialect;
use segment_core::lower::{Key, Strategy, Tables};

#[test]
fn sql_text_reads_back_as_it_was_made() {
    for seed in 0..40 {
        let world = World::generate(seed);
        let tables = Tables {
            events: vec!["a \"b\"".to_owned(), "events".to_owned()],
            profiles: vec!["it's".to_owned()],
            lists: world.lists.keys().map(|k| (k.clone(), vec![format!("list {k}")])).collect(),
            key: if seed % 2 == 0 { Key::Number } else { Key::Id },
            spans: seed % 4 == 1,
        };
        let mut random = Random::new(seed);
        for i in 0..60 {
            let mut maker = Trees::new(&world, random.fork());
            // Now and then one with more marks than a column has bits.
            let tree = if i == 59 { maker.wide(75) } else { maker.tree(12) };
            let plan = plan(&world, &world.catalog, &tree).unwrap_or_else(|e| panic!("world {seed}: {tree}\n{e}"));
            for name in dialect::NAMES {
                for strategy in Strategy::ALL {
                    let dialect = dialect::named(name).unwrap_or_else(|| panic!("no dialect {name}"));
                    let lowered = compile::lowered(&plan, dialect.as_ref(), &tables, strategy);
                    let lowered = lowered.unwrap_or_else(|d| panic!("world {seed}: {tree}\n{d:?}"));
                    assert_eq!(lowered.sql(), lowered.ast().to_string(), "world {seed}, {name}, {}: {tree}", strategy.name());
                    if let Err(error) = check_reparses(name, &lowered.ast()) {
                        panic!("world {seed}, {name}, {}: {tree}\n{error}", strategy.name());
                    }
                }
            }
        }
    }
}

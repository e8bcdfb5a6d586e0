//! With hardly any memory everything goes by way of files, and comes out the same.

use std::fmt::Write;

use crate::common::World;

/// Rows of events: many days, and one day that does not fit into memory.
fn csv(rows: u64) -> String {
    let mut out = String::from("message_id,user_id,event,ts,n,text\n");
    let mut random = 1u64;
    for row in 0..rows {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (a, b, c) = (random >> 60, (random >> 40) % 997, (random >> 20) % 5);
        let day = if a < 8 { 1 } else { 1 + b % 28 };
        writeln!(out, "m{},u{b},e{c},2024-03-{day:02}T{:02}:00:00Z,{row},{}", row % (rows - 10), b % 24, "x".repeat(200)).unwrap();
    }
    out
}

#[tokio::test]
async fn little_memory() {
    let rows = 120_000;
    let content = csv(rows);
    let (small, large) = (World::new().await, World::new().await);
    for (world, memory) in [(&small, 1), (&large, 1 << 30)] {
        let mut request = world.request();
        request.events = vec![world.file("e.csv", &content)];
        request.memory_bytes = memory;
        let report = world.import(request).await.unwrap();
        assert_eq!((report.events.written, report.events.duplicates), (rows - 10, 10));
    }
    let sorted = |mut events: Vec<crate::common::Event>| {
        events.sort();
        events
    };
    assert!(sorted(small.stored().await) == sorted(large.stored().await));
    let scratch = small.folder.path().join("data/profiles/w/scratch");
    assert!(!scratch.exists() || std::fs::read_dir(scratch).unwrap().count() == 0);
}

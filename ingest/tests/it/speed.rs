//! How fast a file is imported, and in how much memory. Not a check: run by hand, with the file's path in `MUSTER_IMPORT`.

use std::path::PathBuf;

use crate::common::World;

#[tokio::test]
#[ignore = "measures: MUSTER_IMPORT=FILE cargo test --release --workspace --test it -- --ignored --nocapture speed"]
async fn speed() {
    let world = World::new().await;
    let mut request = world.request();
    request.events = vec![PathBuf::from(std::env::var("MUSTER_IMPORT").unwrap())];
    if let Ok(mib) = std::env::var("MUSTER_IMPORT_MIB") {
        request.memory_bytes = mib.parse::<usize>().unwrap() << 20;
    }
    let report = world.import(request).await.unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
    let rate = report.events.rows * 1_000 / report.elapsed_ms.max(1);
    println!("{} events in {} ms, {rate} a second; {peak}", report.events.rows, report.elapsed_ms);
}

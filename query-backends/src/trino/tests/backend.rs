//! The backend over a shared lake.

use std::sync::Arc;

use super::{config, store_config, unique};
use crate::conformance::lake::LakeFixture;
use crate::conformance::{Extent, conformance_of};
use crate::trino::TrinoBackend;

/// Queries at a time.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let (Some(config), Some(store_config)) = (config(), store_config()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(TrinoBackend::new(&config).unwrap());
    let mut fixture = LakeFixture::new(dir.path(), backend).shared(store_config, unique("suite"));
    let every_strategy = std::env::var_os("MUSTER_EVERY_STRATEGY").is_some();
    let report = conformance_of(&mut fixture, Extent { at_once: AT_ONCE, every_strategy }).await;
    println!("{} runs, {} cases told users apart", report.runs, report.told_apart);
    assert!(report.passed(), "{} failures of {} runs:\n{}", report.failures.len(), report.runs, report.failures.join("\n"));
}

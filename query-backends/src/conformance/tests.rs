//! The suite over this crate's own backends.

use super::*;
use crate::memory::MemoryBackend;

/// The oracle over plain rows.
struct Rows;

#[async_trait]
impl Fixture for Rows {
    async fn load(&mut self, world: &World) -> Result<Loaded, String> {
        let backend = Arc::new(MemoryBackend::from_users(world.users.clone(), world.lists.clone()));
        Ok(Loaded { backend, pinned: None, world: world.clone() })
    }
}

fn passed(report: &Report) {
    println!("{} runs, {} cases told users apart, {} too large", report.runs, report.told_apart, report.refused);
    assert!(report.passed(), "{} failures of {} runs:\n{}", report.failures.len(), report.runs, report.failures.join("\n"));
}

#[tokio::test]
async fn memory_over_rows() {
    let report = conformance(&mut Rows).await;
    passed(&report);
    assert!(report.told_apart > 300, "{} cases tell users apart", report.told_apart);
}

#[tokio::test]
async fn memory_over_the_lake() {
    let dir = tempfile::tempdir().unwrap();
    let mut fixture = lake::LakeFixture::new(dir.path(), Arc::new(MemoryBackend::new()));
    passed(&conformance(&mut fixture).await);
}

#[tokio::test]
async fn memory_keeps_workspaces_apart() {
    passed(&isolation(&mut Rows).await);
    let dir = tempfile::tempdir().unwrap();
    passed(&isolation(&mut lake::LakeFixture::new(dir.path(), Arc::new(MemoryBackend::new()))).await);
}

#[tokio::test]
async fn memory_takes_hostile_trees() {
    passed(&hostile(&mut Rows).await);
}

#[cfg(feature = "parquet")]
async fn parquet_passes(config: crate::parquet::ParquetConfig) {
    let dir = tempfile::tempdir().unwrap();
    let config = crate::parquet::ParquetConfig { spill_dir: Some(dir.path().join("spill")), ..config };
    let backend = crate::parquet::ParquetBackend::new(&config).unwrap();
    let mut fixture = lake::LakeFixture::new(dir.path(), Arc::new(backend));
    passed(&conformance(&mut fixture).await);
    passed(&isolation(&mut fixture).await);
    passed(&hostile(&mut fixture).await);
}

#[cfg(feature = "parquet")]
#[tokio::test(flavor = "multi_thread")]
async fn parquet_over_the_lake() {
    parquet_passes(crate::parquet::ParquetConfig { threads: 3, ..Default::default() }).await;
}

#[cfg(feature = "parquet")]
#[tokio::test(flavor = "multi_thread")]
async fn parquet_without_room_for_tables() {
    parquet_passes(crate::parquet::ParquetConfig { threads: 2, tables_bytes_max: 0, ..Default::default() }).await;
}

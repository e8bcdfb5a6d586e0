//! The suite that every backend passes.

use query_backends::conformance::lake::LakeFixture;
use query_backends::conformance::{Report, conformance, hostile, isolation};

use crate::common::backend;

fn passed(report: &Report) {
    println!("{} runs, {} cases told users apart, {} too large", report.runs, report.told_apart, report.refused);
    assert!(report.passed(), "{} failures of {} runs:\n{}", report.failures.len(), report.runs, report.failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let report = conformance(&mut LakeFixture::new(folder.path(), backend(folder.path()))).await;
    passed(&report);
    assert!(report.told_apart > 300, "{} cases tell users apart", report.told_apart);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_workspaces_apart() {
    let folder = tempfile::tempdir().unwrap();
    passed(&isolation(&mut LakeFixture::new(folder.path(), backend(folder.path()))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_hostile_trees() {
    let folder = tempfile::tempdir().unwrap();
    passed(&hostile(&mut LakeFixture::new(folder.path(), backend(folder.path()))).await);
}

//! The suite that every backend passes.

use query_backends::conformance::conformance;
use query_backends::conformance::lake::LakeFixture;

use crate::common::backend;

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let report = conformance(&mut LakeFixture::new(folder.path(), backend(folder.path()))).await;
    println!("{} runs, {} cases told users apart", report.runs, report.told_apart);
    assert!(report.passed(), "{} failures of {} runs:\n{}", report.failures.len(), report.runs, report.failures.join("\n"));
    assert!(report.told_apart > 300, "{} cases tell users apart", report.told_apart);
}

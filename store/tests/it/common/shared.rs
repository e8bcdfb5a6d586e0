//! A lake on real engines: settings from the environment, and a small client of Trino's.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use store::{LakeConfig, S3Config, Store, StoreConfig, Workspace};
use tempfile::TempDir;

/// Time that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);

/// Lets snapshots expire that were made just now.
const SESSION: &str = "lake.expire_snapshots_min_retention=0s,lake.remove_orphan_files_min_retention=0s";

fn setting(name: &str) -> String {
    store::engines::setting(name).unwrap()
}

/// The lake that Trino's catalog `lake` is.
pub fn lake() -> LakeConfig {
    store::engines::lake().unwrap()
}

/// The bucket that the engines share.
pub fn s3() -> S3Config {
    lake().s3
}

pub fn config() -> StoreConfig {
    StoreConfig { lake: Some(lake()), ..StoreConfig::default() }
}

/// A name that no other test has.
pub fn unique(name: &str) -> String {
    format!("lake_{name}_{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// A workspace of a shared lake, with a name of its own.
pub async fn shared_workspace(name: &str) -> (TempDir, Store, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), config()).await.unwrap();
    let workspace = store.create_workspace(&unique(name), "Europe/London").await.unwrap();
    (dir, store, workspace)
}

/// An identifier as SQL writes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A statement of the tests' own words, with names and numbers in place of `{}`.
pub fn fill(words: &str, values: &[&dyn std::fmt::Display]) -> String {
    let mut values = values.iter();
    let (first, rest) = words.split_once("{}").unwrap_or((words, ""));
    let mut out = first.to_owned();
    let mut rest = words.contains("{}").then_some(rest);
    while let Some(words) = rest {
        out.push_str(&values.next().unwrap().to_string());
        let (next, after) = words.split_once("{}").map_or((words, None), |(next, after)| (next, Some(after)));
        out.push_str(next);
        rest = after;
    }
    assert!(values.next().is_none(), "too many values for {words:?}");
    out
}

/// A table of the lake, as of a snapshot.
pub fn as_of(namespace: &str, table: &store::SharedTable) -> String {
    let version = table.snapshot_id.map(|id| format!(" FOR VERSION AS OF {id}")).unwrap_or_default();
    format!("lake.{}.{}{version}", quoted(namespace), quoted(&table.table))
}

/// Runs a statement in Trino; its rows.
pub async fn try_trino(sql: &str) -> Result<Vec<Vec<Json>>, String> {
    let client = reqwest::Client::new();
    let started = Instant::now();
    let send = |request: reqwest::RequestBuilder| async move {
        let response = request
            .header("X-Trino-User", "muster")
            .header("X-Trino-Client-Capabilities", "PARAMETRIC_DATETIME")
            .header("X-Trino-Session", SESSION)
            .send()
            .await
            .map_err(|e| e.to_string())?;
        if response.status().is_server_error() {
            return Ok(None);
        }
        let text = response.text().await.map_err(|e| e.to_string())?;
        serde_json::from_str::<Json>(&text).map(Some).map_err(|e| format!("{e}: {text}"))
    };
    let mut page = send(client.post(format!("{}/v1/statement", setting("MUSTER_TRINO_URL"))).body(sql.to_owned())).await?;
    let mut rows = Vec::new();
    let mut next = String::new();
    loop {
        if let Some(page) = &page {
            if let Some(error) = page.get("error") {
                return Err(format!("{}: {sql}", error["message"].as_str().unwrap_or_default()));
            }
            for row in page.get("data").and_then(Json::as_array).into_iter().flatten() {
                rows.push(row.as_array().cloned().unwrap_or_default());
            }
            match page.get("nextUri").and_then(Json::as_str) {
                Some(uri) => next = uri.to_owned(),
                None => return Ok(rows),
            }
        }
        if started.elapsed() > STATEMENT_TIMEOUT {
            return Err(format!("no answer within {STATEMENT_TIMEOUT:?}: {sql}"));
        }
        page = send(client.get(&next)).await?;
    }
}

/// The same, which must succeed.
pub async fn trino(sql: &str) -> Vec<Vec<Json>> {
    try_trino(sql).await.unwrap()
}

/// The same, of one column of text.
pub async fn trino_column(sql: &str) -> Vec<String> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    trino(sql).await.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
}

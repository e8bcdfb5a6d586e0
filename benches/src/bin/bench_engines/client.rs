//! Runs a statement on Trino and says what it cost, by Trino's own statistics.
//!
//! Rows come in the answers themselves; the backend's client, which is for more than measuring, does not tell queries' ids. Nothing is repeated: what fails
//! ends the measurement.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_benches::Result;
use query_backends::TrinoConfig;
use reqwest::RequestBuilder;
use serde_json::Value;

/// Looks at a finished query until its statistics are final, and the time between two.
const LOOKS_MAX: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A connection.
pub struct Client {
    http: reqwest::Client,
    url: String,
    user: String,
    catalog: String,
    /// Properties of the session, for tables over files that somebody else writes.
    session: String,
}

/// An answer, and what it cost.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The members' ids, in no order.
    pub ids: Vec<String>,
    pub cost: Cost,
}

/// What a query cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// From sending the statement until the last row is there.
    pub wall: Duration,
    /// Of all threads together, planning not included.
    pub cpu: Duration,
    /// Analysing and planning, by the clock.
    pub planning: Duration,
    /// The most memory that the query had reserved at a time, in bytes.
    pub memory: u64,
    /// What was read of the events.
    pub events: Scanned,
}

/// What scans of a table read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scanned {
    /// Files, once for each scan.
    pub files: u64,
    /// Files of the scan with the most.
    pub files_widest: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Client {
    pub fn new(config: &TrinoConfig) -> Result<Self> {
        let hive = config.hive_catalog.as_deref().ok_or("no catalog of Trino's Hive connector is named")?;
        Ok(Self {
            http: reqwest::Client::new(),
            url: config.url.trim_end_matches('/').to_owned(),
            user: config.user.clone(),
            catalog: config.catalog.clone(),
            session: format!("{hive}.parquet_use_column_names=true,{hive}.timestamp_precision=MICROSECONDS"),
        })
    }

    /// Runs a query that gives a number and an id for each member.
    pub async fn run(&self, sql: &str) -> Result<Answer> {
        let started = Instant::now();
        let mut ids = Vec::new();
        let mut page = self.ask(self.http.post(format!("{}/v1/statement", self.url)).body(sql.to_owned())).await?;
        let query = page["id"].as_str().ok_or("Trino gives no query's id")?.to_owned();
        loop {
            if let Some(message) = page["error"]["message"].as_str() {
                return Err(format!("Trino: {message}\n{sql}").into());
            }
            for row in page["data"].as_array().into_iter().flatten() {
                ids.push(row[1].as_str().ok_or("Trino gives no text for an id")?.to_owned());
            }
            match page["nextUri"].as_str() {
                Some(next) => page = self.ask(self.http.get(next)).await?,
                None => break,
            }
        }
        let wall = started.elapsed();
        let stats = &page["stats"];
        if stats["state"] != "FINISHED" {
            return Err(format!("a query ended as {}", stats["state"]).into());
        }
        let ms = |name: &str| Duration::from_millis(stats[name].as_u64().unwrap_or_default());
        let cost = Cost {
            wall,
            cpu: ms("cpuTimeMillis"),
            planning: ms("analysisTimeMillis") + ms("planningTimeMillis"),
            memory: stats["peakMemoryBytes"].as_u64().unwrap_or_default(),
            events: self.scanned(&query).await?,
        };
        Ok(Answer { ids, cost })
    }

    /// What a finished query's scans of the events read.
    async fn scanned(&self, query: &str) -> Result<Scanned> {
        for _ in 0..LOOKS_MAX {
            let info = self.ask(self.http.get(format!("{}/v1/query/{query}", self.url))).await?;
            if info["finalQueryInfo"] == true {
                return scanned(&info);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("the statistics of query {query} do not become final").into())
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value> {
        let request =
            request.header("x-trino-user", &self.user).header("x-trino-source", "muster-bench").header("x-trino-time-zone", "UTC");
        let request = request.header("x-trino-client-capabilities", "PARAMETRIC_DATETIME").header("x-trino-catalog", &self.catalog);
        let request = request.header("x-trino-session", &self.session);
        let response = request.send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&response.bytes().await?)?)
    }
}

/// The scans of the table `events`, or `events_…` over files that somebody else writes: inputs name their node of the plan, and operators the node that they
/// read for. A scan that found no work, because nobody was left to join, has no operator. The Hive connector names partitions, of which each has one file here.
fn scanned(info: &Value) -> Result<Scanned> {
    let inputs = info["inputs"].as_array().ok_or("Trino tells no inputs of a query")?;
    let events: BTreeMap<&str, &Value> = inputs
        .iter()
        .filter(|i| i["table"].as_str().is_some_and(|name| name == "events" || name.starts_with("events_")))
        .filter_map(|i| Some((i["planNodeId"].as_str()?, &i["connectorInfo"]["partitionIds"])))
        .collect();
    let operators = info["queryStats"]["operatorSummaries"].as_array().ok_or("Trino tells no operators of a query")?;
    if operators.is_empty() {
        return Err("Trino has forgotten the statistics of a query already".into());
    }
    let mut scanned = Scanned::default();
    for operator in operators {
        let Some(partitions) = operator["sourceId"].as_str().and_then(|id| events.get(id)) else { continue };
        let files = match partitions.as_array() {
            Some(partitions) => partitions.len() as u64,
            None => operator["connectorMetrics"]["dataFiles"]["total"].as_u64().unwrap_or_default(),
        };
        scanned.files += files;
        scanned.files_widest = scanned.files_widest.max(files);
        scanned.rows += operator["physicalInputPositions"].as_u64().unwrap_or_default();
        let bytes = operator["physicalInputDataSize"].as_str().and_then(|size| size.strip_suffix('B')?.parse::<u64>().ok());
        scanned.bytes += bytes.ok_or("Trino tells no size of what an operator read")?;
    }
    Ok(scanned)
}

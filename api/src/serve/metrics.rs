//! Measurements, in Prometheus' text format.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ingest::publish::LaneStats;

use super::Serving;
use crate::context::now_us;

/// Paths that are told apart; all others are one.
const PATHS: [&str; 27] = [
    "/v1/track",
    "/v1/identify",
    "/v1/page",
    "/v1/screen",
    "/v1/group",
    "/v1/alias",
    "/v1/batch",
    "/v1/import",
    "/v1/t",
    "/v1/i",
    "/v1/p",
    "/v1/s",
    "/v1/g",
    "/v1/a",
    "/v1/b",
    "/v1/events",
    "/v1/pixel.gif",
    "/livez",
    "/readyz",
    "/metrics",
    "/api/v1/users",
    "/api/v1/segments",
    "/api/v1/catalog",
    "/api/v1/lists",
    "/v1",
    "/api",
    "other",
];
/// Hundreds of HTTP's statuses, from 1.
const CLASSES: usize = 5;
/// Upper ends of the time that requests take, in microseconds.
const BUCKETS_US: [u64; 9] = [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000, 10_000_000];

/// Requests of one path.
#[derive(Default)]
struct Path {
    classes: [AtomicU64; CLASSES],
    buckets: [AtomicU64; BUCKETS_US.len()],
    micros: AtomicU64,
}

/// Requests by path.
#[derive(Default)]
pub(super) struct Requests {
    paths: [Path; PATHS.len()],
}

impl Requests {
    fn of(&self, path: &str) -> Option<&Path> {
        let below = |known: &str| known.starts_with("/api/v1/") && path.strip_prefix(known).is_some_and(|rest| rest.starts_with('/'));
        let known = PATHS.iter().position(|known| *known == path || below(known));
        self.paths.get(known.unwrap_or(PATHS.len() - 1))
    }
}

/// Measures a request.
pub(super) async fn measure(State(serving): State<Arc<Serving>>, request: Request, next: Next) -> Response {
    let (started, path) = (Instant::now(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if let Some(path) = serving.requests.of(&path) {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let class = usize::from(response.status().as_u16() / 100).saturating_sub(1);
        let counters = [path.classes.get(class), BUCKETS_US.iter().position(|end| micros <= *end).and_then(|n| path.buckets.get(n))];
        counters.into_iter().flatten().for_each(|counter| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        path.micros.fetch_add(micros, Ordering::Relaxed);
    }
    response
}

/// `GET /metrics`.
pub(super) async fn handle(State(serving): State<Arc<Serving>>) -> Response {
    let mut text = Text::default();
    serving.requests.write(&mut text);
    let lanes = serving.publishing.stats().await;
    for (name, kind, help, value) in LANES {
        text.about(name, kind, help);
        for lane in &lanes {
            if let Some(value) = value(lane) {
                text.sample(name, &[("workspace", &lane.workspace)], value);
            }
        }
    }
    text.about("muster_queries_running", "gauge", "Evaluations under way.");
    text.sample("muster_queries_running", &[], serving.rest.running() as f64);
    text.about("process_cpu_seconds_total", "counter", "Processor time of the process.");
    if let Some(seconds) = cpu_seconds() {
        text.sample("process_cpu_seconds_total", &[], seconds);
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text.out).into_response()
}

/// A measurement of a workspace: name, kind, help, value.
type Measurement = (&'static str, &'static str, &'static str, fn(&LaneStats) -> Option<f64>);

const LANES: [Measurement; 18] = [
    ("muster_accepted_total", "counter", "Messages stored in the log.", |l| Some(l.accepted as f64)),
    ("muster_duplicates_total", "counter", "Messages that were there already.", |l| Some(l.duplicates as f64)),
    ("muster_quarantined_total", "counter", "Messages stored that could not be accepted.", |l| Some(l.quarantined as f64)),
    ("muster_refused_total", "counter", "Requests refused because the log could not take them.", |l| Some(l.refused as f64)),
    ("muster_published_events_total", "counter", "Events published.", |l| Some(l.events as f64)),
    ("muster_published_facts_total", "counter", "Rows merged into profiles.", |l| Some(l.facts as f64)),
    ("muster_users", "gauge", "Users there are, as of the last commit.", |l| Some(l.users as f64)),
    ("muster_commits_total", "counter", "Commits of collected messages.", |l| Some(l.commits as f64)),
    ("muster_commit_seconds_total", "counter", "Time that they took.", |l| Some(l.commit_us as f64 / 1e6)),
    ("muster_commit_failures_total", "counter", "Commits that failed and are tried again.", |l| Some(l.failures as f64)),
    ("muster_lag_records", "gauge", "Records of the log that are not published yet.", |l| Some(l.lag as f64)),
    ("muster_oldest_unpublished_seconds", "gauge", "Age of the oldest of them; 0 if there is none.", |l| {
        Some(l.oldest_received_at.map_or(0.0, |at| now_us().saturating_sub(at).max(0) as f64 / 1e6))
    }),
    ("muster_log_bytes", "gauge", "Bytes of the log.", |l| Some(l.log_bytes as f64)),
    ("muster_log_commits_total", "counter", "Groups written to the log, each with one sync.", |l| Some(l.log_commits as f64)),
    ("muster_log_sync_seconds_total", "counter", "Time that these syncs took.", |l| Some(l.log_sync_us as f64 / 1e6)),
    ("muster_log_lost_total", "counter", "Records of the log that were lost to damage.", |l| Some(l.lost as f64)),
    ("muster_message_ids", "gauge", "Message ids remembered.", |l| Some(l.ids as f64)),
    ("muster_batch_rows", "gauge", "Events and rows of profiles in a commit, on average.", |l| {
        (l.commits > 0).then(|| (l.events + l.facts) as f64 / l.commits as f64)
    }),
];

impl Requests {
    fn write(&self, text: &mut Text) {
        let name = "muster_http_requests_total";
        text.about(name, "counter", "Requests by path and hundred of their status.");
        for (label, path) in PATHS.iter().zip(&self.paths) {
            for (class, counter) in path.classes.iter().enumerate() {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    text.sample(name, &[("path", label), ("status", &format!("{}xx", class + 1))], count as f64);
                }
            }
        }
        let name = "muster_http_request_seconds";
        text.about(name, "histogram", "Time that requests took.");
        for (label, path) in PATHS.iter().zip(&self.paths) {
            let count: u64 = path.classes.iter().map(|c| c.load(Ordering::Relaxed)).sum();
            if count == 0 {
                continue;
            }
            let mut below = 0;
            for (end, bucket) in BUCKETS_US.iter().zip(&path.buckets) {
                below += bucket.load(Ordering::Relaxed);
                text.sample(&format!("{name}_bucket"), &[("path", label), ("le", &(*end as f64 / 1e6).to_string())], below as f64);
            }
            text.sample(&format!("{name}_bucket"), &[("path", label), ("le", "+Inf")], count as f64);
            text.sample(&format!("{name}_sum"), &[("path", label)], path.micros.load(Ordering::Relaxed) as f64 / 1e6);
            text.sample(&format!("{name}_count"), &[("path", label)], count as f64);
        }
    }
}

/// Text under way. Writing into a String never fails.
#[derive(Default)]
struct Text {
    out: String,
}

impl Text {
    fn about(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{}{label}=\"{escaped}\"", if i == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

/// Processor time of this process, where the kernel tells it.
fn cpu_seconds() -> Option<f64> {
    /// Ticks of a second in what Linux shows to programs.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may have spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

//! What a run cost, out of the engine's own metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricValue;

use super::prepare::{Events, Prepared};
use crate::backend::{RunMetrics, ScanPlan, Stage};

/// The stages that operators belong to, in the order shown.
const PLAN: &str = "plan";
const DECODE: &str = "decode";
const GROUP: &str = "group";
const JOIN: &str = "join";
const OTHER: &str = "other";

/// Collects the metrics of a plan that ran to its end.
pub(super) fn collect(prepared: &Prepared, users: u64, elapsed: Duration) -> RunMetrics {
    let mut times: BTreeMap<&'static str, Duration> = BTreeMap::new();
    visit(&prepared.plan, &mut times);
    let stages = std::iter::once((PLAN, prepared.planning))
        .chain([DECODE, GROUP, JOIN, OTHER].into_iter().filter_map(|name| times.get(name).map(|time| (name, *time))))
        .map(|(name, time)| Stage { name, time })
        .collect();
    let read = prepared.counters.progress.now();
    let skipped = |table: &Events| table.scans().iter().map(|s: &ScanPlan| s.row_groups_skipped).sum::<u64>();
    RunMetrics {
        rows_read: read.rows_read,
        bytes_read: read.bytes_read,
        row_groups_read: prepared.counters.row_groups.load(Ordering::Relaxed),
        row_groups_skipped: prepared.events.as_ref().map(skipped).unwrap_or_default(),
        users,
        elapsed,
        stages,
    }
}

fn visit(plan: &Arc<dyn ExecutionPlan>, times: &mut BTreeMap<&'static str, Duration>) {
    let (stage, names): (_, &[&str]) = match plan.name() {
        "DataSourceExec" | "StreamingTableExec" => (DECODE, &["time_elapsed_processing"]),
        "AggregateExec" | "UserAggregateExec" => (GROUP, &["elapsed_compute"]),
        "HashJoinExec" | "UserJoinExec" => (JOIN, &["build_time", "join_time"]),
        "RepartitionExec" => (OTHER, &["repartition_time"]),
        _ => (OTHER, &["elapsed_compute"]),
    };
    if let Some(metrics) = plan.metrics() {
        let nanos: usize = metrics
            .iter()
            .map(|metric| match metric.value() {
                MetricValue::ElapsedCompute(time) if names.contains(&"elapsed_compute") => time.value(),
                MetricValue::Time { name, time } if names.contains(&name.as_ref()) => time.value(),
                _ => 0,
            })
            .sum();
        *times.entry(stage).or_default() += Duration::from_nanos(nanos as u64);
    }
    plan.children().into_iter().for_each(|child| visit(child, times));
}

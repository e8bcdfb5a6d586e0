//! From a query to the engine's plan: tables, SQL, logical plan, physical plan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{LogicalPlanBuilder, col};
use datafusion::physical_plan::ExecutionPlan;
use segment_core::dialect::DataFusion;
use segment_core::lower::{Lowered, Tables};
use segment_core::plan::Interval;
use store::{BoundEvents, ListInfo, Pinned};

use super::Shared;
use super::bound_table::{self, BoundTable};
use super::error::wrap;
use super::files::{Counters, LakeFile, Reading};
use super::lake_table::{LakeTable, TableSpec};
use super::session::{Grouping, TABLE_BYTES_A_USER, query_state, table_name};
use super::users::{Blocks, rewrite};
use crate::backend::{self, Query, ScanPlan};
use crate::error::{BackendError, ErrorKind, Result};
use crate::state::{event_reads, key};

/// Tables' names; lists are numbered.
const EVENTS: &str = "events";
const PROFILES: &str = "profiles";
const LIST_PREFIX: &str = "list_";

/// A query that is ready to run.
pub(super) struct Prepared {
    pub(super) sql: String,
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) context: Arc<TaskContext>,
    /// `None` if the query reads no events.
    pub(super) events: Option<Events>,
    pub(super) profiles: Arc<LakeTable>,
    pub(super) events_total: backend::Reading,
    pub(super) counters: Arc<Counters>,
    /// Time that planning took.
    pub(super) planning: Duration,
}

/// The events' table.
pub(super) enum Events {
    /// Of the lake.
    Lake(Arc<LakeTable>),
    /// Of files that somebody else writes.
    Bound(Arc<BoundTable>),
}

impl Events {
    /// What its scans read, in the order planned.
    pub(super) fn scans(&self) -> Vec<ScanPlan> {
        match self {
            Self::Lake(table) => table.scans(),
            Self::Bound(table) => table.scans(),
        }
    }

    fn provider(&self) -> Arc<dyn TableProvider> {
        match self {
            Self::Lake(table) => table.clone(),
            Self::Bound(table) => table.clone(),
        }
    }
}

/// Makes the tables, compiles and plans. `again`: another try of a query that lacked memory, which now groups by hashing, or whose files changed,
/// which are looked for anew.
pub(super) async fn prepare(
    shared: &Shared,
    query: &Query,
    pinned: &Pinned,
    ids: bool,
    again: bool,
    counters: Arc<Counters>,
) -> Result<Prepared> {
    let started = Instant::now();
    let lists: BTreeMap<String, Vec<String>> =
        pinned.lists.keys().enumerate().map(|(i, key)| (key.clone(), table_name(&format!("{LIST_PREFIX}{i}")))).collect();
    let tables = Tables { events: table_name(EVENTS), profiles: table_name(PROFILES), lists, key: key(pinned), spans: false };
    let dialect = DataFusion::default();
    let lowered = query.lowered(&dialect, &tables)?;
    let sql = lowered.sql();

    let reading = |page_index: bool| Arc::new(Reading { footers: shared.footers.clone(), counters: counters.clone(), page_index });
    let (events, events_total) = match &pinned.bound {
        Some(bound) => bound_events(bound, &lowered, &counters, again).await?,
        None => lake_events(pinned, &lowered, reading(false)).await?,
    };
    let profiles = table(profiles_spec(pinned)?, reading(true))?;
    let mut provided: Vec<(String, Arc<dyn TableProvider>)> =
        vec![(EVENTS.to_owned(), events.provider()), (PROFILES.to_owned(), profiles.clone())];
    for (i, (key, list)) in pinned.lists.iter().enumerate() {
        if lowered.lists.contains(key) {
            provided.push((format!("{LIST_PREFIX}{i}"), table(list_spec(list)?, reading(false))?));
        }
    }

    let numbers = pinned.profiles.files.iter().map(|f| f.user_no_max + 1).max().unwrap_or(0);
    // Whose events others write may have no number.
    let fits = pinned.bound.is_none() && numbers.saturating_mul(TABLE_BYTES_A_USER) <= if again { 0 } else { shared.tables_bytes_max };
    let grouping = if fits { Grouping::ByNumber } else { Grouping::ByEngine };
    let state =
        query_state(shared.states.get(grouping), provided, dialect.into_filters()).map_err(|e| wrap("cannot set a session up", e))?;
    let logical = state.create_logical_plan(&sql).await.map_err(|e| wrap("the engine refuses the SQL", e))?;
    let columns = if ids { vec![col("user_no"), col("user_id")] } else { vec![col("user_no")] };
    let logical = LogicalPlanBuilder::from(logical).project(columns).and_then(LogicalPlanBuilder::build);
    let logical = logical.map_err(|e| wrap("the engine refuses the SQL", e))?;
    let mut plan = state.create_physical_plan(&logical).await.map_err(|e| wrap("the engine cannot plan the SQL", e))?;
    if grouping == Grouping::ByNumber {
        let blocks = Blocks::new(numbers, state.config().target_partitions());
        plan = rewrite(&plan, &blocks).map_err(|e| wrap("cannot rewrite the engine's plan", e))?;
    }
    let events = (!lowered.reads.is_empty()).then_some(events);
    Ok(Prepared { sql, plan, context: state.task_ctx(), events, profiles, events_total, counters, planning: started.elapsed() })
}

/// The lake's events, and how much there is of them.
async fn lake_events(pinned: &Pinned, lowered: &Lowered, reading: Arc<Reading>) -> Result<(Events, backend::Reading)> {
    let plan = pinned.events.plan(&event_reads(lowered)).await?;
    if let Some(what) = plan.unsupported.first() {
        return Err(BackendError::new(ErrorKind::Unsupported, what.clone()));
    }
    let total = backend::Reading { files: plan.files_total, row_groups: 0, rows: plan.rows_total, bytes: plan.bytes_total };
    let files = plan.files.iter().map(|f| LakeFile::planned(f, pinned.events.objects())).collect::<datafusion::common::Result<_>>();
    let files = files.map_err(|e| wrap("cannot read the lake", e))?;
    let table = table(TableSpec { files, files_total: plan.files_total, ..events_spec(pinned) }, reading)?;
    Ok((Events::Lake(table), total))
}

/// The same of events that somebody else writes; rows are not counted before they are read.
async fn bound_events(bound: &BoundEvents, lowered: &Lowered, counters: &Arc<Counters>, again: bool) -> Result<(Events, backend::Reading)> {
    let windows: Vec<Interval> = lowered.reads.iter().map(|read| read.window).collect();
    let (bound, files) = bound_table::opened(bound, &windows, again).await?;
    let table = BoundTable::new(&bound, files, counters.clone()).map_err(|e| wrap("cannot make a table of the bound events", e))?;
    let total = table.total();
    Ok((Events::Bound(Arc::new(table)), total))
}

fn table(spec: TableSpec, reading: Arc<Reading>) -> Result<Arc<LakeTable>> {
    let table =
        LakeTable::new(spec, reading, ObjectStoreUrl::local_filesystem()).map_err(|e| wrap("cannot make a table of the lake", e))?;
    Ok(Arc::new(table))
}

/// Events without their files.
fn events_spec(pinned: &Pinned) -> TableSpec {
    TableSpec {
        schema: pinned.events.schema().clone(),
        files: Vec::new(),
        files_total: 0,
        sorted_by: &["event", "user_no", "ts"],
        disjoint: false,
        prune_by: &["event", "ts"],
    }
}

fn profiles_spec(pinned: &Pinned) -> Result<TableSpec> {
    let number =
        |n: u64| i64::try_from(n).map_err(|e| BackendError::new(ErrorKind::SchemaDrift, "a user's number is too large").caused_by(e));
    let mut files = Vec::new();
    for file in &pinned.profiles.files {
        let lake = LakeFile::local(file.path.clone(), file.size_bytes, file.rows).map_err(|e| wrap("cannot read the profiles", e))?;
        files.push(lake.with_bounds(number(file.user_no_min)?, number(file.user_no_max)?));
    }
    let files_total = files.len() as u64;
    Ok(TableSpec { schema: pinned.profiles.schema.clone(), files, files_total, sorted_by: &["user_no"], disjoint: true, prune_by: &[] })
}

fn list_spec(list: &ListInfo) -> Result<TableSpec> {
    let mut files = Vec::new();
    for path in &list.files {
        // A list has a file or none.
        files.push(LakeFile::local(path.clone(), list.size_bytes, list.rows).map_err(|e| wrap("cannot read a list", e))?);
    }
    let schema = Arc::new(Schema::new(vec![Field::new("user_id", DataType::Utf8, false)]));
    let files_total = files.len() as u64;
    Ok(TableSpec { schema, files, files_total, sorted_by: &["user_id"], disjoint: false, prune_by: &[] })
}

//! Conditions that are looked at or evaluated: unsaved ones of a body, saved ones by their key.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures::StreamExt;
use query_backends::{Query, Router, RunOptions};
use segment_core::compile::{self, Checked};
use segment_core::diagnostics::Diagnostic;
use segment_core::time::format_instant;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Pinned, Workspace};
use utoipa::{IntoParams, ToSchema};

use crate::explained::Explained;
use crate::routing::{self, Choice};
use crate::serve::Serving;
use crate::serve::rest::body::JsonBody;
use crate::serve::rest::caller::{Caller, Read, Run};
use crate::serve::rest::json;
use crate::serve::rest::page::{At, Params};
use crate::serve::rest::problem::{Answer, Fault, Problem, faults};
use crate::{context, segments};

/// A condition to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unsaved {
    /// The condition.
    #[schema(value_type = Object)]
    condition: Box<RawValue>,
    /// The instant of evaluation: RFC 3339, or a local time or date in the workspace's zone; now if left out.
    as_of: Option<String>,
}

/// A condition to be written as SQL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnsavedSql {
    /// The condition.
    #[schema(value_type = Object)]
    condition: Box<RawValue>,
    /// The instant of evaluation; now if left out.
    as_of: Option<String>,
    /// datafusion or trino.
    dialect: String,
}

/// A condition to be evaluated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnsavedRun {
    /// The condition.
    #[schema(value_type = Object)]
    condition: Box<RawValue>,
    /// The instant of evaluation; now if left out.
    as_of: Option<String>,
    /// The backend that alone is to answer; the router picks one if left out.
    backend: Option<String>,
}

/// When a saved condition is looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct When {
    /// The instant of evaluation: RFC 3339, or a local time or date in the workspace's zone; now if left out.
    as_of: Option<String>,
}

/// How a saved condition is written as SQL.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhenSql {
    /// The instant of evaluation; now if left out.
    as_of: Option<String>,
    /// datafusion or trino.
    dialect: String,
}

/// How a saved condition is evaluated.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhenRun {
    /// The instant of evaluation; now if left out.
    as_of: Option<String>,
    /// The backend that alone is to answer; the router picks one if left out.
    backend: Option<String>,
}

/// What is wrong with a condition, and suspicious about it. Pointers lead into the condition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Validated {
    /// Everything for which it would be refused.
    diagnostics: Vec<Fault>,
    /// What is allowed but suspicious.
    warnings: Vec<Fault>,
}

/// A condition as SQL.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written {
    /// The dialect.
    dialect: String,
    /// The instant of evaluation.
    as_of: String,
    /// The statement.
    sql: String,
    /// What is suspicious about the condition.
    warnings: Vec<Fault>,
}

/// What would be read for a condition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    #[serde(flatten)]
    explained: Explained,
    /// What is suspicious about the condition.
    warnings: Vec<Fault>,
}

/// How many users meet a condition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counted {
    /// How many.
    count: u64,
    /// The instant of evaluation.
    as_of: String,
    /// The backend that answered.
    backend: &'static str,
    /// The snapshot of the lake's events; null: there is none yet.
    snapshot: Option<String>,
    /// The instant up to which all changes of profiles were seen; null: all there are.
    profiles_as_of: Option<String>,
    /// How long it took, milliseconds.
    elapsed_ms: f64,
    /// Why that backend, and why not the others.
    routing: Vec<Choice>,
    /// What is suspicious about the condition.
    warnings: Vec<Fault>,
}

/// A condition, checked against the present state.
struct Looked {
    pinned: Pinned,
    as_of: i64,
    checked: Checked,
}

impl Looked {
    /// Checks a condition, for `router` if something is to answer; one that is saved if it has no text.
    async fn at(workspace: &Workspace, text: Text<'_>, as_of: Option<&str>, router: Option<&Router>) -> Result<Self, Problem> {
        let pinned = match router {
            Some(router) => context::pin(workspace, router).await?,
            None => workspace.pin().await?,
        };
        let as_of = match as_of {
            Some(text) => context::instant("as_of", text, &pinned.catalog.timezone)?,
            None => context::now_us(),
        };
        let text = match text {
            Text::Unsaved(text) => text,
            Text::Saved(key) => pinned.segments.get(key).ok_or_else(|| segments::unknown(key))?,
        };
        let checked = compile::check(text, &pinned.catalog, &context::library(&pinned), as_of);
        Ok(Self { pinned, as_of, checked })
    }
}

/// A condition.
#[derive(Clone, Copy)]
enum Text<'a> {
    Unsaved(&'a str),
    /// By its key.
    Saved(&'a str),
}

impl Text<'_> {
    /// A problem with it: its faults are in the body, if the condition was.
    fn refused(self, problem: Problem) -> Problem {
        match self {
            Self::Unsaved(_) => problem.below("/condition"),
            Self::Saved(_) => problem,
        }
    }
}

/// Everything wrong with a condition, and everything suspicious
#[utoipa::path(post, path = "/segments/validate", tag = "conditions", request_body = Unsaved, security(("key" = ["read"])),
    responses((status = 200, body = Validated), (status = 400, description = "malformed or invalid_parameter"),
        (status = 408, description = "timeout"), (status = 413, description = "too_large"),
        (status = 415, description = "unsupported_media_type")))]
pub(super) async fn validate(caller: Caller<Read>, body: JsonBody<Unsaved>) -> Answer<Response> {
    validated(&caller.workspace, Text::Unsaved(body.value.condition.get()), body.value.as_of.as_deref()).await
}

/// The same of a saved condition, as things are now
#[utoipa::path(get, path = "/segments/{key}/validate", tag = "conditions", params(("key" = String, Path), When), security(("key" = ["read"])),
    responses((status = 200, body = Validated), (status = 400, description = "invalid_parameter"), (status = 404, description = "not_found")))]
pub(super) async fn saved_validate(caller: Caller<Read>, At(key): At<String>, Params(when): Params<When>) -> Answer<Response> {
    validated(&caller.workspace, Text::Saved(&key), when.as_of.as_deref()).await
}

async fn validated(workspace: &Workspace, text: Text<'_>, as_of: Option<&str>) -> Answer<Response> {
    let checked = Looked::at(workspace, text, as_of, None).await?.checked;
    json(StatusCode::OK, &Validated { diagnostics: faults(&checked.diagnostics), warnings: faults(&checked.warnings) })
}

/// A condition as SQL
#[utoipa::path(post, path = "/segments/sql", tag = "conditions", request_body = UnsavedSql, security(("key" = ["read"])),
    responses((status = 200, body = Written), (status = 400, description = "malformed or invalid_parameter"),
        (status = 408, description = "timeout"), (status = 413, description = "too_large"),
        (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "invalid_condition or unsupported"), (status = 502, description = "backend_failed"),
        (status = 504, description = "backend_timeout, with Retry-After")))]
pub(super) async fn sql(State(serving): State<Arc<Serving>>, caller: Caller<Read>, body: JsonBody<UnsavedSql>) -> Answer<Response> {
    let asked = &body.value;
    written(&serving, &caller.workspace, Text::Unsaved(asked.condition.get()), asked.as_of.as_deref(), &asked.dialect).await
}

/// A saved condition as SQL
#[utoipa::path(get, path = "/segments/{key}/sql", tag = "conditions", params(("key" = String, Path), WhenSql), security(("key" = ["read"])),
    responses((status = 200, body = Written), (status = 400, description = "invalid_parameter"), (status = 404, description = "not_found"),
        (status = 422, description = "invalid_condition or unsupported"), (status = 502, description = "backend_failed"),
        (status = 504, description = "backend_timeout, with Retry-After")))]
pub(super) async fn saved_sql(
    State(serving): State<Arc<Serving>>,
    caller: Caller<Read>,
    At(key): At<String>,
    Params(when): Params<WhenSql>,
) -> Answer<Response> {
    written(&serving, &caller.workspace, Text::Saved(&key), when.as_of.as_deref(), &when.dialect).await
}

async fn written(serving: &Serving, workspace: &Workspace, text: Text<'_>, as_of: Option<&str>, dialect: &str) -> Answer<Response> {
    let looked = Looked::at(workspace, text, as_of, None).await?;
    let warnings = looked.checked.warnings.clone();
    let plan = context::plan_of(looked.checked).map_err(|f| text.refused(f.into()))?;
    let as_of = format_instant(plan.as_of);
    let lowered = serving.rest.engines.naming.written(plan, looked.pinned, dialect, None, &warnings).await;
    let sql = lowered.map_err(|f| text.refused(f.into()))?.sql().to_owned();
    json(StatusCode::OK, &Written { dialect: dialect.to_owned(), as_of, sql, warnings: faults(&warnings) })
}

/// What would be read for a condition, and by whom
#[utoipa::path(post, path = "/segments/explain", tag = "conditions", request_body = UnsavedRun, security(("key" = ["run"])),
    responses((status = 200, body = Explanation), (status = 400, description = "malformed or invalid_parameter"),
        (status = 408, description = "timeout"), (status = 413, description = "too_large"),
        (status = 415, description = "unsupported_media_type"), (status = 422, description = "invalid_condition or unsupported"),
        (status = 502, description = "backend_failed"), (status = 504, description = "backend_timeout, with Retry-After")))]
pub(super) async fn explain(State(serving): State<Arc<Serving>>, caller: Caller<Run>, body: JsonBody<UnsavedRun>) -> Answer<Response> {
    let asked = &body.value;
    explained(&serving, &caller.workspace, Text::Unsaved(asked.condition.get()), asked.as_of.as_deref(), asked.backend.as_deref()).await
}

/// What would be read for a saved condition, and by whom
#[utoipa::path(get, path = "/segments/{key}/explain", tag = "conditions", params(("key" = String, Path), WhenRun), security(("key" = ["run"])),
    responses((status = 200, body = Explanation), (status = 400, description = "invalid_parameter"), (status = 404, description = "not_found"),
        (status = 422, description = "invalid_condition or unsupported"), (status = 502, description = "backend_failed"),
        (status = 504, description = "backend_timeout, with Retry-After")))]
pub(super) async fn saved_explain(
    State(serving): State<Arc<Serving>>,
    caller: Caller<Run>,
    At(key): At<String>,
    Params(when): Params<WhenRun>,
) -> Answer<Response> {
    explained(&serving, &caller.workspace, Text::Saved(&key), when.as_of.as_deref(), when.backend.as_deref()).await
}

async fn explained(
    serving: &Serving,
    workspace: &Workspace,
    text: Text<'_>,
    as_of: Option<&str>,
    backend: Option<&str>,
) -> Answer<Response> {
    let router = serving.rest.engines.router(backend)?;
    let _running = serving.rest.queries.start()?;
    let (query, as_of, warnings) = query(workspace, text, as_of, router).await?;
    let (explanation, routing) = router.explain_routed(&query).await?;
    let explained = Explained::new(&explanation, as_of, &routing);
    json(StatusCode::OK, &Explanation { explained, warnings: faults(&warnings) })
}

/// How many users meet a condition
///
/// Whoever goes away before the answer stops the work.
#[utoipa::path(post, path = "/segments/count", tag = "conditions", request_body = UnsavedRun, security(("key" = ["run"])),
    responses((status = 200, body = Counted), (status = 400, description = "malformed or invalid_parameter"),
        (status = 408, description = "timeout"), (status = 413, description = "too_large"),
        (status = 415, description = "unsupported_media_type"), (status = 422, description = "invalid_condition or unsupported"),
        (status = 502, description = "backend_failed"), (status = 504, description = "backend_timeout, with Retry-After")))]
pub(super) async fn count(State(serving): State<Arc<Serving>>, caller: Caller<Run>, body: JsonBody<UnsavedRun>) -> Answer<Response> {
    let asked = &body.value;
    counted(&serving, &caller.workspace, Text::Unsaved(asked.condition.get()), asked.as_of.as_deref(), asked.backend.as_deref()).await
}

/// How many users a saved segment has
///
/// Whoever goes away before the answer stops the work.
#[utoipa::path(get, path = "/segments/{key}/count", tag = "conditions", params(("key" = String, Path), WhenRun), security(("key" = ["run"])),
    responses((status = 200, body = Counted), (status = 400, description = "invalid_parameter"), (status = 404, description = "not_found"),
        (status = 422, description = "invalid_condition or unsupported"), (status = 502, description = "backend_failed"),
        (status = 504, description = "backend_timeout, with Retry-After")))]
pub(super) async fn saved_count(
    State(serving): State<Arc<Serving>>,
    caller: Caller<Run>,
    At(key): At<String>,
    Params(when): Params<WhenRun>,
) -> Answer<Response> {
    counted(&serving, &caller.workspace, Text::Saved(&key), when.as_of.as_deref(), when.backend.as_deref()).await
}

async fn counted(serving: &Serving, workspace: &Workspace, text: Text<'_>, as_of: Option<&str>, backend: Option<&str>) -> Answer<Response> {
    let router = serving.rest.engines.router(backend)?;
    let _running = serving.rest.queries.start()?;
    let (query, as_of, warnings) = query(workspace, text, as_of, router).await?;
    let snapshot = query.pinned.as_ref().and_then(|pinned| pinned.events.id());
    let started = Instant::now();
    // Dropped with this future when the caller goes away, which stops the work.
    let (mut run, routing) = router.run_routed(&query, RunOptions { ids: false, ..RunOptions::default() }).await?;
    let mut count = 0;
    while let Some(batch) = run.users.next().await {
        count += batch?.len() as u64;
    }
    let chosen = routing.chosen();
    json(
        StatusCode::OK,
        &Counted {
            count,
            as_of: format_instant(as_of),
            backend: chosen.map_or("", |c| c.backend),
            snapshot: snapshot.map(|id| id.to_string()),
            profiles_as_of: chosen.and_then(|c| c.profiles_as_of).map(format_instant),
            elapsed_ms: (started.elapsed().as_secs_f64() * 10_000.0).round() / 10.0,
            routing: routing::choices(&routing),
            warnings: faults(&warnings),
        },
    )
}

/// A faultless condition as a query, its instant, and what is suspicious about it.
async fn query(workspace: &Workspace, text: Text<'_>, as_of: Option<&str>, router: &Router) -> Answer<(Query, i64, Vec<Diagnostic>)> {
    let looked = Looked::at(workspace, text, as_of, Some(router)).await?;
    let warnings = looked.checked.warnings.clone();
    let plan = context::plan_of(looked.checked).map_err(|f| text.refused(f.into()))?;
    Ok((Query::new(Arc::new(plan), Arc::new(looked.pinned)), looked.as_of, warnings))
}

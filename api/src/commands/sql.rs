//! `muster sql`: a condition's SQL in a dialect.

use segment_core::compile;
use serde_json::json;

use crate::args::{Format, Sql};
use crate::context;
use crate::engines;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(args: Sql) -> Result<(), Failure> {
    let strategy = engines::strategy(args.strategy.as_deref())?;
    let place = &args.evaluated.place;
    let settings = context::settings(Some(&place.data), &place.configured, None)?;
    let asked = context::asked(&args.evaluated, None).await?;
    let dialect = engines::dialect(&args.dialect)?;
    let warnings = asked.checked.warnings.clone();
    let plan = context::plan_of(asked.checked)?;
    let tables = engines::tables(&asked.pinned, dialect.as_ref(), settings.text("trino.catalog").unwrap_or_default());
    let strategy = strategy.unwrap_or_else(|| dialect.strategy());
    let lowered = compile::lowered(&plan, dialect.as_ref(), &tables, strategy)
        .map_err(|diagnostics| Failure::Condition { diagnostics, warnings: warnings.clone() })?;
    match args.evaluated.output {
        Format::Text => output::text(&format!("{:#}", lowered.ast())),
        Format::Json => output::json(&json!({
            "dialect": dialect.name(),
            "as_of": segment_core::time::format_instant(plan.as_of),
            "sql": lowered.sql(),
            "warnings": warnings,
        })),
    }
}

//! `muster sql`: a condition's SQL in a dialect.

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
    let warnings = asked.checked.warnings.clone();
    let plan = context::plan_of(asked.checked)?;
    let as_of = plan.as_of;
    let lowered = engines::Naming::new(&settings).written(plan, asked.pinned, &args.dialect, strategy, &warnings).await?;
    match args.evaluated.output {
        Format::Text => output::text(&format!("{:#}", lowered.ast())),
        Format::Json => output::json(&json!({
            "dialect": args.dialect,
            "as_of": segment_core::time::format_instant(as_of),
            "sql": lowered.sql(),
            "warnings": warnings,
        })),
    }
}

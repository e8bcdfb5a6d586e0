//! `muster sql`: a condition's SQL in a dialect.

use segment_core::{compile, dialect};
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
    let Some(dialect) = dialect::named(&args.dialect) else {
        return Err(Failure::Usage(format!("there is no dialect \"{}\": {}", args.dialect, dialect::NAMES.join(", "))));
    };
    let warnings = asked.checked.warnings.clone();
    let plan = context::plan_of(asked.checked)?;
    let (name, as_of) = (dialect.name(), plan.as_of);
    let strategy = strategy.unwrap_or_else(|| dialect.strategy());
    let lowered = if asked.pinned.bound.is_some() && name == "trino" {
        drop(dialect);
        engines::over_bound(plan, asked.pinned, strategy, &settings).await?
    } else {
        let tables = engines::tables(&asked.pinned, dialect.as_ref(), settings.text("trino.catalog").unwrap_or_default());
        compile::lowered(&plan, dialect.as_ref(), &tables, strategy)
            .map_err(|diagnostics| Failure::Condition { diagnostics, warnings: warnings.clone() })?
    };
    match args.evaluated.output {
        Format::Text => output::text(&format!("{:#}", lowered.ast())),
        Format::Json => output::json(&json!({
            "dialect": name,
            "as_of": segment_core::time::format_instant(as_of),
            "sql": lowered.sql(),
            "warnings": warnings,
        })),
    }
}

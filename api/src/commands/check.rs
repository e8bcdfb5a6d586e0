//! `muster check`: every fault and every warning, as JSON. Exits 1 when there are faults.

use serde_json::json;

use crate::args::Evaluated;
use crate::context;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(args: Evaluated) -> Result<(), Failure> {
    let asked = context::asked(&args, None).await?;
    let checked = asked.checked;
    output::json(&json!({ "diagnostics": checked.diagnostics, "warnings": checked.warnings }))?;
    if checked.diagnostics.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

//! `muster explain`: what would be read, the plan, the SQL, and each window as two instants.

use std::sync::Arc;

use query_backends::{Explanation, Query, Reading, Routing};
use segment_core::time::format_instant;
use serde_json::json;

use crate::args::{Explain, Format};
use crate::explained::Explained;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{context, engines, routing};

pub(super) async fn run(args: Explain) -> Result<(), Failure> {
    let Explain { evaluated: args, engine } = args;
    let settings = context::settings(Some(&args.place.data), &args.place.configured, Some(&engine))?;
    let router = engines::router(&engine, &settings)?;
    let strategy = engines::strategy(engine.strategy.as_deref())?;
    let asked = context::asked(&args, Some(&router)).await?;
    let as_of = asked.as_of;
    let warnings = asked.checked.warnings.clone();
    let plan = context::plan_of(asked.checked)?;
    let query = Query { plan: Arc::new(plan), pinned: Some(Arc::new(asked.pinned)), strategy };
    let (explained, routing) = router.explain_routed(&query).await?;
    let backend = routing.chosen().map_or("", |c| c.backend);
    match args.output {
        Format::Json => {
            let mut shown = json!(Explained::new(&explained, as_of, &routing));
            shown["warnings"] = json!(warnings);
            output::json(&shown)
        }
        Format::Text => output::text(&text(&explained, as_of, backend, &routing)),
    }
}

fn instant(at: Option<i64>) -> String {
    at.map_or_else(|| "the beginning".to_owned(), format_instant)
}

fn text(explained: &Explanation, as_of: i64, backend: &str, routing: &Routing) -> String {
    let mut out = format!("at {}, by {backend}, over {} users\n", format_instant(as_of), output::thousands(explained.users));
    if let Some(at) = explained.profiles_as_of {
        out.push_str(&format!("profiles have all changes up to {}\n", format_instant(at)));
    }
    out.push_str(&format!("\n{}", routing::table(routing)));
    if !explained.windows.is_empty() {
        let mut table = Table::new(&["window", "from", "until"]);
        for w in &explained.windows {
            let via = if w.segments.is_empty() { String::new() } else { format!(" (segment {})", w.segments.join(" → ")) };
            let at = if w.pointer.is_empty() { "/" } else { &w.pointer };
            table.row(vec![format!("{at}{via}"), instant(w.interval.start), format_instant(w.interval.end)]);
        }
        out.push_str(&format!("\n{}", table.render()));
    }
    let mut table = Table::new(&["reads", ">files", ">skipped", ">row groups", ">skipped", ">rows", ">bytes"]);
    let mut line = |what: &str, r: &Reading, files_skipped: u64, groups_skipped: u64| {
        table.row(vec![
            what.to_owned(),
            r.files.to_string(),
            files_skipped.to_string(),
            r.row_groups.to_string(),
            groups_skipped.to_string(),
            output::thousands(r.rows),
            output::bytes(r.bytes),
        ]);
    };
    for scan in &explained.scans {
        line(&scan.what, &scan.read, scan.files_skipped, scan.row_groups_skipped);
    }
    line("profiles", &explained.profiles, 0, 0);
    line("(all events there are)", &explained.events, 0, 0);
    out.push_str(&format!("\n{}", table.render()));
    if let Some(sql) = &explained.sql {
        out.push_str(&format!("\nSQL\n\n{sql}\n"));
    }
    out.push_str(&format!("\nPlan\n\n{}\n", explained.plan.trim_end()));
    out
}

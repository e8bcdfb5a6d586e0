//! Runs a segment in every shape, in turns, and compares the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_benches::{Result, ids};
use query_backends::{Backend, Query, RunOptions, TrinoBackend, event_reads};
use segment_core::compile;
use segment_core::lower::Strategy;
use segment_core::plan::{Interval, Plan};
use store::{EventRead, Pinned};

use crate::client::{Client, Cost};
use crate::data::DataSet;
use crate::shapes::{self, Asked, Shape};

/// What runs segments.
pub struct Bench {
    pub client: Client,
    pub backend: TrinoBackend,
    /// The lake's catalog in Trino.
    pub catalog: String,
    /// Timed runs, after one to warm up.
    pub runs: usize,
}

/// A segment's figures.
pub struct Row {
    pub segment: String,
    pub members: usize,
    /// Files of events that the outermost window of the tree holds, of all there are; `None` without event leaves.
    pub files: Option<(u64, u64)>,
    /// The costs of the timed runs of each shape.
    pub shapes: Vec<(Shape, Vec<Cost>)>,
    /// The same through the backend: pinned state to ids as columns.
    pub backend: Vec<Duration>,
}

impl Bench {
    /// Every shape of a segment. Each round runs them all, so that what happens to the machine happens to all of them.
    pub async fn segment(&self, set: &DataSet, name: &str, condition: &str) -> Result<Row> {
        let checked = compile::check(condition, &set.pinned.catalog, &set.library, set.as_of);
        let plan = checked.plan.ok_or_else(|| format!("{name} does not resolve: {:?}", checked.diagnostics))?;
        let asked = Asked { plan: Arc::new(plan), pinned: set.pinned.clone() };
        let mut statements = Vec::new();
        for shape in Shape::of(&set.pinned) {
            statements.push((shape, shape.sql(&asked, &self.backend, &self.catalog).await?));
        }
        let plan = asked.plan;
        let reads = event_reads(&shapes::lowered(&plan, Strategy::Arms)?);
        let mut row = Row {
            segment: name.to_owned(),
            members: 0,
            files: outermost(&set.pinned, &reads).await?,
            shapes: statements.iter().map(|(shape, _)| (*shape, Vec::new())).collect(),
            backend: Vec::new(),
        };
        for turn in 0..=self.runs {
            let (ids, wall) = self.by_backend(plan.clone(), &set.pinned).await?;
            let hash = ids::hash(ids.iter().map(String::as_str).collect());
            row.members = ids.len();
            if turn > 0 {
                row.backend.push(wall);
            }
            for ((shape, sql), (_, costs)) in statements.iter().zip(&mut row.shapes) {
                let answer = self.client.run(sql).await?;
                let found = ids::hash(answer.ids.iter().map(String::as_str).collect());
                if found != hash {
                    let (shape, members) = (shape.name(), answer.ids.len());
                    return Err(
                        format!("{name}: {shape} has {members} members, {found}; the backend has {}, {hash}\n{sql}", row.members).into()
                    );
                }
                if turn > 0 {
                    costs.push(answer.cost);
                }
            }
        }
        Ok(row)
    }

    async fn by_backend(&self, plan: Arc<Plan>, pinned: &Arc<Pinned>) -> Result<(Vec<String>, Duration)> {
        let started = Instant::now();
        let mut run = self.backend.run(&Query::new(plan, pinned.clone()), RunOptions::default()).await?;
        let ids = run.sorted_ids().await?;
        Ok((ids, started.elapsed()))
    }
}

/// The files of the window around all windows, and all files.
async fn outermost(pinned: &Pinned, reads: &[EventRead]) -> Result<Option<(u64, u64)>> {
    let Some(end) = reads.iter().map(|r| r.end).max() else { return Ok(None) };
    let start = reads.iter().map(|r| r.start).min().flatten();
    if let Some(bound) = &pinned.bound {
        let held = bound.files().iter().filter(|file| file.may_hold(Interval { start, end })).count();
        return Ok(Some((held as u64, bound.files().len() as u64)));
    }
    let plan = pinned.events.plan(&[EventRead { names: None, prefix: None, start, end }]).await?;
    Ok(Some((plan.files.len() as u64, plan.files_total)))
}

//! The smallest backend there is, as docs/backends.md shows it, and the conformance suite over it.

use std::sync::Arc;

use async_trait::async_trait;
use query_backends::conformance::{Fixture, Loaded, World, conformance};

// example: begin
use arrow::array::{Int64Array, StringArray};
use query_backends::{Backend, Capabilities, Explanation, Query, Reading, Result, Run, RunMetrics, RunOptions, Users, task};
use segment_core::eval::{self, Lists, User};

/// Users held in memory: no SQL and no pinned state.
struct Smallest(Arc<(Vec<User>, Lists)>);

#[async_trait]
impl Backend for Smallest {
    fn name(&self) -> &'static str {
        "smallest"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { dialect: None, strategies: &[], sorted: false, events_max: None, events: true, bound: false }
    }

    async fn explain(&self, query: &Query) -> Result<Explanation> {
        let users = self.0.0.len() as u64;
        Ok(Explanation {
            sql: None,
            plan: "looks at each user".to_owned(),
            windows: query.plan.windows.clone(),
            scans: Vec::new(),
            events: Reading::default(),
            profiles: Reading { rows: users, ..Reading::default() },
            users,
            profiles_as_of: None,
        })
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        let (rows, plan, ids, progress) = (self.0.clone(), query.plan.clone(), options.ids, options.progress.clone());
        Ok(task::start(options, |sink| async move {
            let (users, lists) = &*rows;
            progress.add_total(users.len() as u64, 0);
            for (number, user) in (0..).zip(users) {
                if eval::is_member(&plan, user, lists) {
                    let ids = ids.then(|| StringArray::from(vec![user.user_id.as_str()]));
                    sink.send(Users { numbers: Int64Array::from(vec![number]), ids }).await?;
                }
                progress.add_read(1, 0);
            }
            Ok(RunMetrics { rows_read: users.len() as u64, ..RunMetrics::default() })
        }))
    }
}

struct Rows;

#[async_trait]
impl Fixture for Rows {
    async fn load(&mut self, world: &World) -> std::result::Result<Loaded, String> {
        let backend = Smallest(Arc::new((world.users.clone(), world.lists.clone())));
        Ok(Loaded { backend: Arc::new(backend), pinned: None, world: world.clone() })
    }
}

#[tokio::test]
async fn passes_the_conformance_suite() {
    let report = conformance(&mut Rows).await;
    assert!(report.passed(), "{}", report.failures.join("\n"));
}
// example: end

#[test]
fn the_page_shows_this_very_code() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/backends.md")).unwrap();
    let (_, code) = include_str!("smallest.rs").split_once("// example: begin\n").unwrap();
    let (code, _) = code.split_once("// example: end").unwrap();
    assert!(page.contains(&format!("```rust\n{code}```\n")), "docs/backends.md does not show the code of smallest.rs:\n```rust\n{code}```");
}

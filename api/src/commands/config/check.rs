//! `muster config check`: tries everything that is configured, all at once, and says what is wrong and what to do.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use serde_json::json;
use store::probe::{self, Fault};

use crate::args::{Configuration, Format};
use crate::config::Settings;
use crate::context;
use crate::failure::Failure;
use crate::output::{self, Table};

/// How long one check may take.
pub(super) const CHECK_MAX: Duration = Duration::from_secs(30);

/// What a check found: what is there, or what is wrong.
pub(super) type Found = Result<String, Fault>;

/// A check to be made.
pub(super) struct Check {
    name: &'static str,
    /// `None`: it is not configured, for the reason in `off`.
    work: Option<BoxFuture<'static, Found>>,
    off: &'static str,
}

/// A check that was made; `None` where nothing is configured.
struct Checked {
    name: &'static str,
    found: Option<Found>,
    off: &'static str,
    elapsed: Duration,
}

impl Checked {
    fn status(&self) -> &'static str {
        match self.found {
            Some(Ok(_)) => "ok",
            Some(Err(_)) => "failed",
            None => "off",
        }
    }

    fn what(&self) -> &str {
        match &self.found {
            Some(Ok(what)) => what,
            Some(Err(fault)) => &fault.what,
            None => self.off,
        }
    }

    fn todo(&self) -> Option<&str> {
        self.found.as_ref().and_then(|f| f.as_ref().err()).map(|fault| fault.todo.as_str())
    }
}

pub(super) async fn run(args: &Configuration) -> Result<(), Failure> {
    let settings = context::settings(args.data.as_deref(), &args.configured, None)?;
    let checked = join_all(checks(args.data.as_deref(), &settings).into_iter().map(make)).await;
    let failed = checked.iter().filter(|c| matches!(c.found, Some(Err(_)))).count();
    match args.printed.output {
        Format::Json => output::json(&json!({
            "file": settings.file(),
            "ok": failed == 0,
            "checks": checked.iter().map(|c| json!({
                "check": c.name, "status": c.status(), "what": c.what(), "todo": c.todo(),
                "elapsed_ms": (c.elapsed.as_secs_f64() * 1e3).round(),
            })).collect::<Vec<_>>(),
        }))?,
        Format::Text => output::text(&text(&settings, &checked))?,
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Unreachable(failed)) }
}

fn text(settings: &Settings, checked: &[Checked]) -> String {
    let mut table = Table::new(&["check", "is", ">ms", "found"]);
    for c in checked {
        table.row(vec![c.name.to_owned(), c.status().to_owned(), c.elapsed.as_millis().to_string(), c.what().to_owned()]);
    }
    let mut out = settings.file().map_or_else(|| "no configuration file".to_owned(), |f| f.display().to_string());
    out.push_str(&format!("\n\n{}", table.render()));
    let todos: Vec<String> = checked.iter().filter_map(|c| Some(format!("{}: {}\n", c.name, c.todo()?))).collect();
    if !todos.is_empty() {
        out.push_str(&format!("\nWhat to do\n\n{}", todos.concat()));
    }
    out
}

/// Everything there is to check; what two services have to agree about comes last.
fn checks(data: Option<&Path>, settings: &Settings) -> Vec<Check> {
    let (lake, cassandra) = (settings.store.lake.clone(), settings.store.cassandra.clone());
    let no_lake = "the lake is in the data directory: postgres.url and s3.bucket are not both set";
    let (directory, store) = (data.map(Path::to_owned), settings.store.clone());
    let mut checks = vec![
        check("data", "no --data", directory.map(|dir| async move { probe::directory(&dir, store).await })),
        check("postgres", no_lake, lake.clone().map(|lake| async move { probe::catalog(&lake).await })),
        check("s3", no_lake, lake.clone().map(|lake| async move { probe::warehouse(&lake).await })),
    ];
    #[cfg(feature = "cassandra")]
    let cassandra = cassandra.map(|cassandra| async move { probe::cassandra(&cassandra).await });
    #[cfg(not(feature = "cassandra"))]
    let cassandra = cassandra.map(|_| missing("Cassandra"));
    checks.push(check("cassandra", "cassandra.contact_points is not set", cassandra));
    #[cfg(feature = "trino")]
    checks.extend(super::trino::checks(settings));
    #[cfg(not(feature = "trino"))]
    checks.push(check("trino", "trino.url is not set", settings.text("trino.url").map(|_| missing("Trino"))));
    checks
}

/// What is configured for a build that cannot use it.
#[cfg(not(all(feature = "trino", feature = "cassandra")))]
async fn missing(engine: &str) -> Found {
    Err(Fault::new(format!("this build has no {engine}"), "take a build with every feature"))
}

pub(super) fn check(name: &'static str, off: &'static str, work: Option<impl Future<Output = Found> + Send + 'static>) -> Check {
    Check { name, off, work: work.map(|w| Box::pin(w) as BoxFuture<'static, Found>) }
}

/// Makes a check, within its time.
async fn make(check: Check) -> Checked {
    let started = Instant::now();
    let found = match check.work {
        Some(work) => Some(match tokio::time::timeout(CHECK_MAX, tokio::spawn(work)).await {
            Ok(Ok(found)) => found,
            Ok(Err(e)) => Err(Fault::new(format!("the check broke: {e}"), "report it")),
            Err(_) => Err(silent()),
        }),
        None => None,
    };
    Checked { name: check.name, found, off: check.off, elapsed: started.elapsed() }
}

/// What does not answer in time.
pub(super) fn silent() -> Fault {
    let todo = "see whether the address is right, and whether something between drops connections";
    Fault::new(format!("no answer within {} s", CHECK_MAX.as_secs()), todo)
}

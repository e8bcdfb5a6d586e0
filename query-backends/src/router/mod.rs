//! Picks, for each query, the backend that answers it.
//!
//! In: backends with what each costs ([`Rate`]), and a query. Out: the run of one of them, and a [`Routing`] that says which, why, and
//! why not the others. The choice: of those that can run the plan exactly, first the fresher, then the cheaper ([`rank`]). What a backend
//! cannot run it says itself, by its [`Capabilities`] or as `Unsupported` or `Rejected`.
//!
//! # Fallback
//!
//! Every backend is asked the very same query: one plan, one `as_of`, one pinned state. If one is down (`Unavailable`, `Timeout`,
//! `Overloaded`) before its first member came, the next is asked, and it rests: for a while it is asked last. Once a member has
//! been handed on, a failure is the run's error: never are two backends' members mixed, and a part is never taken for the whole.
//! Backends may differ in how fresh the profiles are that they read ([`ProfilesRead`]): each choice says it, and the pinned state bounds it.
//!
//! A router is a backend itself, which passes the conformance suite as each of its backends does: whoever runs queries
//! need not know of it. Deliberately absent: trying again with the same backend (its own affair), and hedging.

mod estimate;
mod handed;
mod rank;
mod rest;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;

pub use rank::{ProfilesRead, Rate};

use crate::backend::{Backend, Capabilities, Explanation, Query, Run, RunOptions};
use crate::conformance::chain;
use crate::error::{BackendError, ErrorKind, Result};
use estimate::Estimate;
use rank::Facts;
use rest::Resting;

/// How a router chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    /// Profiles that are behind by this at most count as fresh.
    pub fresh_within: Duration,
    /// How long a backend that was down is asked last.
    pub rest: Duration,
    /// How long a backend may take to explain a query that another one is chosen for.
    pub explain_timeout: Duration,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self { fresh_within: Duration::from_secs(60), rest: Duration::from_secs(10), explain_timeout: Duration::from_secs(5) }
    }
}

/// Why a query went to a backend, and not to the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// Every backend, in the order in which they were or would be asked; then those that cannot.
    pub choices: Vec<Choice>,
}

impl Routing {
    /// The backend that answers; `None` if none could.
    pub fn chosen(&self) -> Option<&Choice> {
        self.choices.iter().find(|c| c.verdict == Verdict::Chosen)
    }
}

/// What became of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub backend: &'static str,
    /// Whether it answers.
    pub verdict: Verdict,
    /// Why, for people.
    pub why: String,
    /// The estimated cost; `None` where none was made, as there was nothing to compare.
    pub cost: Option<Duration>,
    /// The instant up to which it sees all changes of profiles, microseconds; `None`: all there are, or those of the pinned state.
    pub profiles_as_of: Option<i64>,
}

/// What became of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answers.
    Chosen,
    /// It could, and would be asked if those before it were down.
    Spare,
    /// It was asked and was down.
    Down,
    /// It cannot run this query exactly.
    Unable,
    /// It is not configured, or not in this build.
    Absent,
}

impl Verdict {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Spare => "spare",
            Self::Down => "down",
            Self::Unable => "unable",
            Self::Absent => "absent",
        }
    }
}

/// Chooses among backends. Cheap to clone.
#[derive(Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

struct Shared {
    members: Vec<(Arc<dyn Backend>, Rate)>,
    absent: Vec<(&'static str, String)>,
    config: RouterConfig,
    resting: Resting,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.shared.members.iter().map(|(b, _)| b.name()).collect();
        f.debug_struct("Router").field("members", &names).finish_non_exhaustive()
    }
}

/// A query's backends in the order in which they are asked, and those that cannot run it.
struct Order<'a> {
    asked: Vec<Asked<'a>>,
    others: Vec<Choice>,
}

struct Asked<'a> {
    backend: &'a Arc<dyn Backend>,
    choice: Choice,
}

impl Asked<'_> {
    /// It answers, after those before it did not.
    fn choose(&mut self, before: Vec<&str>) {
        self.choice.verdict = Verdict::Chosen;
        if !before.is_empty() {
            let behind = rank::behind(self.choice.profiles_as_of);
            let profiles =
                if behind.is_zero() { String::new() } else { format!(", with profiles that are {} behind", rank::shown(behind)) };
            self.choice.why = format!("it stands in for {}{profiles}", before.join(" and "));
        }
    }
}

impl Order<'_> {
    /// Who is asked before the one at a place.
    fn before(&self, at: usize) -> Vec<&'static str> {
        self.asked.iter().take(at).map(|a| a.backend.name()).collect()
    }

    fn routing(self) -> Routing {
        Routing { choices: self.asked.into_iter().map(|a| a.choice).chain(self.others).collect() }
    }
}

impl Router {
    /// A router over these backends; where all else is equal the earlier is taken. `absent` names those that are not there, and why.
    pub fn new(members: Vec<(Arc<dyn Backend>, Rate)>, absent: Vec<(&'static str, String)>, config: RouterConfig) -> Self {
        let resting = Resting::new(config.rest);
        Self { shared: Arc::new(Shared { members, absent, config, resting }) }
    }

    /// Whether a backend of it reads the tables of a shared lake, for which a state is best pinned by [`store::Workspace::pin_shared`].
    pub fn reads_shared(&self) -> bool {
        self.shared.members.iter().any(|(_, rate)| rate.profiles == ProfilesRead::Shared)
    }

    /// Runs a query until its first member has come, and says who answers it.
    ///
    /// # Errors
    ///
    /// As [`Backend::run`]. If none could run it the error names each with its reason; it is retryable if one that was down could.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping the future or the run stops the work.
    pub async fn run_routed(&self, query: &Query, options: RunOptions) -> Result<(Run, Routing)> {
        let mut order = self.order(query).await;
        let mut errors = Vec::new();
        for at in 0..order.asked.len() {
            let before = order.before(at);
            let Some(asked) = order.asked.get_mut(at) else { break };
            match handed::first(asked.backend, query, &options).await {
                Ok(started) => {
                    self.shared.resting.recovered(asked.backend.name());
                    asked.choose(before);
                    let resting = self.clone();
                    let name = asked.backend.name();
                    let run = handed::on(started, options, move |e| resting.note(name, e));
                    return Ok((run, order.routing()));
                }
                Err(error) => self.failed(asked, error, &mut errors)?,
            }
        }
        Err(self.none(errors, order))
    }

    /// Explains a query by the backend that would answer it, and asks the others whether they could.
    ///
    /// # Errors
    ///
    /// As [`Backend::explain`], and as [`run_routed`](Self::run_routed) if none could.
    pub async fn explain_routed(&self, query: &Query) -> Result<(Explanation, Routing)> {
        self.explained(query, true).await
    }

    async fn explained(&self, query: &Query, ask_spares: bool) -> Result<(Explanation, Routing)> {
        let mut order = self.order(query).await;
        let mut errors = Vec::new();
        for at in 0..order.asked.len() {
            let before = order.before(at);
            let Some(asked) = order.asked.get_mut(at) else { break };
            match asked.backend.explain(query).await {
                Ok(explanation) => {
                    self.shared.resting.recovered(asked.backend.name());
                    asked.choose(before);
                    if ask_spares {
                        self.ask_spares(&mut order, query).await;
                    }
                    return Ok((explanation, order.routing()));
                }
                Err(error) => self.failed(asked, error, &mut errors)?,
            }
        }
        Err(self.none(errors, order))
    }

    /// Takes note of a backend that did not start, or gives its error up where another must not hide it.
    fn failed(&self, asked: &mut Asked<'_>, error: BackendError, errors: &mut Vec<BackendError>) -> Result<()> {
        let name = asked.backend.name();
        match error.kind {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Overloaded => {
                self.note(name, &error);
                asked.choice.verdict = Verdict::Down;
            }
            ErrorKind::Unsupported | ErrorKind::Rejected => asked.choice.verdict = Verdict::Unable,
            ErrorKind::SchemaDrift | ErrorKind::PermissionDenied | ErrorKind::Cancelled | ErrorKind::Internal => return Err(error),
        }
        asked.choice.why = chain(&error);
        errors.push(error);
        Ok(())
    }

    /// Lets a backend rest that was down.
    fn note(&self, name: &'static str, error: &BackendError) {
        if error.kind.is_retryable() {
            self.shared.resting.down(name, error);
        }
    }

    /// Asks those that were not needed whether they could run the query.
    async fn ask_spares(&self, order: &mut Order<'_>, query: &Query) {
        let timeout = self.shared.config.explain_timeout;
        let spares = order.asked.iter_mut().filter(|a| a.choice.verdict == Verdict::Spare);
        join_all(spares.map(|asked| async move {
            match tokio::time::timeout(timeout, asked.backend.explain(query)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    let down = error.kind.is_retryable();
                    asked.choice.verdict = if down { Verdict::Down } else { Verdict::Unable };
                    asked.choice.why = chain(&error);
                }
                Err(_) => {
                    asked.choice.verdict = Verdict::Down;
                    asked.choice.why = format!("it did not explain the query within {} s", timeout.as_secs());
                }
            }
        }))
        .await;
    }

    /// The error when nobody ran the query.
    fn none(&self, mut errors: Vec<BackendError>, order: Order<'_>) -> BackendError {
        let routing = order.routing();
        if let (1, [_]) = (errors.len(), routing.choices.as_slice())
            && let Some(error) = errors.pop()
        {
            return error;
        }
        let kinds: Vec<ErrorKind> = errors.iter().map(|e| e.kind).collect();
        let kind = kinds.iter().copied().find(|k| k.is_retryable()).or_else(|| kinds.last().copied()).unwrap_or(ErrorKind::Unsupported);
        let each: Vec<String> = routing.choices.iter().map(|c| format!("{}: {}", c.backend, c.why)).collect();
        let retry_after = errors.iter().filter(|e| e.kind.is_retryable()).filter_map(|e| e.retry_after).min();
        BackendError { retry_after, ..BackendError::new(kind, format!("no backend can run it; {}", each.join("; "))) }
    }

    /// Who is asked, in which order, and who cannot be.
    async fn order(&self, query: &Query) -> Order<'_> {
        let shared = &self.shared;
        let absent = shared.absent.iter().map(|(backend, why)| choice(backend, Verdict::Absent, why.clone()));
        let mut others: Vec<Choice> = Vec::new();
        let mut able = Vec::new();
        let mut estimate = None;
        for (backend, rate) in &shared.members {
            let (can, bound) = (backend.capabilities(), query.pinned.as_ref().is_some_and(|p| p.bound.is_some()));
            let unable = if query.plan.reads_events() && !can.events {
                Some("it takes no conditions about events")
            } else if bound && !can.bound {
                Some("it does not read events where somebody else writes them")
            } else {
                None
            };
            match unable {
                Some(why) => others.push(choice(backend.name(), Verdict::Unable, why.to_owned())),
                None => able.push((backend, rate)),
            }
        }
        if able.len() > 1 {
            estimate = Estimate::of(query).await;
        }
        let facts = able.iter().enumerate().map(|(place, (backend, rate))| Facts {
            place,
            resting: shared.resting.of(backend.name()),
            behind: rank::behind(rate.profiles.as_of(query)),
            cost: estimate.as_ref().map(|e| rate.cost(e)),
            alone: able.len() == 1,
        });
        let ranked = rank::rank(facts.collect(), shared.config.fresh_within);
        let asked = ranked.into_iter().filter_map(|(facts, why)| {
            let (backend, rate) = able.get(facts.place)?;
            let profiles_as_of = rate.profiles.as_of(query);
            let choice = Choice { cost: facts.cost, profiles_as_of, ..choice(backend.name(), Verdict::Spare, why) };
            Some(Asked { backend, choice })
        });
        let asked = asked.collect();
        others.extend(absent);
        Order { asked, others }
    }
}

fn choice(backend: &'static str, verdict: Verdict, why: String) -> Choice {
    Choice { backend, verdict, why, cost: None, profiles_as_of: None }
}

#[async_trait]
impl Backend for Router {
    fn name(&self) -> &'static str {
        "router"
    }

    /// What all of its backends promise together; a dialect only if it is everyone's.
    fn capabilities(&self) -> Capabilities {
        let all: Vec<Capabilities> = self.shared.members.iter().map(|(b, _)| b.capabilities()).collect();
        let first = all.first();
        let dialect = first.and_then(|c| c.dialect).filter(|d| all.iter().all(|c| c.dialect == Some(d)));
        let strategies = first.map_or(&[][..], |c| c.strategies);
        let of_events = || all.iter().filter(|c| c.events);
        Capabilities {
            dialect,
            strategies: if dialect.is_some() && all.iter().all(|c| c.strategies == strategies) { strategies } else { &[] },
            sorted: all.iter().all(|c| c.sorted),
            events_max: if of_events().any(|c| c.events_max.is_none()) { None } else { of_events().filter_map(|c| c.events_max).max() },
            events: of_events().next().is_some(),
            bound: all.iter().any(|c| c.bound),
        }
    }

    /// The explanation of the backend that would answer; its SQL only if there is a dialect that is everyone's.
    async fn explain(&self, query: &Query) -> Result<Explanation> {
        let (explanation, _) = self.explained(query, false).await?;
        let sql = explanation.sql.filter(|_| self.capabilities().dialect.is_some());
        Ok(Explanation { sql, ..explanation })
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        Ok(self.run_routed(query, options).await?.0)
    }
}

#[cfg(test)]
mod tests;

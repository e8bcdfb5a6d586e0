//! Ctrl-C, for the whole process: one listener, from its start to its end.
//!
//! What can stop by itself holds a guard while it runs: the first Ctrl-C asks it to, and it ends with [`Failure::Cancelled`]. Where nothing
//! does, as while results are printed or standard input is awaited, and at the second one, the process ends at once. Either way with code 130.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

static STATE: Mutex<State> = Mutex::new(State { next: 0, stops: BTreeMap::new(), asked: false });

struct State {
    next: u64,
    stops: BTreeMap<u64, Box<dyn Fn() + Send>>,
    asked: bool,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to listen, on a thread of its own that no work holds up.
pub(crate) fn listen() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    let wait = move || {
        runtime.block_on(async {
            while interrupts.recv().await.is_some() {
                if !ask() {
                    std::process::exit(i32::from(Failure::Cancelled.exit_code()));
                }
            }
        });
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(wait).map(drop)
}

/// Asks everything to stop; false where nothing is there to ask, or was asked already.
fn ask() -> bool {
    let mut state = state();
    let first = !std::mem::replace(&mut state.asked, true);
    state.stops.values().for_each(|stop| stop());
    first && !state.stops.is_empty()
}

/// Work that stops when it is asked to, while this lives.
pub(crate) struct Guard(u64);

/// Says how work is asked to stop. `stop` is called on another thread and must not wait.
pub(crate) fn guard(stop: impl Fn() + Send + 'static) -> Guard {
    let mut state = state();
    let id = state.next;
    state.next += 1;
    state.stops.insert(id, Box::new(stop));
    Guard(id)
}

impl Guard {
    /// The work is over.
    ///
    /// # Errors
    ///
    /// `Cancelled` if it was asked to stop, even if it came to its end before it could.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if state().asked { Err(Failure::Cancelled) } else { Ok(()) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        state().stops.remove(&self.0);
    }
}

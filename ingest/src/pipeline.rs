//! Reading, parsing on several threads, and taking the results in order.
//!
//! One thread reads chunks, several parse them, and the caller's takes what they made in the order of the input. Channels are
//! short, so that memory stays within a few chunks for each thread. The first error ends all of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::error::{ImportError, Result};
use crate::limits::THREADS_MAX;

/// Chunks waiting, for each thread.
const WAITING: usize = 2;

/// How many threads to use.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

/// Runs a source through: `read` gives chunks until `None`, `parse` works on any thread, `take` gets results in order and says
/// whether to go on.
pub(crate) fn run<C: Send, P: Send>(
    mut read: impl FnMut() -> Result<Option<C>> + Send,
    parse: impl Fn(C) -> Result<P> + Sync,
    mut take: impl FnMut(P) -> Result<bool>,
    cancelled: &AtomicBool,
) -> Result<()> {
    let threads = threads();
    let (chunks, waiting) = sync_channel::<(u64, Result<C>)>(threads * WAITING);
    let (results, parsed) = sync_channel::<(u64, Result<P>)>(threads * WAITING);
    let waiting = Mutex::new(waiting);
    let stopped = AtomicBool::new(false);
    let (waiting, parse, stopped) = (&waiting, &parse, &stopped);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for index in 0.. {
                let (chunk, last) = match read() {
                    Ok(Some(chunk)) => (Ok(chunk), false),
                    Ok(None) => break,
                    Err(e) => (Err(e), true),
                };
                if stopped.load(Ordering::Relaxed) || chunks.send((index, chunk)).is_err() || last {
                    break;
                }
            }
        });
        for _ in 0..threads {
            let results = results.clone();
            scope.spawn(move || {
                while let Some((index, chunk)) = receive(waiting) {
                    let done = chunk.and_then(parse);
                    if results.send((index, done)).is_err() {
                        // Nobody takes results any more. The reader may be waiting to be rid of a chunk, and then stops.
                        while receive(waiting).is_some() {}
                        break;
                    }
                }
            });
        }
        drop(results);
        let done = in_order(parsed, |result| {
            if cancelled.load(Ordering::Relaxed) {
                return Err(ImportError::Cancelled);
            }
            take(result)
        });
        stopped.store(true, Ordering::Relaxed);
        done
    })
}

fn receive<T>(from: &Mutex<Receiver<T>>) -> Option<T> {
    from.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Takes results in order of their numbers.
fn in_order<P>(parsed: Receiver<(u64, Result<P>)>, mut take: impl FnMut(P) -> Result<bool>) -> Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (index, result) in parsed {
        early.insert(index, result);
        while let Some(result) = early.remove(&next) {
            next += 1;
            if !take(result?)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(to: u64) -> impl FnMut() -> Result<Option<u64>> {
        let mut n = 0;
        move || {
            n += 1;
            Ok((n <= to).then_some(n))
        }
    }

    #[test]
    fn results_come_in_order() {
        let mut out = Vec::new();
        let slow = |n: u64| {
            std::thread::sleep(std::time::Duration::from_micros(n * 37 % 500));
            Ok(n * 2)
        };
        let take = |n| {
            out.push(n);
            Ok(true)
        };
        run(numbers(500), slow, take, &AtomicBool::new(false)).unwrap();
        assert_eq!(out, (1..=500).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn errors_and_stops_end_it() {
        let never = AtomicBool::new(false);
        let failing = |n| if n == 100 { Err(ImportError::Cancelled) } else { Ok(n) };
        assert!(run(numbers(u64::MAX), failing, |_| Ok(true), &never).is_err());
        assert!(run(numbers(u64::MAX), Ok, |n| Ok(n < 100), &never).is_ok());
        assert!(run(numbers(u64::MAX), Ok, |_| Ok(true), &AtomicBool::new(true)).is_err());
        let broken = || Err::<Option<u64>, _>(ImportError::Cancelled);
        assert!(run(broken, Ok, |_| Ok(true), &never).is_err());
    }
}

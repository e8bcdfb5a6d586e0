//! Progress bars on standard error, for anything that takes over a second while people look.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use query_backends::Progress;

/// How long work may take before a bar appears.
const QUIET: Duration = Duration::from_secs(1);
/// How often a bar is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// A bar of a part of some work: it appears once the work as a whole has taken a second, and goes when it is dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    appears: tokio::task::JoinHandle<()>,
}

impl Bar {
    /// A bar that counts to `total`, of work that began at `since`; it never appears where standard error is no terminal.
    pub(crate) fn start(message: &str, total: u64, since: Instant, runtime: &tokio::runtime::Handle) -> Self {
        let terminal = || std::io::stderr().is_terminal().then(ProgressDrawTarget::stderr);
        Self::start_on(terminal, message, total, since, runtime)
    }

    fn start_on(
        target: impl FnOnce() -> Option<ProgressDrawTarget> + Send + 'static,
        message: &str,
        total: u64,
        since: Instant,
        runtime: &tokio::runtime::Handle,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()).with_message(message.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3}% {elapsed}") {
            bar.set_style(style);
        }
        let late = bar.clone();
        let appears = runtime.spawn(async move {
            tokio::time::sleep_until((since + QUIET).into()).await;
            if let Some(target) = target() {
                late.set_draw_target(target);
                late.enable_steady_tick(TICK);
            }
        });
        Self { bar, appears }
    }

    /// So much more is done.
    pub(crate) fn advance(&self, done: u64) {
        self.bar.inc(done);
    }

    /// So much is done in all.
    fn set(&self, done: u64) {
        self.bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.appears.abort();
        self.bar.finish_and_clear();
    }
}

/// Shows a run's progress until the guard is dropped.
pub(crate) struct Watch(tokio::task::JoinHandle<()>);

/// What a bar of shares counts to.
const SHARES: f64 = 1000.0;

impl Watch {
    pub(crate) fn start(message: &'static str, progress: Arc<Progress>) -> Self {
        Self(tokio::spawn(async move {
            let bar = Bar::start(message, SHARES as u64, Instant::now(), &tokio::runtime::Handle::current());
            loop {
                tokio::time::sleep(TICK).await;
                bar.set((progress.now().share() * SHARES) as u64);
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;

    /// A terminal that keeps what is written to it.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn bar(screen: &Screen, since: Instant) -> Bar {
        let screen = Box::new(screen.clone());
        let target = || Some(ProgressDrawTarget::term_like(screen));
        Bar::start_on(target, "reading", 100, since, &tokio::runtime::Handle::current())
    }

    async fn shown(screen: &Screen, wait: Duration) -> bool {
        tokio::time::sleep(wait).await;
        screen.0.lock().unwrap().contains("reading")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bars_appear_after_a_second_of_work() {
        let screen = Screen::default();
        let began = Instant::now();
        let first = bar(&screen, began);
        first.advance(40);
        assert!(!shown(&screen, QUIET / 2).await);
        drop(first);
        let second = bar(&screen, began);
        second.advance(50);
        assert!(!shown(&screen, QUIET / 4).await, "the first second is not over");
        assert!(shown(&screen, QUIET).await);
        drop(second);
        // A part that begins late appears at once.
        let screen = Screen::default();
        let _third = bar(&screen, began);
        assert!(shown(&screen, QUIET / 2).await);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_appears_of_work_that_ends_before() {
        let screen = Screen::default();
        drop(bar(&screen, Instant::now()));
        assert!(!shown(&screen, QUIET * 3 / 2).await);
    }
}

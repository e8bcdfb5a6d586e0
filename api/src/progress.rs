//! Progress bars on standard error, for anything that takes over a second while people look.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use query_backends::Progress;

/// How long work may take before a bar appears.
const QUIET: Duration = Duration::from_secs(1);
/// How often a bar is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// A bar with a percentage; hidden where standard error is no terminal.
pub(crate) fn bar(message: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1000).with_message(message.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3}% {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Shows a run's progress until the guard is dropped.
pub(crate) struct Watch(tokio::task::JoinHandle<()>);

impl Watch {
    pub(crate) fn start(message: &'static str, progress: Arc<Progress>) -> Self {
        Self(tokio::spawn(async move {
            tokio::time::sleep(QUIET).await;
            let bar = bar(message);
            let clear = ClearOnDrop(bar);
            loop {
                clear.0.set_position((progress.now().share() * 1000.0) as u64);
                tokio::time::sleep(TICK).await;
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct ClearOnDrop(ProgressBar);

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

//! `muster serve`: collecting over HTTP, and publishing what was collected.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ingest::collect::http::server::{ServerLimits, serve};
use ingest::publish::{PublishOptions, Publishing, Reported};
use serde_json::json;
use store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::args::{Format, Serve};
use crate::config::Settings;
use crate::engines::Engines;
use crate::failure::Failure;
use crate::serve::{Access, Serving, router};
use crate::{context, interrupt, output};

/// Writes to standard error.
struct Notes;

impl Reported for Notes {
    fn note(&self, text: &str) {
        output::note(&format!("muster: {text}"));
    }
}

pub(super) async fn run(args: Serve) -> Result<(), Failure> {
    let settings = context::settings(Some(&args.data), &args.configured, None)?;
    let address = args.listen.clone().or_else(|| settings.text("serve.listen").map(str::to_owned)).unwrap_or_default();
    let stop = Arc::new(Notify::new());
    let asked = stop.clone();
    let _interrupted = interrupt::guard(move || asked.notify_one());
    let mut terminated = signal(SignalKind::terminate()).map_err(|e| Failure::Broken(format!("cannot listen for SIGTERM: {e}")))?;

    let listener = TcpListener::bind(&address).await.map_err(|e| Failure::Broken(format!("cannot listen on {address}: {e}")))?;
    let local = listener.local_addr()?;
    let options = options(&settings);
    let store = Store::open_with(&args.data, settings.store.clone()).await?;
    let publishing = Publishing::open(store.clone(), options, Arc::new(Notes)).await.map_err(|e| Failure::Broken(e.told()))?;
    let access = Arc::new(Access::new(store.clone(), rate(&settings)));
    access.refresh().await?;
    let serving = Arc::new(Serving::new(publishing.clone(), access.clone(), store, Engines::new(&settings)));
    let followed = publishing.clone();
    let refreshing = tokio::spawn(async move { access.follow(&followed, &Notes).await });
    announce(local, args.printed.output)?;

    let delay = Duration::from_millis(settings.integer("serve.stop_delay_ms").unwrap_or_default());
    let stopping = serving.clone();
    let stopped = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            () = stop.notified() => {}
        }
        stopping.ready.store(false, Ordering::Release);
        tokio::time::sleep(delay).await;
    };
    serve(listener, router(serving), ServerLimits::default(), stopped).await;
    refreshing.abort();
    if !publishing.close().await {
        output::note("muster: not all of what was collected is published; the rest is in the log, for the next start");
    }
    Ok(())
}

fn options(settings: &Settings) -> PublishOptions {
    let mut options = PublishOptions::default();
    if let Some(ms) = settings.integer("serve.publish_ms") {
        options.interval = Duration::from_millis(ms);
    }
    if let Some(mib) = settings.integer("serve.log_mib") {
        options.log.bytes_max = mib.saturating_mul(1 << 20);
        options.seen.log_bytes = options.seen.log_bytes.min(options.log.bytes_max / 4);
    }
    options
}

/// Requests of a key in a second.
fn rate(settings: &Settings) -> NonZeroU32 {
    let rate = settings.integer("serve.key_requests_per_s").and_then(|n| u32::try_from(n).ok());
    rate.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

fn announce(address: SocketAddr, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({ "listening": address.to_string() })),
        Format::Text => output::text(&format!("listening on {address}")),
    }
}

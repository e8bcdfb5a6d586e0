//! A server that slow and idle senders cannot wear out.
//!
//! In: a listener, a router, bounds, and a future that ends when it is to stop. HTTP/1.1 alone: TLS and HTTP/2 are a proxy's.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::collect::limits::{CONNECTIONS_MAX, DRAIN_TIME, HEAD_BYTES_MAX, HEAD_TIME};

/// Pause after a connection could not be taken, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server bounds.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections at once. More wait in the kernel's queue.
    pub connections: usize,
    /// Time for a request's head, and for the pause between two requests on one connection.
    pub head: Duration,
    /// Time that requests have to end after the server is told to stop.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { connections: CONNECTIONS_MAX, head: HEAD_TIME, drain: DRAIN_TIME }
    }
}

/// Serves until `stop` ends; then takes no new connection, lets requests end within the time to drain, and returns.
pub async fn serve(listener: TcpListener, router: Router, limits: ServerLimits, stop: impl Future<Output = ()> + Send) {
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            match accept(&listener).await {
                Ok(stream) => {
                    let (router, stopped) = (router.clone(), stopped.clone());
                    connections.spawn(async move {
                        connection(stream, router, limits.head, stopped).await;
                        drop(permit);
                    });
                }
                // One that went away meanwhile is no reason to pause, and neither costs much.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    drop(listener);
    // Nobody listening means that no connection is left.
    let _ = stopping.send(true);
    let drained = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        connections.shutdown().await;
    }
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connection(stream: TcpStream, router: Router, head: Duration, mut stopped: watch::Receiver<bool>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    // What ends a connection early is the sender's going away, or its being slow: there is nobody to tell.
    tokio::select! {
        _ = serving.as_mut() => return,
        _ = stopped.changed() => {}
    }
    serving.as_mut().graceful_shutdown();
    let _: Result<(), _> = serving.await;
}

//! A proxy in front of Trino and of the object store its results are spooled to, which refuses, cuts, delays, or never answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use futures::stream;

/// Bytes of a request's body at most.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is passed on.
    Pass,
    /// This status is answered in its stead, with `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// The connection ends after so many bytes of the answer's body.
    Cut(usize),
    /// It is passed on later.
    Delay(Duration),
    /// It is passed on, and its answer kept back for ever.
    Mute,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A statement is sent.
    Post,
    /// An answer is asked for.
    Poll,
    /// A statement is cancelled.
    Delete,
    /// A segment is fetched.
    Segment,
    /// A segment is acknowledged.
    Ack,
}

type Rule = Box<dyn FnMut(Asked, usize) -> Fault + Send>;

struct Shared {
    trino: String,
    store: String,
    own: String,
    client: reqwest::Client,
    rule: Mutex<Rule>,
    seen: Mutex<Vec<Asked>>,
}

/// A proxy that runs until it is dropped.
pub(super) struct Proxy {
    pub(super) url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// In front of a server; the rule is asked with what a request asks for, and how many of its kind came before.
    pub(super) async fn start(trino: &str, rule: impl FnMut(Asked, usize) -> Fault + Send + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            trino: trino.to_owned(),
            store: std::env::var("MUSTER_S3_ENDPOINT").unwrap_or_else(|_| "http://127.0.0.1:0".to_owned()),
            own: own.clone(),
            client: reqwest::Client::new(),
            rule: Mutex::new(Box::new(rule)),
            seen: Mutex::new(Vec::new()),
        });
        let router = Router::new().fallback(serve).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url: own, shared, task }
    }

    /// How often this was asked for.
    pub(super) fn count(&self, asked: Asked) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|a| **a == asked).count()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let asked = match *request.method() {
        Method::POST => Asked::Post,
        Method::DELETE => Asked::Delete,
        _ if path.starts_with("/v1/spooled/ack/") => Asked::Ack,
        _ if path.starts_with("/v1/") => Asked::Poll,
        _ => Asked::Segment,
    };
    let before = {
        let mut seen = shared.seen.lock().unwrap();
        seen.push(asked);
        seen.iter().filter(|a| **a == asked).count() - 1
    };
    let fault = shared.rule.lock().unwrap()(asked, before);
    match fault {
        Fault::Status(status, after) => {
            let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
            if let Some(after) = after {
                response = response.header(header::RETRY_AFTER, after);
            }
            return response.body(Body::from("the proxy refuses")).unwrap();
        }
        Fault::Delay(time) => tokio::time::sleep(time).await,
        Fault::Pass | Fault::Cut(_) | Fault::Mute => {}
    }
    let (status, body) = forward(&shared, asked, request).await;
    if fault == Fault::Mute {
        std::future::pending::<()>().await;
    }
    let response = Response::builder().status(status);
    match fault {
        Fault::Cut(after) => {
            let response = response.header(header::CONTENT_LENGTH, body.len());
            let begun = Ok::<Bytes, std::io::Error>(body.slice(..after.min(body.len())));
            let parts = stream::iter([begun, Err(std::io::Error::other("cut"))]);
            response.body(Body::from_stream(parts)).unwrap()
        }
        _ => response.body(Body::from(body)).unwrap(),
    }
}

async fn forward(shared: &Shared, asked: Asked, request: Request) -> (StatusCode, Bytes) {
    let (parts, body) = request.into_parts();
    let rest = parts.uri.path_and_query().map(|p| p.as_str().to_owned()).unwrap_or_default();
    let base = if asked == Asked::Segment { &shared.store } else { &shared.trino };
    let mut headers = parts.headers;
    if asked == Asked::Segment {
        // The store's signatures are of its own name.
        headers.remove(header::HOST);
    }
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let sent = shared.client.request(parts.method, format!("{base}{rest}")).headers(headers).body(body).send().await;
    let Ok(response) = sent else { return (StatusCode::BAD_GATEWAY, Bytes::new()) };
    let status = response.status();
    let Ok(body) = response.bytes().await else { return (StatusCode::BAD_GATEWAY, Bytes::new()) };
    if asked != Asked::Poll {
        return (status, body);
    }
    // Trino names itself as it is asked for; segments are to come through here too.
    let text = String::from_utf8(body.to_vec()).unwrap();
    (status, Bytes::from(text.replace(&shared.store, &shared.own)))
}

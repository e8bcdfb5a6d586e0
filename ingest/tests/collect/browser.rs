//! Segment's analytics.js, from its package, in a page that Chromium opens; and the browser's own beacons.
//!
//! The page comes from a server of its own, so that every call is one to another origin. It says what it was told when it is done.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path as Name;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::{get, post};
use ingest::collect::SinkError;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::mpsc;
use url::form_urlencoded;

use crate::common::{KEY, Server};
use crate::sdks::{check, folder, messages};

/// What the page sends, in messages.
const ALL: usize = 257;
/// Time for a page, on a busy machine.
const PAGE_TIME: Duration = Duration::from_secs(180);

/// Opens the page, and returns the errors that it was told.
async fn open(server: &Arc<Server>, page: &'static str, key: &str, how: &str) -> Vec<Value> {
    let (done, mut told) = mpsc::unbounded_channel::<String>();
    let pages = serve(server.clone(), page, done).await;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("host", &format!("{}/v1", server.address))
        .append_pair("key", key)
        .append_pair("how", how)
        .finish();
    let profile = tempfile::tempdir().unwrap();
    let program = std::env::var("MUSTER_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let log = std::fs::File::create(profile.path().join("log")).unwrap();
    let mut chromium = Command::new(program)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{pages}/?{query}"))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|e| panic!("Chromium does not start: {e}: scripts/sdks installs it"));
    let told = tokio::time::timeout(PAGE_TIME, told.recv()).await;
    chromium.kill().await.unwrap();
    let log = std::fs::read_to_string(profile.path().join("log")).unwrap_or_default();
    let told = told.unwrap_or_else(|_| panic!("the page hangs; {} of {ALL} messages came: {log}", messages(server).len()));
    serde_json::from_str(&told.unwrap()).unwrap()
}

/// The server of the page, and of the package's files.
async fn serve(server: Arc<Server>, page: &'static str, done: mpsc::UnboundedSender<String>) -> SocketAddr {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/collect/sdks").join(page);
    let page = std::fs::read_to_string(here).unwrap();
    let package = folder().join("node_modules/@segment/analytics-next/dist/umd");
    let file = async move |Name(name): Name<String>| match std::fs::read(package.join(&name)) {
        Ok(bytes) => Ok(([(CONTENT_TYPE, "text/javascript")], bytes)),
        Err(_) => Err(StatusCode::NOT_FOUND),
    };
    let router = Router::new()
        .route("/", get(async || Html(page)))
        .route("/arrived", get(async move || messages(&server).len().to_string()))
        .route("/done", post(async move |errors: String| done.send(errors).unwrap()))
        .route("/{file}", get(file));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn start() -> Arc<Server> {
    Arc::new(Server::start().await)
}

#[tokio::test]
async fn page() {
    for how in ["each", "batch"] {
        let server = start().await;
        assert_eq!(open(&server, "page.html", KEY, how).await, [Value::Null; 0]);
        check(&server, "web");
        let calls = server.kept.calls();
        assert!(if how == "batch" { calls < 50 } else { calls >= ALL }, "{how}: {calls}");
    }
}

#[tokio::test]
async fn a_page_sends_again_what_was_not_stored() {
    for how in ["each", "batch"] {
        let server = start().await;
        // Not the first, which is anonymous: sent again later, it has the user who is known by then.
        server.kept.fail(&[None, Some(SinkError::Unavailable), None, Some(SinkError::Full)]);
        assert_eq!(open(&server, "page.html", KEY, how).await, [Value::Null; 0]);
        check(&server, "web");
    }
}

#[tokio::test]
async fn a_page_is_told_of_a_bad_key() {
    let server = start().await;
    let errors = open(&server, "page.html", "nobody", "each").await;
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|e| e["reason"].as_str().unwrap().contains("401")), "{errors:?}");
    assert_eq!(server.kept.calls(), 0);
}

#[tokio::test]
async fn beacons_of_a_page() {
    let server = start().await;
    assert_eq!(open(&server, "beacon.html", KEY, "").await, [Value::Null; 0]);
    let mut told = server.kept.told();
    told.sort();
    assert_eq!(told, ["shop web-1 left {\"é\":\"日本\"}", "shop web-1 open {\"mail\":\"spring é\"}"]);
}

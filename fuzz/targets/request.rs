//! A request to a collecting path, bodies packed or not, and the beacon's query: an answer that senders understand, whatever comes.
#![no_main]

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use ingest::collect::check::Checker;
use ingest::collect::http::{Collector, router};
use ingest::collect::{Entry, KeyHash, KeyTable, Sink, SinkError, Workspace};
use libfuzzer_sys::fuzz_target;
use segment_core::catalog::Catalog;
use segment_core::time::Zone;
use tower::ServiceExt;

const PATHS: [&str; 8] = ["/v1/track", "/v1/identify", "/v1/batch", "/v1/import", "/v1/t", "/v1/events", "/v1/pixel.gif", "/v1/alias"];
/// `key:` in base 64.
const AUTHORIZATION: &str = "Basic a2V5Og==";

/// Takes everything.
struct Everything;

#[async_trait::async_trait]
impl Sink for Everything {
    async fn store(&self, entries: Vec<Entry>) -> Result<(), SinkError> {
        for entry in entries {
            std::hint::black_box(ingest::collect::codec::encode(&entry));
        }
        Ok(())
    }
}

struct Server {
    runtime: tokio::runtime::Runtime,
    router: Router,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let keys = KeyTable::default();
    let checker = Checker::new(&Catalog::new("UTC"), None);
    keys.replace([(KeyHash::of("key"), Arc::new(Workspace { id: "w".to_owned(), zone: Zone::utc(), checker }))]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Server { runtime, router: router(Arc::new(Collector::new(Arc::new(keys), Arc::new(Everything)))) }
});

fuzz_target!(|parts: (u8, &str, &[u8])| {
    let (choice, query, body) = parts;
    let path = PATHS[usize::from(choice % 8)];
    let get = path.ends_with(".gif");
    let query: String = query.chars().filter(|c| c.is_ascii_graphic() && *c != '#').collect();
    let mut request = Request::builder().method(if get { Method::GET } else { Method::POST }).uri(format!("{path}?{query}"));
    request = request.header("content-type", if choice & 16 == 0 { "application/json" } else { "text/plain" });
    if choice & 32 == 0 {
        request = request.header("authorization", AUTHORIZATION);
    }
    if choice & 64 != 0 {
        request = request.header("content-encoding", "gzip");
    }
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    let server = &*SERVER;
    let status = server.runtime.block_on(async {
        let response = server.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        response.into_body().collect().await.unwrap();
        status
    });
    assert!(status.is_success() || status.is_client_error(), "{status}");
});

//! A Cassandra that is not there: the right kind of error, in bounded time.

use std::time::{Duration, Instant};

use super::*;
use crate::error::ErrorKind;

#[tokio::test]
async fn nobody_listens() {
    let world = World::empty();
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = fresh(vec![format!("127.0.0.1:{port}")]);
    let embedded = Store::open(folder.path()).await.unwrap().create_workspace("default", &world.catalog.timezone).await.unwrap();
    let pinned = Arc::new(embedded.pin().await.unwrap());
    let backend = CassandraBackend::new(&config);
    let query = query(&world, &pinned, r#"{"everyone":true}"#);
    let started = Instant::now();
    let error = backend.run(&query, RunOptions::default()).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{}", chain(&error));
    assert!(chain(&error).contains(&port.to_string()), "{}", chain(&error));
    assert_eq!(backend.explain(&query).await.err().unwrap().kind, ErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

//! A network that refuses, cuts, delays, and falls silent between us and the real server.

use std::time::{Duration, Instant};

use super::proxy::{Asked, Fault, Proxy};
use super::{HANGS, config, running, session};
use crate::error::ErrorKind;
use crate::trino::TrinoConfig;
use crate::trino::client::{Client, Kind, Repeat};

/// Rows of the result.
const ROWS: usize = 1_500_000;

fn through(proxy: &Proxy) -> TrinoConfig {
    TrinoConfig { request_timeout_s: 2, retry_for_s: 8, ..TrinoConfig::new(&proxy.url, "muster") }
}

/// How many rows come.
async fn fetch(config: &TrinoConfig) -> crate::Result<usize> {
    let client = Client::new(config)?;
    let sql = "SELECT orderkey, clerk FROM orders";
    let mut results = client.query(sql, &session(), &[Kind::Integer, Kind::Text], Repeat::Always).await?;
    let mut rows = 0;
    while let Some(batch) = results.next(&|_| {}).await? {
        rows += batch.columns[0].len();
    }
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_are_got_over() {
    let Some(config) = config() else { return };
    for spooling in [true, false] {
        let proxy = Proxy::start(&config.url, |asked, before| match (asked, before) {
            (Asked::Post, 0) => Fault::Status(503, None),
            (Asked::Post, 1) => Fault::Status(429, Some(1)),
            (Asked::Poll, 0) => Fault::Status(502, None),
            (Asked::Poll, 2) => Fault::Status(504, None),
            (Asked::Poll, 4) => Fault::Cut(100),
            (Asked::Poll, 6) => Fault::Delay(Duration::from_millis(300)),
            (Asked::Poll, 7) | (Asked::Segment, 2) => Fault::Mute,
            (Asked::Segment, 0) => Fault::Cut(100_000),
            (Asked::Segment, 1) => Fault::Status(500, None),
            (Asked::Segment, 3) => Fault::Status(503, Some(1)),
            _ => Fault::Pass,
        })
        .await;
        let config = TrinoConfig { spooling, ..through(&proxy) };
        assert_eq!(fetch(&config).await.unwrap(), ROWS, "spooling {spooling}");
        assert_eq!(proxy.count(Asked::Post), 3);
        assert_eq!(proxy.count(Asked::Segment) > 4, spooling);
        assert_eq!(proxy.count(Asked::Ack) > 0, spooling);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_breaks_is_never_a_short_one() {
    let Some(config) = config() else { return };
    // Some answers come, then none that is whole.
    for (fault, kind) in [
        (Fault::Cut(1_000), ErrorKind::Unavailable),
        (Fault::Status(503, None), ErrorKind::Unavailable),
        (Fault::Status(404, None), ErrorKind::Unavailable),
        (Fault::Mute, ErrorKind::Timeout),
    ] {
        for (spooling, at) in [(true, Asked::Segment), (true, Asked::Poll), (false, Asked::Poll)] {
            let proxy = Proxy::start(&config.url, move |asked, before| if asked == at && before >= 3 { fault } else { Fault::Pass }).await;
            let started = Instant::now();
            let config = TrinoConfig { spooling, retry_for_s: 3, ..through(&proxy) };
            let error = fetch(&config).await.unwrap_err();
            assert_eq!(error.kind, kind, "{fault:?} {at:?} {error:?}");
            assert!(started.elapsed() < HANGS, "{fault:?} {at:?} took {:?}", started.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_acknowledged_only_when_it_is_read() {
    let Some(config) = config() else { return };
    let proxy = Proxy::start(&config.url, |asked, _| if asked == Asked::Segment { Fault::Cut(1_000) } else { Fault::Pass }).await;
    assert!(fetch(&TrinoConfig { retry_for_s: 1, ..through(&proxy) }).await.is_err());
    assert_eq!(proxy.count(Asked::Ack), 0);
    let proxy = Proxy::start(&config.url, |_, _| Fault::Pass).await;
    assert_eq!(fetch(&through(&proxy)).await.unwrap(), ROWS);
    assert_eq!(proxy.count(Asked::Ack), proxy.count(Asked::Segment));
    assert!(proxy.count(Asked::Ack) > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_through_a_bad_network() {
    let Some(config) = config() else { return };
    let proxy = Proxy::start(&config.url, |asked, before| match (asked, before) {
        (Asked::Delete, 0) => Fault::Status(503, None),
        (Asked::Delete, 1) => Fault::Status(502, None),
        _ => Fault::Pass,
    })
    .await;
    let client = Client::new(&through(&proxy)).unwrap();
    let slow = "SELECT a.orderkey FROM orders AS a CROSS JOIN orders AS b WHERE a.comment || b.comment LIKE '%muster-mark-2%'";
    let mut results = client.query(slow, &session(), &[Kind::Integer], Repeat::Always).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), results.next(&|_| {})).await.is_err());
    drop(results);
    let started = Instant::now();
    while running(&client, "muster-mark-2").await > 0 {
        assert!(started.elapsed() < HANGS, "it runs on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(proxy.count(Asked::Delete), 3);
}

#[tokio::test]
async fn a_statement_that_writes_is_not_sent_twice() {
    let Some(config) = config() else { return };
    for (fault, repeat, posts) in [
        (Fault::Status(502, None), Repeat::Refused, 1),
        (Fault::Mute, Repeat::Refused, 1),
        (Fault::Status(503, None), Repeat::Refused, 2),
        (Fault::Status(502, None), Repeat::Always, 2),
    ] {
        let proxy =
            Proxy::start(&config.url, move |asked, before| if asked == Asked::Post && before == 0 { fault } else { Fault::Pass }).await;
        let client = Client::new(&through(&proxy)).unwrap();
        let started = client.query("SELECT 1", &session(), &[Kind::Integer], repeat).await;
        assert_eq!((started.is_ok(), proxy.count(Asked::Post)), (posts == 2, posts), "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_there() {
    let config = TrinoConfig { retry_for_s: 1, ..TrinoConfig::new("http://127.0.0.1:1", "muster") };
    let started = Instant::now();
    let error = fetch(&config).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    assert!(started.elapsed() < HANGS);
}

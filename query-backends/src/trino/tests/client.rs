//! Large results, both protocols; errors; cancelling.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::FutureExt;

use super::{HANGS, config, running, session};
use crate::error::ErrorKind;
use crate::trino::TrinoConfig;
use crate::trino::client::{Client, Kind, Repeat, Session};

/// Rows of the large result.
const ROWS: i64 = 5_000_000;
/// Five million ids, as a segment's members come.
const IDS: &str = "SELECT n * 10000 + m AS user_no, 'user-' || CAST(n * 10000 + m AS varchar) AS user_id \
    FROM UNNEST(sequence(0, 499)) AS a (n) CROSS JOIN UNNEST(sequence(0, 9999)) AS b (m)";
const BOTH: [Kind; 2] = [Kind::Integer, Kind::Text];

/// Fetches the ids: how many there are and the sum of the numbers; every id is its number's.
async fn fetch(client: &Client, sql: &str) -> crate::Result<(i64, i64)> {
    let mut results = client.query(sql, &session(), &BOTH, Repeat::Always).await?;
    let (mut rows, mut sum) = (0, 0);
    while let Some(batch) = results.next(&|_| {}).await? {
        let numbers = batch.columns[0].as_primitive::<Int64Type>();
        let ids = batch.columns[1].as_string::<i32>();
        for (number, id) in numbers.values().iter().zip(ids) {
            assert_eq!(id.and_then(|id| id.strip_prefix("user-")).and_then(|id| id.parse().ok()), Some(*number));
            sum += number;
        }
        rows += numbers.len() as i64;
    }
    assert_eq!(results.stats().state, "FINISHED");
    Ok((rows, sum))
}

async fn five_million(config: TrinoConfig, how: &str) {
    let client = Client::new(&config).unwrap();
    let started = Instant::now();
    assert_eq!(fetch(&client, IDS).await.unwrap(), (ROWS, ROWS * (ROWS - 1) / 2));
    println!("{how}: {ROWS} ids in {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_million_ids_spooled() {
    let Some(config) = config() else { return };
    five_million(config, "spooled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_million_ids_direct() {
    let Some(config) = config() else { return };
    five_million(TrinoConfig { spooling: false, ..config }, "direct").await;
}

#[tokio::test]
async fn hostile_text_comes_back() {
    let Some(config) = config() else { return };
    for spooling in [true, false] {
        let client = Client::new(&TrinoConfig { spooling, ..config.clone() }).unwrap();
        let sql = "SELECT * FROM (VALUES 'a\"\\', U&'\\0000\\0001\\2028\\+01F600', '', NULL, U&'\\FFFF') AS t (x)";
        let mut texts = client.texts(sql, &session()).await.unwrap();
        texts.sort_unstable();
        assert_eq!(texts, ["", "\0\u{1}\u{2028}\u{1f600}", "a\"\\", "\u{ffff}"], "spooling {spooling}");
        assert_eq!(client.texts("SELECT 'x' WHERE false", &session()).await.unwrap(), [""; 0]);
    }
}

async fn kind(client: &Client, sql: &str, session: &Session) -> ErrorKind {
    match client.texts(sql, session).await {
        Err(e) => e.kind,
        Ok(texts) => panic!("{sql} finds {texts:?}"),
    }
}

#[tokio::test]
async fn failures_by_kind() {
    let Some(config) = config() else { return };
    let client = Client::new(&config).unwrap();
    let at = session();
    assert_eq!(kind(&client, "SELEC 1", &at).await, ErrorKind::Internal);
    assert_eq!(kind(&client, "SELECT x FROM nowhere", &at).await, ErrorKind::SchemaDrift);
    assert_eq!(kind(&client, "SELECT 1", &at).await, ErrorKind::SchemaDrift);
    assert_eq!(kind(&client, "SELECT CAST(1 / (orderkey - orderkey) AS varchar) FROM orders", &at).await, ErrorKind::Rejected);
    let long = ["SELECT '", &"x".repeat(1_000_001), "'"].concat();
    assert_eq!(kind(&client, &long, &at).await, ErrorKind::Rejected);
    let limited = |name: &str, value: &str| {
        let session = [(name.to_owned(), value.to_owned())].into();
        Client::new(&TrinoConfig { session, ..config.clone() }).unwrap()
    };
    let heavy = "SELECT CAST(count(DISTINCT a.comment || b.comment) AS varchar) FROM orders AS a CROSS JOIN orders AS b";
    let hurried = Client::new(&TrinoConfig { query_timeout_s: 1, ..config.clone() }).unwrap();
    assert_eq!(kind(&hurried, heavy, &at).await, ErrorKind::Timeout);
    let wide = "SELECT max(x) FROM (SELECT array_join(array_agg(comment), ',') AS x FROM orders)";
    assert_eq!(kind(&limited("query_max_memory", "1MB"), wide, &at).await, ErrorKind::Overloaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_query_ends() {
    let Some(config) = config() else { return };
    let client = Client::new(&config).unwrap();
    let slow = "SELECT a.orderkey, b.clerk FROM orders AS a CROSS JOIN orders AS b WHERE a.comment || b.comment LIKE '%muster-mark-1%'";
    let mut results = client.query(slow, &session(), &BOTH, Repeat::Always).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(1), results.next(&|_| {})).await;
    assert!(waited.is_err(), "it ended by itself");
    assert!(running(&client, "muster-mark-1").await > 0);
    drop(results);
    // While it is being sent, too.
    let at = session();
    assert!(client.query(slow, &at, &BOTH, Repeat::Always).now_or_never().is_none());
    let started = Instant::now();
    while running(&client, "muster-mark-1").await > 1 {
        assert!(started.elapsed() < HANGS, "it runs on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn tells_its_version() {
    let Some(config) = config() else { return };
    let (version, starting) = Client::new(&config).unwrap().version().await.unwrap();
    assert!(version.starts_with(|c: char| c.is_ascii_digit()) && !starting, "{version}");
    let nobody = Client::new(&TrinoConfig::new("http://127.0.0.1:1", "muster")).unwrap();
    assert_eq!(nobody.version().await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn segments_are_distinct() {
    let Some(config) = config() else { return };
    let client = Client::new(&config).unwrap();
    let mut results = client.query("SELECT orderkey FROM orders", &session(), &[Kind::Integer], Repeat::Always).await.unwrap();
    let mut found = HashSet::new();
    let mut rows = 0;
    while let Some(batch) = results.next(&|_| {}).await.unwrap() {
        let numbers = batch.columns[0].as_primitive::<Int64Type>();
        rows += numbers.len();
        found.extend(numbers.values().iter().copied());
    }
    assert_eq!((rows, found.len()), (1_500_000, 1_500_000));
}

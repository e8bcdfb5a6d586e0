//! A server on the loopback interface, a sink that keeps what it is given, and a client that sends bytes as they are.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ingest::collect::check::Checker;
use ingest::collect::http::server::{ServerLimits, serve};
use ingest::collect::http::{Collector, router};
use ingest::collect::{Entry, Fact, KeyHash, KeyTable, Sink, SinkError, Workspace};
use segment_core::catalog::Catalog;
use segment_core::declare::declare;
use segment_core::json::Json;
use segment_core::time::Zone;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A key of the workspace `shop`.
pub const KEY: &str = "shop-key";
/// One of the workspace `other`.
pub const OTHER_KEY: &str = "other-key";
/// `KEY` as Basic authentication has it.
pub const BASIC: &str = "Authorization: Basic c2hvcC1rZXk6\r\n";
/// The catalog of both.
const CATALOG: &str = r#"{"events":{"strict":{"schema":{"required":["price"],"properties":{"price":{"type":"number"}}}}}}"#;
/// Nothing takes so long unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

/// Keeps entries, unless it is to fail.
#[derive(Default)]
pub struct Kept {
    entries: Mutex<Vec<Entry>>,
    failures: Mutex<VecDeque<Option<SinkError>>>,
    calls: Mutex<usize>,
}

#[async_trait]
impl Sink for Kept {
    async fn store(&self, entries: Vec<Entry>) -> Result<(), SinkError> {
        *self.calls.lock().unwrap() += 1;
        if let Some(Some(failure)) = self.failures.lock().unwrap().pop_front() {
            return Err(failure);
        }
        self.entries.lock().unwrap().extend(entries);
        Ok(())
    }
}

impl Kept {
    /// How the next calls end; those after them succeed.
    pub fn fail(&self, outcomes: &[Option<SinkError>]) {
        self.failures.lock().unwrap().extend(outcomes);
    }

    pub fn calls(&self) -> usize {
        *self.calls.lock().unwrap()
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    /// What was kept, and forgets it: `workspace user event properties`, `workspace user attributes`, `workspace reason`.
    pub fn told(&self) -> Vec<String> {
        let told = |entry: Entry| match entry {
            Entry::Message(m) => match m.fact {
                Fact::Event { name, properties } => format!("{} {} {name} {properties}", m.workspace, m.user_id),
                Fact::Attributes { attributes } => format!("{} {} {attributes}", m.workspace, m.user_id),
            },
            Entry::Quarantined(q) => format!("{} {}", q.workspace, q.unfit.reason.name()),
        };
        std::mem::take(&mut *self.entries.lock().unwrap()).into_iter().map(told).collect()
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub kept: Arc<Kept>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|collector| collector, ServerLimits::default()).await
    }

    pub async fn with(settings: impl FnOnce(Collector) -> Collector, limits: ServerLimits) -> Self {
        let kept = Arc::new(Kept::default());
        let keys = KeyTable::default();
        let workspace = |id: &str| {
            let catalog = declare(&Catalog::new("UTC"), &Json::parse(CATALOG).unwrap()).unwrap();
            let (zone, checker) = (Zone::utc(), Checker::new(&catalog, None));
            Arc::new(Workspace { id: id.to_owned(), zone, checker })
        };
        keys.replace([(KeyHash::of(KEY), workspace("shop")), (KeyHash::of(OTHER_KEY), workspace("other"))]);
        let collector = settings(Collector::new(Arc::new(keys), kept.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listener, router(Arc::new(collector)), limits, stopped));
        Self { address, kept, stop: Some(stop), task: Some(task) }
    }

    /// Tells it to stop; the handle ends when it has.
    pub fn stop(&mut self) -> JoinHandle<()> {
        let _ = self.stop.take().unwrap().send(());
        self.task.take().unwrap()
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads what is answered until the connection ends.
    pub async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        let sending = async {
            // The server may end the connection before it has read everything.
            let _ = write.write_all(request).await;
        };
        let reading = async {
            let _ = read.read_to_end(&mut answer).await;
        };
        tokio::time::timeout(HANGS, async { tokio::join!(sending, reading) }).await.expect("the server hangs");
        answer
    }

    /// Sends one request on a connection of its own. `headers` are lines that end with CRLF.
    pub async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        Reply::parse(&self.raw(&[head.as_bytes(), body].concat()).await)
    }

    /// The same by POST, with the key in the headers.
    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, BASIC, body.as_bytes()).await
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn parse(bytes: &[u8]) -> Self {
        let end =
            bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Status and code of a refusal, which also has a message.
    pub fn refusal(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["success"], false);
        assert!(!json["message"].as_str().unwrap().is_empty());
        (self.status, json["code"].as_str().unwrap().to_owned())
    }
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

//! A TCP proxy before S3 that misbehaves on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How it behaves.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Forwards.
    Open,
    /// Forwards each piece after a while.
    Slow(Duration),
    /// Closes each n-th connection at its first answer.
    Cut(usize),
    /// Closes at once.
    Away,
    /// Takes requests and never answers.
    Silent,
}

/// The proxy; it ends with the test's runtime.
pub struct Proxy {
    port: u16,
    manner: Arc<Mutex<Manner>>,
}

impl Proxy {
    /// Starts it before an address `http://host:port`.
    pub async fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let manner = Arc::new(Mutex::new(Manner::Open));
        let (to, shared) = (to.trim_start_matches("http://").to_owned(), manner.clone());
        tokio::spawn(async move {
            let answers = Arc::new(AtomicUsize::new(0));
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, to.clone(), shared.clone(), answers.clone()));
            }
        });
        Self { port, manner }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

async fn forward(client: TcpStream, to: String, manner: Arc<Mutex<Manner>>, answers: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asked = manner.clone();
    let requests = async move {
        let mut piece = vec![0; 64 << 10];
        while let Ok(count) = from_client.read(&mut piece).await {
            let now = *asked.lock().unwrap();
            if count == 0 || matches!(now, Manner::Away) || to_server.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    };
    let replies = async move {
        let mut piece = vec![0; 64 << 10];
        while let Ok(count) = from_server.read(&mut piece).await {
            let now = *manner.lock().unwrap();
            match now {
                Manner::Open => {}
                Manner::Slow(time) => tokio::time::sleep(time).await,
                Manner::Cut(n) if answers.fetch_add(1, Ordering::Relaxed) % n == n - 1 => {
                    let _ = to_client.write_all(&piece[..count / 2]).await;
                    return;
                }
                Manner::Cut(_) => {}
                Manner::Away => return,
                Manner::Silent => std::future::pending().await,
            }
            if count == 0 || to_client.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = requests => {}, () = replies => {} }
}

//! A TCP proxy that can go silent: what comes is taken, and nothing is said to it any more.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Proxy {
    pub url: String,
    silent: Arc<AtomicBool>,
}

impl Proxy {
    /// In front of an address `http://host:port`.
    pub fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (silent, target) = (Arc::new(AtomicBool::new(false)), url.trim_start_matches("http://").to_owned());
        let flag = silent.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let (a, b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (to, from) = (flag.clone(), flag.clone());
                std::thread::spawn(move || pump(a, b, &to));
                std::thread::spawn(move || pump(server, client, &from));
            }
        });
        Self { url: address, silent }
    }

    /// From now on nothing passes.
    pub fn go_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, silent: &AtomicBool) {
    let mut buffer = [0; 1 << 14];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        if !silent.load(Ordering::Relaxed) && buffer.get(..n).is_none_or(|b| to.write_all(b).is_err()) {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

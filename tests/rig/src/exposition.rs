//! An exporter whose answers a test decides.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Serves a text at every path, until it is dropped.
#[derive(Debug)]
pub struct Exposition {
    address: String,
    served: Arc<Mutex<Served>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is answered, and how often that was asked for, by path.
#[derive(Debug)]
struct Served {
    text: Option<String>,
    asked: HashMap<String, u64>,
}

impl Served {
    fn of(text: Option<&str>) -> Self {
        Self {
            text: text.map(str::to_owned),
            asked: HashMap::new(),
        }
    }
}

impl Exposition {
    /// Starts one that serves this text of format 0.0.4.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        let served = Arc::new(Mutex::new(Served::of(Some(text))));
        let ended = Arc::new(AtomicBool::new(false));
        let (told, stop) = (Arc::clone(&served), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let served = Arc::clone(&told);
                // A client that keeps its connection open must not keep the next one out. The thread ends with it.
                std::thread::spawn(move || stream.and_then(|stream| serve(&stream, &served)));
            }
        });
        Self {
            address,
            served,
            ended,
            thread: Some(thread),
        }
    }

    /// As `127.0.0.1:4711`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What is answered from now on; `None`: status 500.
    pub fn set(&self, text: Option<&str>) {
        *self.lock() = Served::of(text);
    }

    /// How often a path was asked for since the text was set.
    pub fn asked(&self, path: &str) -> u64 {
        self.lock().asked.get(path).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exposition {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _refused = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Answers requests of one connection as long as they come.
fn serve(stream: &TcpStream, served: &Mutex<Served>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let mut path = None;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
        }
        let body = {
            let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
            *served.asked.entry(path.unwrap_or_default()).or_default() += 1;
            served.text.clone()
        };
        let (status, body) = match &body {
            Some(body) => ("200 OK", body.as_str()),
            None => ("500 Internal Server Error", ""),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::get;

    #[test]
    fn it_serves_what_it_is_told() {
        let exposition = Exposition::start("up 1\n");
        assert_eq!(
            get(exposition.address(), "/metrics", &[]).unwrap().text(),
            "up 1\n"
        );
        assert_eq!(
            (exposition.asked("/metrics"), exposition.asked("/")),
            (1, 0)
        );
        exposition.set(None);
        assert_eq!(exposition.asked("/metrics"), 0);
        assert_eq!(get(exposition.address(), "/", &[]).unwrap().status, 500);
    }
}

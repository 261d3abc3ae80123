//! A little HTTP server for tests, which can do wrong whatever an exporter can.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is done to a request.
pub(super) enum Reply {
    /// Answers, and waits for the next request.
    Keep(Vec<u8>),
    /// Answers, and closes the connection.
    Close(Vec<u8>),
    /// Answers a byte at a time.
    Drip(Vec<u8>),
    /// Never answers.
    Hang,
}

/// A running server.
pub(super) struct Server {
    pub address: String,
    /// What was asked for, with all headers; and on which connection, from 1.
    pub requests: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Server {
    /// `reply` is told the number of the request, from 0, and its text.
    pub async fn start(reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, reply).await
    }

    pub async fn start_with(
        tls: Option<TlsAcceptor>,
        reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests: Arc<Mutex<Vec<(usize, String)>>> = Arc::default();
        let (reply, seen) = (Arc::new(reply), Arc::clone(&requests));
        tokio::spawn(async move {
            for connection in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (reply, seen, tls) = (Arc::clone(&reply), Arc::clone(&seen), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, connection, &*reply, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, connection, &*reply, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// The header of this name in a request, from 0.
    pub fn header(&self, request: usize, name: &str) -> Option<String> {
        let requests = self.requests.lock().unwrap();
        let prefix = format!("{name}: ");
        let mut lines = requests[request].1.lines();
        lines.find_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()))
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    reply: &(dyn Fn(usize, &str) -> Reply + Send + Sync),
    seen: &Mutex<Vec<(usize, String)>>,
) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push((connection, head.clone()));
            seen.len() - 1
        };
        match reply(number, &head) {
            Reply::Keep(answer) => {
                let _ = stream.write_all(&answer).await;
            }
            Reply::Close(answer) => {
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Drip(answer) => {
                for byte in answer {
                    if stream.write_u8(byte).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Reply::Hang => std::future::pending().await,
        }
    }
}

/// An answer with these headers, each with its line's end, and this body.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut all = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    all.extend_from_slice(body);
    all
}

/// An exposition.
pub(super) fn exposition(body: &str) -> Vec<u8> {
    answer(
        "200 OK",
        "Content-Type: text/plain; version=0.0.4\r\n",
        body.as_bytes(),
    )
}

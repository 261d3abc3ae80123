//! Serves on some addresses until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::answer::Answerer;
use super::body::Body;
use super::connection;
use super::peer::Peer;
use super::secure::Security;
use super::stats::HttpStats;

/// What is served.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request that may be answered. A body that is not read to its end costs the client its
    /// connection. When the client goes away before the answer, the future is dropped.
    fn handle(
        &self,
        request: &mut Request<Incoming>,
        peer: &Peer,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Whether a path is for everybody, whatever the web configuration asks for.
    fn is_open(&self, _path: &str) -> bool {
        false
    }
}

/// How the server behaves, whatever it serves.
#[derive(Clone, Debug)]
pub struct Options {
    /// A connection that sends no whole request for this long is closed, an idle one too. So long may a
    /// TLS handshake take.
    pub header_timeout: Duration,
    /// A client that takes nothing of its answer for this long is dropped.
    pub write_timeout: Duration,
    /// Longest request line and headers, in bytes; at least 8192.
    pub max_header_bytes: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// At the end, answers under way have this long.
    pub grace: Duration,
    /// TLS, passwords and limits of a web configuration; `None`: plain HTTP for everybody.
    pub security: Option<Arc<Security>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_header_bytes: 16 << 10,
            max_connections: 512,
            grace: Duration::from_secs(5),
            security: None,
        }
    }
}

/// Serves until `stop` resolves; then lets answers under way end, and returns.
pub async fn serve<H: Handler>(
    listeners: Vec<TcpListener>,
    handler: H,
    stats: Arc<HttpStats>,
    options: Options,
    stop: impl Future<Output = ()>,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    let connections = Arc::new(Semaphore::new(options.max_connections));
    let grace = options.grace;
    let answerer = Arc::new(Answerer {
        handler,
        stats,
        options,
    });
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            tokio::spawn(connection::accept(
                listener,
                Arc::clone(&answerer),
                Arc::clone(&connections),
                Arc::clone(&graceful),
            ))
        })
        .collect();
    stop.await;
    for task in accepting {
        task.abort();
        // Once it is gone so is its listener, and its hold on `graceful`.
        let _ = task.await;
    }
    let ended = async {
        if let Ok(graceful) = Arc::try_unwrap(graceful) {
            graceful.shutdown().await;
        }
    };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(?grace, "some clients did not take their answer in time");
    }
}

//! The exporter's HTTP server: `/metrics`, the landing page, health and readiness.

mod bind;
mod body;
mod connection;
mod landing;
pub mod negotiate;
mod peer;
pub mod query;
mod route;
pub mod secure;
pub mod stats;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tidegauge_model::snapshot::Snapshot;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use self::bind::{BindError, bind};
pub use self::peer::Peer;
use self::route::Routes;
use self::secure::Security;
pub use self::stats::HttpStats;

/// Which collectors an answer shows: all of them, or those named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(Option<Arc<[&'static str]>>);

impl Wanted {
    /// Every collector.
    pub fn all() -> Self {
        Self(None)
    }

    /// Only these.
    pub fn only(names: &[&'static str]) -> Self {
        Self(Some(Arc::from(names)))
    }

    /// Whether the collector of this name is asked for. The nameless group of build and process
    /// metrics ([`tidegauge_model::snapshot::Group::ALWAYS`]) always is.
    pub fn contains(&self, name: &str) -> bool {
        name.is_empty() || self.0.as_ref().is_none_or(|names| names.contains(&name))
    }
}

/// A collector as the landing page and `collect[]` know it.
#[derive(Clone, Copy, Debug)]
pub struct CollectorInfo {
    /// As in `collect[]`.
    pub name: &'static str,
    /// What it reads, in a sentence.
    pub help: &'static str,
}

/// What the server serves: implemented by the sampler.
pub trait Scrape: Send + Sync + 'static {
    /// Asks for a reading taken after this call; the answer comes in bounded time. A closed channel
    /// means that the sampler has stopped.
    fn snapshot(&self, wanted: Wanted) -> oneshot::Receiver<Arc<Snapshot>>;

    /// Whether a first full reading has been taken.
    fn ready(&self) -> bool;

    /// The collectors that run.
    fn collectors(&self) -> Arc<[CollectorInfo]>;
}

/// A request to read the configuration again. What came of it is sent to whoever waits, if anybody does.
pub type ReloadRequest = Option<oneshot::Sender<Result<(), String>>>;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where the metrics are.
    pub telemetry_path: String,
    /// Most scrapes at once; 0 is no limit.
    pub max_requests: usize,
    /// Shown on the landing page.
    pub version: &'static str,
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
    /// Where requests of `/-/reload` go; `None`: there is no such path.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            max_requests: 40,
            version: "",
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_header_bytes: 16 << 10,
            max_connections: 512,
            grace: Duration::from_secs(5),
            security: None,
            reload: None,
        }
    }
}

/// Serves until `stop` resolves; then lets answers under way end, and returns.
pub async fn serve(
    listeners: Vec<TcpListener>,
    scrape: Arc<dyn Scrape>,
    stats: Arc<HttpStats>,
    options: ServerOptions,
    stop: impl Future<Output = ()>,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    let connections = Arc::new(Semaphore::new(options.max_connections));
    let grace = options.grace;
    let routes = Arc::new(Routes {
        scrape,
        stats,
        options,
    });
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            tokio::spawn(connection::accept(
                listener,
                Arc::clone(&routes),
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

//! The exporter's HTTP server: `/metrics`, the landing page, health and readiness.

mod landing;
pub mod query;
mod route;

use std::sync::Arc;

use tidegauge_model::snapshot::Snapshot;
use tidegauge_web::reload::ReloadRequest;
use tidegauge_web::{HttpStats, Options};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use self::route::Routes;

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

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where the metrics are.
    pub telemetry_path: String,
    /// Most scrapes at once; 0 is no limit.
    pub max_requests: usize,
    /// Shown on the landing page.
    pub version: &'static str,
    /// Where requests of `/-/reload` go; `None`: there is no such path.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// Of connections.
    pub web: Options,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            max_requests: 40,
            version: "",
            reload: None,
            web: Options::default(),
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
    let web = options.web.clone();
    let routes = Routes {
        scrape,
        stats: Arc::clone(&stats),
        options,
    };
    tidegauge_web::serve(listeners, routes, stats, web, stop).await;
}

//! The sidecar's HTTP side: who may ask, and for what.

pub mod host;
pub mod v1;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tidegauge_model::metric::Family;
use tidegauge_model::snapshot::{Group, Snapshot};
use tidegauge_web::answer::{text, wrong_method};
use tidegauge_web::metrics::exposition;
use tidegauge_web::reload::{ReloadRequest, reload};
use tidegauge_web::{Body, Handler, HttpStats, Peer};
use tokio::sync::mpsc;

use self::host::Hosts;
use self::v1::Api;

/// What the sidecar says of itself.
pub trait SelfMetrics: Send + Sync {
    /// As they are now, but for those of the server.
    fn families(&self) -> Vec<Family>;

    /// Whether it has begun its work: samples came in, rules were evaluated.
    fn ready(&self) -> bool;
}

/// What the sidecar serves.
pub struct Routes {
    /// Prometheus's API.
    pub v1: Api,
    /// For `/metrics` and `/-/ready`.
    pub itself: Arc<dyn SelfMetrics>,
    /// Of the server.
    pub stats: Arc<HttpStats>,
    /// By what names a page on this host may call it.
    pub hosts: Hosts,
    /// Where requests of `/-/reload` go; `None`: there is no such path.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
}

impl Handler for Routes {
    async fn handle(&self, request: &mut Request<Incoming>, peer: &Peer) -> Response<Body> {
        if !self.hosts.admit(request, peer) {
            return text(StatusCode::MISDIRECTED_REQUEST, host::REFUSAL);
        }
        let path = request.uri().path();
        if path.starts_with(v1::PREFIX) {
            return self.v1.answer(request).await;
        }
        if let ("/-/reload", Some(requests)) = (path, &self.reload) {
            return reload(request, peer, requests).await;
        }
        if !["/-/healthy", "/-/ready", "/metrics"].contains(&path) {
            return text(StatusCode::NOT_FOUND, "404 page not found\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return wrong_method("GET, HEAD", "only GET and HEAD\n");
        }
        match path {
            "/metrics" => self.metrics(request),
            "/-/healthy" => text(StatusCode::OK, "tidegauge is healthy.\n"),
            _ if self.itself.ready() => text(StatusCode::OK, "tidegauge is ready.\n"),
            _ => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "tidegauge is not ready: nothing was evaluated yet.\n",
            ),
        }
    }

    /// Whoever watches over the process has no password.
    fn is_open(&self, path: &str) -> bool {
        ["/-/healthy", "/-/ready"].contains(&path)
    }
}

impl Routes {
    fn metrics<B>(&self, request: &Request<B>) -> Response<Body> {
        let families = [self.itself.families(), self.stats.families()].concat();
        let snapshot = Snapshot {
            taken: std::time::SystemTime::now(),
            groups: vec![Group {
                collector: Group::ALWAYS,
                families: families.into(),
            }],
        };
        let snapshot = (request.method() != Method::HEAD).then(|| Arc::new(snapshot));
        let Some(in_flight) = self.stats.begin_scrape(0) else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes\n");
        };
        exposition(request.headers(), snapshot, Box::new(|_| true), in_flight)
    }
}

//! The exporter's HTTP server: `/metrics`, the landing page, health and readiness.

use std::sync::Arc;

use tidegauge_model::snapshot::Snapshot;

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
    fn snapshot(&self, wanted: Wanted) -> tokio::sync::oneshot::Receiver<Arc<Snapshot>>;

    /// Whether a first full reading has been taken.
    fn ready(&self) -> bool;

    /// The collectors that run.
    fn collectors(&self) -> &[CollectorInfo];
}

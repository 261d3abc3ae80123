//! The sampler in use, which a new configuration replaces as a whole.

use std::sync::{Arc, PoisonError, RwLock};

use tidegauge_model::snapshot::Snapshot;
use tokio::sync::oneshot;

use super::Sampler;
use crate::http::{CollectorInfo, Scrape, Wanted};

/// Scrapes go to the sampler that is in use when they come.
pub struct Live(RwLock<Arc<Sampler>>);

impl Live {
    /// With the first sampler.
    pub fn new(first: Arc<Sampler>) -> Self {
        Self(RwLock::new(first))
    }

    /// Puts another in its place. Scrapes under way are answered by the old one, which ends after them.
    pub fn replace(&self, new: Arc<Sampler>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    fn current(&self) -> Arc<Sampler> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Scrape for Live {
    fn snapshot(&self, wanted: Wanted) -> oneshot::Receiver<Arc<Snapshot>> {
        self.current().snapshot(wanted)
    }

    fn ready(&self) -> bool {
        self.current().ready()
    }

    fn collectors(&self) -> Arc<[CollectorInfo]> {
        self.current().collectors()
    }
}

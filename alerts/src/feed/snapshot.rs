//! Takes in the readings of the exporter in the same process, as if it had been scraped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidegauge_model::exposition::Kind;
use tidegauge_model::metric::{Family, MetricKind};
use tidegauge_model::snapshot::Snapshot;
use tidegauge_promql::Timestamp;

use super::cycle::End;
use super::error::ScrapeError;
use super::series::{Outcome, Series};
use super::settings::HostFeed;
use super::snapshot_keys::SnapshotKeys;
use super::target_loop::Collect;

/// An answer that comes later.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Option<Arc<Snapshot>>> + Send + 'a>>;

/// The exporter in the same process.
pub trait Source: Send + Sync {
    /// A new reading; `None` where there is none for the exporter is about to end. Waited for no longer than
    /// the time-out of the feed.
    fn snapshot(&self) -> Reading<'_>;
}

/// The feed of the exporter in the same process.
pub(super) struct SnapshotFeed {
    source: Arc<dyn Source>,
    settings: HostFeed,
    series: Series,
    keys: SnapshotKeys,
}

impl SnapshotFeed {
    pub fn new(source: Arc<dyn Source>, settings: HostFeed, series: Series) -> Self {
        Self {
            source,
            settings,
            series,
            keys: SnapshotKeys::new(),
        }
    }

    fn take_in(&mut self, snapshot: &Snapshot) -> Outcome {
        self.keys.restart();
        let mut failure = None;
        for family in snapshot.families().filter(|f| !f.samples.is_empty()) {
            self.describe(family);
            if let Err(error) = self.samples(family) {
                failure = Some(error);
                break;
            }
        }
        let end = if failure.is_some() {
            End::Refused
        } else {
            End::Whole
        };
        self.end(end, failure)
    }

    fn samples(&mut self, family: &Family) -> Result<(), ScrapeError> {
        for sample in &family.samples {
            let value = sample.value.as_f64();
            let slot = match self.keys.find(family.spec, &sample.labels) {
                Some(slot) => {
                    self.series.cycle.record(slot, value, None);
                    slot
                }
                None => {
                    let labels: Vec<_> = sample.labels.iter().collect();
                    let created = self
                        .series
                        .create(family.spec.name, &labels, value, None, 0)?;
                    let Some(slot) = created else {
                        continue;
                    };
                    self.keys.insert(slot, family.spec, &sample.labels);
                    slot
                }
            };
            self.keys.follow(slot);
        }
        Ok(())
    }

    fn end(&mut self, end: End, error: Option<ScrapeError>) -> Outcome {
        let keys = &mut self.keys;
        self.series.end(end, error, |slot| keys.remove(slot))
    }

    /// As OpenMetrics would have told it.
    fn describe(&mut self, family: &Family) {
        let spec = family.spec;
        let (suffix, kind) = match spec.kind {
            MetricKind::Counter => ("_total", Kind::Counter),
            MetricKind::Gauge => ("", Kind::Gauge),
            MetricKind::Info => ("_info", Kind::Info),
        };
        let name = spec.name.strip_suffix(suffix).unwrap_or(spec.name);
        let mut metadata = self.series.metadata();
        metadata.set_kind(name, kind);
        metadata.set_help(name, spec.help);
    }
}

impl Collect for SnapshotFeed {
    type Settings = HostFeed;

    fn replace(&mut self, settings: HostFeed) {
        self.settings = settings;
    }

    fn interval(&self) -> Duration {
        self.settings.interval
    }

    async fn collect(&mut self, time: Timestamp) -> Outcome {
        self.series.cycle.begin(time);
        let limit = self.settings.timeout;
        let source = Arc::clone(&self.source);
        match tokio::time::timeout(limit, source.snapshot()).await {
            Ok(Some(snapshot)) => self.take_in(&snapshot),
            Ok(None) => self.end(End::Lost, Some(ScrapeError::NoReading)),
            Err(_) => self.end(End::Lost, Some(ScrapeError::Timeout { limit })),
        }
    }

    fn series(&mut self) -> &mut Series {
        &mut self.series
    }
}

#[cfg(test)]
mod tests;

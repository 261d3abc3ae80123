//! The series of a target: how they come from labels, and what is reported of each scrape beside them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegauge_promql::{Labels, STALE, Sample, Timestamp};

use super::cycle::{Counts, Cycle, End, Options, Slot};
use super::error::ScrapeError;
use super::exposed::{Exposed, Told};
use super::labels::Joiner;
use super::limits::LabelLimits;
use super::metadata::Metadata;

/// What Prometheus adds to each scrape, in its order.
pub(super) const REPORTS: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// What came of a scrape.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub counts: Counts,
    pub error: Option<ScrapeError>,
}

/// The series of a target over its scrapes.
#[derive(Debug)]
pub(super) struct Series {
    pub cycle: Cycle,
    joiner: Joiner,
    limits: LabelLimits,
    sample_limit: Option<u64>,
    exposed: Exposed,
    metadata: Arc<Mutex<Metadata>>,
    reports: [Labels; REPORTS.len()],
}

impl Series {
    pub fn new(joiner: Joiner, metadata: Arc<Mutex<Metadata>>) -> Self {
        let reports = REPORTS.map(|name| joiner.of_target(name));
        Self {
            cycle: Cycle::new(Options::default()),
            joiner,
            limits: LabelLimits::default(),
            sample_limit: None,
            exposed: Exposed::default(),
            metadata,
            reports,
        }
    }

    /// Other limits from the next scrape on.
    pub fn set_limits(&mut self, limits: LabelLimits, options: Options) {
        self.limits = limits;
        self.sample_limit = options.sample_limit;
        self.cycle.set_options(options);
    }

    pub fn metadata(&self) -> MutexGuard<'_, Metadata> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A series that is not known yet; what is wrong with it fails the scrape. `None` where it is one too many.
    pub fn create<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        metric: &str,
        labels: &[(N, V)],
        value: f64,
        explicit: Option<Timestamp>,
        line: usize,
    ) -> Result<Option<Slot>, ScrapeError> {
        let joined = self.joiner.join(metric, labels).map_err(|repeated| {
            self.cycle.count_wrong();
            ScrapeError::Series {
                line,
                reason: format!("label name {:?} is not unique", repeated.0),
            }
        })?;
        if let Err(error) = self.limits.check(&joined) {
            self.cycle.count_wrong();
            return Err(error);
        }
        let watched = Exposed::is_watched(&joined);
        let slot = self.cycle.create(joined.clone(), watched, value, explicit);
        if slot.is_some() {
            self.exposed.created(&joined);
        }
        Ok(slot)
    }

    /// The scrape ends, in this way or for what is wrong with it. `gone` is told whose numbers are free again.
    pub fn end(
        &mut self,
        mut end: End,
        mut error: Option<ScrapeError>,
        mut gone: impl FnMut(Slot),
    ) -> Outcome {
        let over = self.cycle.is_over_limit();
        let exposed = &mut self.exposed;
        if end == End::Whole && over {
            end = End::Refused;
        }
        let counts = self.cycle.end(end, |slot, labels| {
            gone(slot);
            exposed.gone(labels);
        });
        if end == End::Whole {
            exposed.end(self.cycle.watched());
        }
        if error.is_none() && end == End::Refused {
            error = Some(ScrapeError::SampleLimit {
                scraped: counts.scraped,
                limit: self.sample_limit.unwrap_or_default(),
            });
        }
        self.metadata().end(end == End::Whole);
        Outcome { counts, error }
    }

    /// Adds what is reported of a scrape that has ended.
    pub fn report(&mut self, outcome: &Outcome, took: Duration) {
        let up = if outcome.error.is_none() { 1.0 } else { 0.0 };
        let counts = outcome.counts;
        #[expect(
            clippy::cast_precision_loss,
            reason = "as Prometheus holds them; there are never that many"
        )]
        let [scraped, kept, added] = [counts.scraped, counts.kept, counts.added].map(|n| n as f64);
        let values = [up, took.as_secs_f64(), scraped, kept, added];
        for (labels, value) in self.reports.iter().zip(values) {
            self.cycle.report(labels, value);
        }
    }

    /// The target is gone: marks for all that it had, of this time.
    pub fn retire(&mut self, time: Timestamp) {
        self.cycle.begin(time);
        self.cycle.end(End::Lost, |_, _| {});
        for labels in &self.reports {
            self.cycle.report(labels, STALE);
        }
    }

    /// Takes the store's copies of the labels of series that came up in this scrape: after a restart it knows them all.
    pub fn adopt(&mut self, copy_of: impl Fn(&Labels) -> Option<Labels>) {
        self.cycle.adopt(copy_of);
    }

    /// What goes to the store after the scrape.
    pub fn batch(&self) -> &[(Labels, Sample)] {
        self.cycle.batch()
    }

    pub fn told(&self) -> Told {
        self.exposed.told()
    }
}

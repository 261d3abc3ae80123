//! What several tests of the feeds stand on.

use std::sync::{Arc, Mutex};

use tidegauge_promql::{Labels, MemoryStorage, Sample, Samples, Storage, Timestamp};
use tokio::time::Instant;

use super::target_loop::Surroundings;
use crate::clock::Clock;
use crate::store::{Append, Appended};

/// What tokio's paused clock shows when a test begins, in milliseconds since 1970.
pub(super) const START: Timestamp = 1_700_000_000_000;

/// Goes with tokio's clock, and can be set.
pub(super) struct TestClock {
    began: Instant,
    set: Mutex<Timestamp>,
}

impl TestClock {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            set: Mutex::new(START),
        }
    }

    /// The clock jumps by so many milliseconds.
    pub fn jump(&self, by: Timestamp) {
        *self.set.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = Timestamp::try_from(self.began.elapsed().as_millis()).unwrap();
        *self.set.lock().unwrap() + passed
    }
}

/// A store that remembers the batches, too.
#[derive(Default)]
pub(super) struct Recorder {
    pub memory: MemoryStorage,
    pub batches: Mutex<Vec<Vec<(Labels, Sample)>>>,
}

impl Append for Recorder {
    fn append(&self, batch: &[(Labels, Sample)]) -> Appended {
        self.batches.lock().unwrap().push(batch.to_vec());
        Append::append(&self.memory, batch)
    }
}

impl Recorder {
    /// The last batch, as text: each series with time and value, in order.
    pub fn last(&self) -> Vec<String> {
        let batches = self.batches.lock().unwrap();
        batches.last().map(|b| lines(b)).unwrap_or_default()
    }

    /// All samples of a series, as `time value`, times from [`START`] on.
    pub fn samples(&self, name: &str) -> Vec<String> {
        let all = self
            .memory
            .select(&[], Timestamp::MIN, Timestamp::MAX)
            .unwrap();
        let mut found: Vec<String> = Vec::new();
        for series in all.iter().filter(|s| s.labels().name() == name) {
            let mut samples = Samples::default();
            series.read(Timestamp::MIN, Timestamp::MAX, &mut samples);
            found.extend(
                samples
                    .iter()
                    .map(|s| format!("{} {}", s.time - START, value(s.value))),
            );
        }
        found
    }
}

pub(super) fn value(value: f64) -> String {
    if tidegauge_promql::is_stale(value) {
        "stale".to_owned()
    } else {
        value.to_string()
    }
}

/// Each as `series time value`, without what is reported of a scrape's duration.
pub(super) fn lines(batch: &[(Labels, Sample)]) -> Vec<String> {
    batch
        .iter()
        .filter(|(labels, _)| labels.name() != "scrape_duration_seconds")
        .map(|(labels, s)| format!("{labels} {} {}", s.time, value(s.value)))
        .collect()
}

/// A store and a clock.
pub(super) fn surroundings() -> (Surroundings, Arc<Recorder>, Arc<TestClock>) {
    let (store, clock) = (Arc::new(Recorder::default()), Arc::new(TestClock::new()));
    let around = Surroundings {
        store: Arc::clone(&store) as _,
        clock: Arc::clone(&clock) as _,
    };
    (around, store, clock)
}

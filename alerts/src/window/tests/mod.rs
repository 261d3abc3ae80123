//! The window as a whole.

mod clock_jumps;
mod concurrency;
mod crashes;
mod damage;
mod limits;
mod lookup;
mod model;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use tidegauge_promql::{METRIC_NAME, MatchOp, Samples};

use super::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const START: Timestamp = 1_790_000_000_000;

/// A clock that is set.
#[derive(Debug)]
struct TestClock(AtomicI64);

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START)))
    }

    fn advance(&self, by: i64) -> Timestamp {
        self.0.fetch_add(by, Ordering::Relaxed) + by
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.load(Ordering::Relaxed)
    }
}

fn roomy(retention: i64) -> Settings {
    Settings {
        retention: Duration::from_millis(retention as u64),
        max_bytes: usize::MAX,
        max_series: usize::MAX,
    }
}

fn labels(name: &str, number: usize) -> Labels {
    Labels::new([(METRIC_NAME, name), ("number", &number.to_string())])
}

fn named(name: &str) -> Vec<Matcher> {
    vec![Matcher::new(MatchOp::Equal, METRIC_NAME, name)]
}

/// Times and bits of values by series.
type Content = BTreeMap<Labels, Vec<(Timestamp, u64)>>;

fn content(window: &Window) -> Content {
    let all = window
        .select(&[], Timestamp::MIN, Timestamp::MAX)
        .expect("a window in memory always answers");
    all.iter()
        .map(|series| {
            let mut samples = Samples::default();
            series.read(Timestamp::MIN, Timestamp::MAX, &mut samples);
            let bits = samples.iter().map(|s| (s.time, s.value.to_bits()));
            (series.labels().clone(), bits.collect())
        })
        .collect()
}

/// Has a snapshot taken at the next occasion.
fn snapshot_is_due(window: &Window) {
    let disk = window.disk.as_ref().unwrap();
    disk.lock().unwrap().due();
}

/// That what is counted is what is there.
fn check_weight(window: &Window) {
    let stats = window.stats();
    let content = content(window);
    let samples: usize = content.values().map(Vec::len).sum();
    assert_eq!(stats.samples, samples as u64);
    assert_eq!(stats.series, content.len() as u64);
    let state = window.read();
    let bytes: usize = state
        .index
        .range(0..usize::MAX)
        .map(|series| series.weight().bytes)
        .sum();
    assert_eq!(stats.series_bytes, bytes as u64);
    let newest = content.values().filter_map(|s| s.last()).map(|s| s.0).max();
    // That of a series that is forgotten may have been newer.
    assert!(stats.newest >= newest);
}

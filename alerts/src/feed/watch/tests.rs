use std::sync::Mutex;

use tidegauge_promql::{MemoryStorage, Query, STALE, Sample};

use super::*;

/// Milliseconds.
const NOW: Timestamp = 1_700_000_000_000;

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// Nothing is down, and these could not be read.
#[derive(Default)]
struct Told(Mutex<Vec<Labels>>);

impl Health for Told {
    fn is_down(&self, _: Subject<'_>) -> bool {
        false
    }

    fn unread(&self, subject: Subject<'_>) -> Vec<Labels> {
        let all = self.0.lock().unwrap();
        let of_it = all.iter().filter(|labels| subject.may_be_of(labels));
        of_it.cloned().collect()
    }
}

struct Bench {
    told: Arc<Told>,
    store: Arc<MemoryStorage>,
    watch: Watch,
}

impl Bench {
    fn new() -> Self {
        let (told, store) = (Arc::new(Told::default()), Arc::new(MemoryStorage::new()));
        let watch = Watch::new(told.clone(), store.clone(), Arc::new(Standing));
        Self { told, store, watch }
    }

    fn unread(&self, labels: &[(&str, &str)]) {
        let labels = Labels::new(labels.iter().copied());
        self.told.0.lock().unwrap().push(labels);
    }

    /// A metric's series, still there or gone.
    fn shows(&self, name: &str, labels: &[(&str, &str)], there: bool) {
        let named = Labels::new(labels.iter().copied()).with("__name__", name);
        let put = |time, value| assert!(self.store.append(&named, Sample { time, value }));
        put(NOW - 60_000, 1.0);
        if !there {
            put(NOW - 30_000, STALE);
        }
    }

    fn holds(&self, expression: &str, labels: &[(&str, &str)]) -> bool {
        let query = Query::parse(expression).unwrap();
        self.watch.is_down(Source {
            labels: &Labels::new(labels.iter().copied()),
            selectors: query.selectors(),
        })
    }
}

#[test]
fn what_is_unread_and_not_there_holds() {
    let bench = Bench::new();
    bench.unread(&[("tier", "cold")]);
    bench.shows("used", &[("tier", "cold")], false);
    bench.shows("used", &[("tier", "hot")], true);
    assert!(bench.holds("used > 0.9", &[("tier", "cold")]));
    assert!(!bench.holds("used > 0.9", &[("tier", "hot")]));
    assert!(!bench.holds("used{tier=~\"h.*\"} > 0.9", &[]));
    // One of several went.
    assert!(bench.holds("count(used > 0.9) > 1", &[]));
    // Long gone from the store: its own labels still tell that it is missing.
    assert!(bench.holds("size > 0.9", &[("tier", "cold")]));
}

#[test]
fn what_is_there_all_the_same_does_not_hold() {
    let bench = Bench::new();
    bench.unread(&[("uuid", "u"), ("part", "scrub")]);
    bench.shows("errors", &[("uuid", "u"), ("device", "a")], true);
    assert!(!bench.holds("errors > 0", &[("uuid", "u"), ("device", "a")]));
    assert!(bench.holds("errors > 0", &[("uuid", "u"), ("device", "b")]));
}

#[test]
fn after_the_clock_was_put_back_what_is_found_is_of_the_past() {
    let bench = Bench::new();
    bench.shows("used", &[("tier", "hot")], true);
    assert!(!bench.holds("used > 0.9", &[("tier", "hot")]));
    let later = Labels::new([("__name__", "used"), ("tier", "hot")]);
    let time = NOW + 3_600_000;
    assert!(bench.store.append(&later, Sample { time, value: 1.0 }));
    assert!(bench.holds("used > 0.9", &[("tier", "hot")]));
    assert!(!bench.holds("used > 0.9", &[("tier", "cold")]));
}

#[test]
fn one_that_was_never_there_holds_no_sum_of_others() {
    let bench = Bench::new();
    bench.unread(&[("device", "asleep")]);
    bench.shows("heat", &[("device", "a")], true);
    assert!(!bench.holds("max(heat) > 60", &[]));
    assert!(!bench.holds("heat > 60", &[("device", "a")]));
}

//! PromQL over some series: a range has at each step what a query at that time has, and limits hold.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tidegauge_promql::{
    Answer, Error, Labels, MemoryStorage, Options, Query, STALE, Sample, Timestamp, Value,
    ValueKind, almost_equal,
};

const STEP: Timestamp = 15_000;
const END: Timestamp = 40 * STEP;

static STORED: LazyLock<MemoryStorage> = LazyLock::new(|| {
    let storage = MemoryStorage::new();
    let add = |labels: &[(&str, &str)], value: &dyn Fn(f64) -> Option<f64>| {
        let labels = Labels::new(labels.iter().copied());
        for n in 0..40_i32 {
            if let Some(value) = value(f64::from(n)) {
                let time = Timestamp::from(n) * STEP;
                assert!(storage.append(&labels, Sample { time, value }));
            }
        }
    };
    for job in ["a", "b"] {
        add(&[("__name__", "m"), ("job", job)], &|n| Some(n - 9.0));
        add(&[("__name__", "m"), ("job", job), ("i", "1")], &|n| {
            (n % 5.0 > 1.0).then_some(if n > 30.0 { STALE } else { n })
        });
        add(&[("__name__", "c_total"), ("job", job)], &|n| {
            Some(n % 13.0)
        });
        for le in ["0.5", "1", "+Inf"] {
            let share = if le == "1" { 2.0 } else { 3.0 };
            let labels = [("__name__", "h_bucket"), ("job", job), ("le", le)];
            add(&labels, &|n| Some(n * share));
        }
    }
    add(&[("__name__", "s"), ("kind", "nan")], &|_| Some(f64::NAN));
    add(&[("__name__", "s"), ("kind", "inf")], &|_| {
        Some(f64::INFINITY)
    });
    storage
});

/// Of one step, the value by labels.
type At = BTreeMap<Labels, f64>;

fn at_once(answer: Answer) -> Option<At> {
    match answer.value {
        Value::Scalar(sample) => Some(At::from([(Labels::empty(), sample.value)])),
        Value::Vector(vector) => Some(
            vector
                .into_iter()
                .map(|one| (one.labels, one.sample.value))
                .collect(),
        ),
        Value::String(_) | Value::Matrix(_) => None,
    }
}

fuzz_target!(|text: &str| {
    let Ok(query) = Query::parse(text) else {
        return;
    };
    let asked = AtomicU32::new(0);
    let interrupt = || asked.fetch_add(1, Ordering::Relaxed) > 200;
    let options = Options {
        max_samples: 100_000,
        interrupt: &interrupt,
        ..Options::default()
    };
    let storage = &*STORED;
    let step = Duration::from_millis(STEP as u64 * 4);
    let range = query.range(storage, 0, END, step, &options);
    if !matches!(query.kind(), ValueKind::Scalar | ValueKind::Vector) {
        assert!(range.is_err(), "{text}");
        let _ = query.instant(storage, END, &options);
        return;
    }
    let Ok(Answer {
        value: Value::Matrix(range),
        ..
    }) = range
    else {
        return;
    };
    // These are other times in a range than at one of its steps.
    if ["start", "end"].iter().any(|word| text.contains(word)) {
        return;
    }
    let mut steps: BTreeMap<Timestamp, At> = BTreeMap::new();
    for series in range {
        for sample in series.samples.iter() {
            assert!((0..=END).contains(&sample.time) && sample.time % (STEP * 4) == 0);
            let twice = steps
                .entry(sample.time)
                .or_default()
                .insert(series.labels.clone(), sample.value);
            assert!(twice.is_none(), "{text}: two of {}", series.labels);
        }
    }
    for time in (0..=END).step_by(STEP as usize * 4) {
        match query.instant(storage, time, &options) {
            Ok(answer) => {
                let at = at_once(answer).expect("its kind says so");
                let of_range = steps.remove(&time).unwrap_or_default();
                let same = at.len() == of_range.len()
                    && at.iter().zip(&of_range).all(|((labels, a), (others, b))| {
                        labels == others && almost_equal(*a, *b, 1e-6)
                    });
                assert!(
                    same,
                    "{text} at {time}: {at:?}, and in the range {of_range:?}"
                );
            }
            Err(Error::TimedOut) => return,
            Err(error) => panic!("{text} at {time}: {error}, and the range has none"),
        }
    }
});

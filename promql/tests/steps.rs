//! What must hold of any expression: a query over a range has at each step what a query at that time has, and
//! the order in which a store gives its series changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tidegauge_promql::{
    Error, Labels, Matcher, MemoryStorage, Options, Query, STALE, Sample, Series, Storage,
    StorageError, Timestamp, Value,
};

/// Values that add up exactly in any order.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-8_i32..8).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(STALE),
    ]
}

/// Series of two metrics over some minutes, with gaps.
fn stored() -> impl Strategy<Value = Vec<(Labels, Vec<Sample>)>> {
    let labels = (0_usize..2, 0_usize..3, 0_usize..3);
    let samples = prop::collection::btree_map(0_i64..60, value(), 0..25);
    prop::collection::btree_map(labels, samples, 0..9).prop_map(|series| {
        let named = series.into_iter().map(|((metric, a, b), samples)| {
            let labels = Labels::new([
                ("__name__", ["m", "n_total"][metric]),
                ("a", ["x", "y", ""][a]),
                ("b", ["1", "2", ""][b]),
            ]);
            let samples = samples.into_iter().map(|(time, value)| Sample {
                time: time * 10_000,
                value,
            });
            (labels, samples.collect())
        });
        named.collect()
    })
}

fn storage(series: &[(Labels, Vec<Sample>)]) -> MemoryStorage {
    let storage = MemoryStorage::new();
    for (labels, samples) in series {
        for sample in samples {
            storage.append(labels, *sample);
        }
    }
    storage
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_map(str::to_owned)
}

/// Expressions that have a vector.
fn vector() -> impl Strategy<Value = String> {
    let leaf = one_of(&[
        "m",
        "n_total",
        r#"m{a="x"}"#,
        r#"{__name__=~"m|n_total",b!="1"}"#,
        "m offset 1m",
        "m offset -30s",
        "m @ 200",
        "n_total @ 300 offset 1m",
        "rate(n_total[1m])",
        "sum_over_time(m[90s] offset 20s)",
        "max_over_time(m[2m] @ 400)",
        "last_over_time(m[45s])",
        "vector(time())",
        "minute()",
        "timestamp(m)",
        r#"absent(m{a="y"})"#,
        "absent_over_time(n_total[30s])",
    ]);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let unary = one_of(&[
            "-(?)",
            "abs(?)",
            "clamp((?), -2, scalar(m))",
            "timestamp(?)",
            "(?) * 2",
            "3 - (?)",
            "(?) > 1",
            "2 <= bool (?)",
            "time() < (?)",
            "sum(?)",
            "avg by (a) (?)",
            "count without (b) (?)",
            "max by (a, b) (?)",
            "stddev(?)",
            "quantile by (a) (0.3, (?))",
            "topk by (a) (1, (?))",
            "bottomk(2, (?))",
            "limitk(2, (?))",
            "limit_ratio(0.5, (?))",
            r#"count_values by (a) ("v", (?))"#,
            r#"label_replace((?), "c", "$1-", "a", "(.*)")"#,
            r#"label_join((?), "a", "-", "b", "a")"#,
            "vector(scalar(?))",
            "absent(?)",
            "(?) @@",
            "max_over_time((?)[2m:20s])",
            "sum_over_time((?)[100s:30s] offset 10s)",
            "count_over_time((?)[1m:] @ 300)",
            "histogram_quantile(0.5, label_replace((?), \"le\", \"$1\", \"b\", \"(.*)\"))",
        ]);
        let binary = one_of(&[
            "(?) + (!)",
            "(?) / on(a) group_left () (!)",
            "(?) - on(a) (!)",
            "(?) == ignoring(b) group_right(b) (!)",
            "(?) > bool on(a, b) (!)",
            "(?) + on(a) fill(3) (!)",
            "(?) and (!)",
            "(?) or (!)",
            "(?) or on(a) (!)",
            "(?) unless on(b) (!)",
            "(?) atan2 on(a) fill_left(0) (!)",
        ]);
        prop_oneof![
            3 => (unary, inner.clone())
                .prop_map(|(form, inner)| form.replace("(?) @@", "(?)").replace('?', &inner)),
            2 => (binary, inner.clone(), inner).prop_map(|(form, left, right)| {
                form.replace('!', "\0").replace('?', &left).replace('\0', &right)
            }),
        ]
    })
}

/// Values by labels; NaN by one of its bit patterns.
type Seen = BTreeMap<Labels, u64>;

fn bits(value: f64) -> u64 {
    let value = if value.is_nan() { f64::NAN } else { value };
    // Sums of nothing but zeros may have either sign.
    (value + 0.0).to_bits()
}

fn at(value: &Value, time: Timestamp) -> Seen {
    match value {
        Value::Vector(samples) => samples
            .iter()
            .map(|member| (member.labels.clone(), bits(member.sample.value)))
            .collect(),
        Value::Matrix(series) => series
            .iter()
            .filter_map(|series| {
                let sample = series.samples.iter().find(|sample| sample.time == time)?;
                Some((series.labels.clone(), bits(sample.value)))
            })
            .collect(),
        Value::Scalar(_) | Value::String(_) => Seen::new(),
    }
}

/// Gives series in the opposite order.
struct Reversed(MemoryStorage);

impl Storage for Reversed {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let mut series = self.0.select(matchers, from, to)?;
        series.sort_by(|a, b| b.labels().cmp(a.labels()));
        Ok(series)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_range_is_its_instants(
        series in stored(), text in vector(), from in 0_i64..500, step in 1_i64..90, count in 1_i64..12,
    ) {
        let storage = storage(&series);
        let query = Query::parse(&text).unwrap();
        let options = Options::default();
        let (from, step) = (from * 1000, step * 1000);
        let to = from + step * (count - 1);
        let range = query.range(&storage, from, to, Duration::from_millis(step as u64), &options);
        for time in (from..=to).step_by(step as usize) {
            let instant = query.instant(&storage, time, &options);
            match (&range, &instant) {
                (Ok(range), Ok(instant)) => {
                    prop_assert_eq!(at(&range.value, time), at(&instant.value, time), "{} at {}", text, time);
                }
                // What is wrong at one time is wrong with the range. The opposite need not be.
                (Ok(_), Err(error)) => prop_assert!(false, "{text} at {time}: {error}"),
                (Err(error), _) => prop_assert!(matches!(error, Error::Execution(_)), "{error}"),
            }
        }
    }

    #[test]
    fn order_changes_nothing(series in stored(), text in vector(), time in 0_i64..600) {
        let there = storage(&series);
        let mut back = series.clone();
        back.reverse();
        let back = Reversed(storage(&back));
        let query = Query::parse(&text).unwrap();
        let options = Options::default();
        let time = time * 1000;
        let (there, back) = (query.instant(&there, time, &options), query.instant(&back, time, &options));
        match (there, back) {
            (Ok(there), Ok(back)) => {
                let (there, back) = (at(&there.value, time), at(&back.value, time));
                for (labels, value) in &there {
                    let (value, other) = (f64::from_bits(*value), back.get(labels).map(|b| f64::from_bits(*b)));
                    let close = other.is_some_and(|other| {
                        value == other || value.is_nan() && other.is_nan() || (value - other).abs() < 1e-9
                    });
                    prop_assert!(close, "{text}: {labels} {value} {other:?}");
                }
                prop_assert_eq!(there.len(), back.len());
            }
            // Of several things that are wrong it may be another one.
            (Err(Error::Execution(_)), Err(Error::Execution(_))) => {}
            (there, back) => prop_assert!(false, "{text}: {there:?} {back:?}"),
        }
    }
}

//! Quantiles and fractions of classic histograms (upstream's `BucketQuantile` and `BucketFraction` in
//! `promql/quantile.go`).

use crate::almost::almost_equal;

/// A bucket of a classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its upper bound, included; never NaN.
    pub upper: f64,
    /// How many observations are not above the bound, those of lower buckets included.
    pub count: f64,
}

/// A quantile, and what had to be mended to find it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// The quantile. NaN without observations, with fewer than two buckets, or without one for +Inf.
    pub value: f64,
    /// Whether counts decreased from one bucket to a higher one, by more than what rounding explains, and were
    /// raised.
    pub forced_monotonic: bool,
}

impl From<f64> for Quantile {
    fn from(value: f64) -> Self {
        Self {
            value,
            forced_monotonic: false,
        }
    }
}

/// Differences between counts that are no larger, relative to their sum, are taken for rounding.
const ROUNDING: f64 = 1e-12;

/// The q-quantile, assuming that observations lie evenly within a bucket. The lowest bucket begins at 0 unless its
/// bound is below; of the highest, which has no end, the lower bound is given. The buckets may come in any
/// order; they are left sorted and mended.
pub fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> Quantile {
    if q.is_nan() {
        return f64::NAN.into();
    }
    if q < 0.0 {
        return f64::NEG_INFINITY.into();
    }
    if q > 1.0 {
        return f64::INFINITY.into();
    }
    if !prepare(buckets) {
        return f64::NAN.into();
    }
    let forced_monotonic = make_monotonic(buckets);
    Quantile {
        value: interpolate(q, buckets),
        forced_monotonic,
    }
}

fn interpolate(q: f64, buckets: &[Bucket]) -> f64 {
    let [finite @ .., last] = buckets else {
        return f64::NAN;
    };
    let Some(highest) = finite.last() else {
        return f64::NAN;
    };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * last.count;
    // Counted as upstream does: with a NaN among the counts no bucket is found, and it is the last.
    let index = first_at_least(finite, rank);
    let Some(bucket) = finite.get(index) else {
        return highest.upper;
    };
    match index.checked_sub(1).map(|before| finite[before]) {
        None if bucket.upper <= 0.0 => bucket.upper,
        None => bucket.upper * (rank / bucket.count),
        Some(before) => {
            let share = (rank - before.count) / (bucket.count - before.count);
            before.upper + (bucket.upper - before.upper) * share
        }
    }
}

fn first_at_least(buckets: &[Bucket], rank: f64) -> usize {
    let (mut low, mut high) = (0, buckets.len());
    while low < high {
        let middle = low.midpoint(high);
        if buckets[middle].count >= rank {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The fraction of observations between two values, found as [`quantile`] does. NaN without observations, or
/// without a bucket for +Inf; 0 unless `lower` is below `upper`. The buckets are left sorted.
pub fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !prepare(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |bucket| bucket.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let limited = |rank: Option<f64>| match rank {
        Some(rank) if rank > count => count,
        Some(rank) => rank,
        None => count,
    };
    (limited(rank_of(upper, buckets)) - limited(rank_of(lower, buckets))) / count
}

/// How many observations are below a value; none where it is above all bounds.
fn rank_of(value: f64, buckets: &[Bucket]) -> Option<f64> {
    let first = buckets.first()?;
    let mut below = Bucket {
        upper: if first.upper > 0.0 {
            0.0
        } else {
            f64::NEG_INFINITY
        },
        count: 0.0,
    };
    for bucket in buckets {
        if below.upper >= value {
            return Some(below.count);
        }
        if bucket.upper > value {
            // Nothing can be said of where observations lie in a bucket without a lower bound: all are below. In one
            // without an upper bound the share is 0: none are.
            return Some(if below.upper == f64::NEG_INFINITY {
                bucket.count
            } else {
                below.count
                    + (bucket.count - below.count) * (value - below.upper)
                        / (bucket.upper - below.upper)
            });
        }
        below = *bucket;
    }
    None
}

/// Sorts buckets and joins those of equal bounds; whether the highest is that for +Inf.
fn prepare(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
    buckets.last().is_some_and(|b| b.upper == f64::INFINITY)
}

/// Raises counts that are below those of lower buckets: scrapes are no transactions, and rates of buckets are
/// rounded. Whether any was, by more than what rounding explains.
fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut forced = false;
    let mut highest = f64::NEG_INFINITY;
    for (index, bucket) in buckets.iter_mut().enumerate() {
        if index == 0 {
            highest = bucket.count;
        } else if almost_equal(highest, bucket.count, ROUNDING) {
            bucket.count = highest;
        } else if bucket.count < highest {
            bucket.count = highest;
            forced = true;
        } else {
            highest = bucket.count;
        }
    }
    forced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs
            .iter()
            .map(|&(upper, count)| Bucket { upper, count })
            .collect()
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn evenly_within_a_bucket() {
        let of = |q| quantile(q, &mut buckets(&[(INF, 10.0), (1.0, 4.0), (2.0, 8.0)])).value;
        assert_eq!(of(0.0), 0.0);
        assert_eq!(of(0.2), 0.5);
        assert_eq!(of(0.6), 1.5);
        assert_eq!(of(0.9), 2.0);
        assert_eq!(of(1.0), 2.0);
        assert_eq!(of(-1.0), -INF);
        assert_eq!(of(1.5), INF);
        assert!(of(f64::NAN).is_nan());
    }

    #[test]
    fn nothing_to_say() {
        for pairs in [
            &[][..],
            &[(INF, 10.0)],
            &[(1.0, 0.0), (INF, 0.0)],
            &[(1.0, 1.0), (2.0, 2.0)],
        ] {
            assert!(quantile(0.5, &mut buckets(pairs)).value.is_nan());
            if pairs.len() != 1 {
                assert!(fraction(0.0, 1.0, &mut buckets(pairs)).is_nan());
            }
        }
    }

    #[test]
    fn lowest_bucket_below_zero() {
        let pairs = [(-1.0, 4.0), (0.0, 8.0), (INF, 8.0)];
        assert_eq!(quantile(0.3, &mut buckets(&pairs)).value, -1.0);
        assert_eq!(quantile(0.75, &mut buckets(&pairs)).value, -0.5);
        assert_eq!(fraction(-INF, -0.5, &mut buckets(&pairs)), 0.75);
        assert_eq!(fraction(-7.0, -0.5, &mut buckets(&pairs)), 0.25);
    }

    #[test]
    fn equal_bounds_are_joined_and_counts_made_monotonic() {
        let mut joined = buckets(&[(1.0, 2.0), (1.0, 2.0), (2.0, 3.0), (INF, 8.0)]);
        let answer = quantile(0.5, &mut joined);
        assert!(answer.forced_monotonic);
        assert_eq!(answer.value, 1.0);
        let mut rounded = buckets(&[(1.0, 4.0), (2.0, 3.999_999_999_999_999), (INF, 8.0)]);
        assert!(!quantile(0.5, &mut rounded).forced_monotonic);
        assert_eq!(rounded[1].count, 4.0);
    }

    #[test]
    fn fractions() {
        let of = |lower, upper| {
            let mut known = buckets(&[(1.0, 4.0), (2.0, 8.0), (INF, 10.0)]);
            fraction(lower, upper, &mut known)
        };
        assert_eq!(of(0.0, 1.0), 0.4);
        assert_eq!(of(0.5, 1.5), 0.4);
        assert_eq!(of(1.0, INF), 0.6);
        assert_eq!(of(-INF, INF), 1.0);
        assert_eq!(of(2.0, 1.0), 0.0);
        assert_eq!(of(3.0, 9.0), 0.0);
        assert!(of(f64::NAN, 1.0).is_nan());
    }

    proptest! {
        #[test]
        fn fraction_up_to_the_quantile(
            counts in proptest::collection::vec(1.0..50.0f64, 2..8), q in 0.0..1.0f64,
        ) {
            let mut total = 0.0;
            let mut known = Vec::new();
            for (index, count) in counts.iter().enumerate() {
                total += count;
                known.push(Bucket { upper: 1.0 + index as f64, count: total });
            }
            known.push(Bucket { upper: INF, count: total });
            let value = quantile(q, &mut known).value;
            prop_assert!((fraction(0.0, value, &mut known) - q).abs() < 1e-9);
        }

        #[test]
        fn any_buckets_are_no_panic(
            pairs in proptest::collection::vec(any::<(f64, f64)>(), 0..8), q in any::<f64>(),
        ) {
            let pairs: Vec<_> = pairs.into_iter().filter(|(upper, _)| !upper.is_nan()).collect();
            quantile(q, &mut buckets(&pairs));
            fraction(q, 1.0, &mut buckets(&pairs));
        }
    }
}

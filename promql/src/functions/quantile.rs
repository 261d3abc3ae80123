//! Quantiles of plain values, for `quantile_over_time` and the aggregation `quantile`.

use std::cmp::Ordering;

/// The q-quantile, between two values by their distance (upstream's `quantile` in `promql/quantile.go`). NaN counts
/// as less than all. NaN of no values or a q that is NaN; -Inf for a q below 0, +Inf for one above 1. Leaves the
/// values in another order.
pub fn quantile_of(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (values.len() - 1) as f64;
    let below = rank.floor();
    let weight = rank - below;
    // Within bounds: q is at most 1.
    let index = (below as usize).min(values.len() - 1);
    let (_, &mut lower, rest) = values.select_nth_unstable_by(index, nan_first);
    let upper = rest.iter().copied().min_by(nan_first).unwrap_or(lower);
    // Not folded: 0 times infinity is NaN here as it is upstream.
    lower * (1.0 - weight) + upper * weight
}

/// The median, NaN as soon as one value is.
pub fn median(values: &mut [f64]) -> f64 {
    quantile_of(0.5, values)
}

fn nan_first(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits() {
        assert!(quantile_of(0.5, &mut []).is_nan());
        assert!(quantile_of(f64::NAN, &mut [1.0]).is_nan());
        assert_eq!(quantile_of(-0.1, &mut [1.0]), f64::NEG_INFINITY);
        assert_eq!(quantile_of(1.1, &mut [1.0]), f64::INFINITY);
        assert_eq!(quantile_of(0.5, &mut [1.0]), 1.0);
        assert_eq!(quantile_of(0.75, &mut [3.0, 0.0, 1.0, 4.0]), 3.25);
    }

    #[test]
    fn nan_is_least() {
        assert!(quantile_of(0.0, &mut [1.0, f64::NAN, 2.0]).is_nan());
        assert_eq!(quantile_of(1.0, &mut [1.0, f64::NAN, 2.0]), 2.0);
        assert_eq!(quantile_of(0.75, &mut [1.0, f64::NAN, 2.0]), 1.5);
    }

    proptest! {
        #[test]
        fn as_by_sorting(q in 0.0..=1.0, mut values in proptest::collection::vec(-1e9..1e9f64, 1..50)) {
            let selected = quantile_of(q, &mut values);
            values.sort_unstable_by(f64::total_cmp);
            let rank = q * (values.len() - 1) as f64;
            let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
            let weight = rank - rank.floor();
            prop_assert_eq!(selected, values[below] * (1.0 - weight) + values[above] * weight);
        }
    }
}

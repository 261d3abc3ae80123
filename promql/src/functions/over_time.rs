//! What the values of a window come to.

use super::Window;
use super::quantile::{median, quantile_of};
use super::sum::{KahanMean, KahanSum, Variance};
use crate::notes::Notes;

/// Their sum.
pub fn sum(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    let mut sum = KahanSum::default();
    sum.extend(window.values.iter().copied());
    Some(sum.value())
}

/// Their mean.
pub fn avg(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    let mut mean = KahanMean::default();
    for &value in window.values {
        mean.add(value);
    }
    Some(mean.value())
}

/// How many there are.
pub fn count(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    Some(window.values.len() as f64)
}

/// 1, for there is one.
pub fn present(_: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    Some(1.0)
}

/// The earliest.
pub fn first(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    window.values.first().copied()
}

/// The latest.
pub fn last(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    window.values.last().copied()
}

/// The largest; NaN only where there is nothing else.
pub fn max(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    window.values.iter().copied().reduce(|largest, value| {
        if value > largest || largest.is_nan() {
            value
        } else {
            largest
        }
    })
}

/// The smallest; NaN only where there is nothing else.
pub fn min(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    window.values.iter().copied().reduce(|smallest, value| {
        if value < smallest || smallest.is_nan() {
            value
        } else {
            smallest
        }
    })
}

/// The population's standard deviation.
pub fn stddev(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    Some(variance(window.values).sqrt())
}

/// The population's variance.
pub fn stdvar(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    Some(variance(window.values))
}

fn variance(values: &[f64]) -> f64 {
    let mut variance = Variance::default();
    for &value in values {
        variance.add(value);
    }
    variance.value()
}

/// The quantile that `numbers` names.
pub fn quantile(window: &Window<'_>, numbers: &[f64], notes: &mut Notes) -> Option<f64> {
    let q = *numbers.first()?;
    notes.check_quantile(q);
    Some(quantile_of(q, &mut window.values.to_vec()))
}

/// Median absolute deviation: the median of the distances from the median. NaN as soon as one value is.
pub fn mad(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    if window.values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let mut values = window.values.to_vec();
    let middle = median(&mut values);
    for value in &mut values {
        *value = (*value - middle).abs();
    }
    Some(median(&mut values))
}

/// When the earliest was, in seconds.
pub fn ts_of_first(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    window.times.first().map(|&time| seconds(time))
}

/// When the latest was, in seconds.
pub fn ts_of_last(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    window.times.last().map(|&time| seconds(time))
}

/// When the largest was last reached, in seconds.
pub fn ts_of_max(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    time_of(window, |value, largest| value >= largest)
}

/// When the smallest was last reached, in seconds.
pub fn ts_of_min(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    time_of(window, |value, smallest| value <= smallest)
}

/// When the last value was that beats those before; NaN is beaten by all.
fn time_of(window: &Window<'_>, beats: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let samples = window
        .times
        .iter()
        .copied()
        .zip(window.values.iter().copied());
    let found = samples.reduce(|best, next| {
        if beats(next.1, best.1) || best.1.is_nan() {
            next
        } else {
            best
        }
    });
    found.map(|(time, _)| seconds(time))
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::OverWindow;
    use super::*;
    use crate::almost::almost_equal;

    fn of(function: OverWindow, values: &[f64]) -> f64 {
        let times: Vec<i64> = (1..).map(|n| n * 1000).take(values.len()).collect();
        let window = Window {
            times: &times,
            values,
            from: 0,
            to: 60_000,
            at: 60_000,
            name: "",
        };
        function(&window, &[0.5], &mut Notes::default()).unwrap()
    }

    const NAN: f64 = f64::NAN;

    #[test]
    fn nan_is_neither_largest_nor_smallest() {
        assert_eq!(of(max, &[NAN, 1.0, 2.0, NAN]), 2.0);
        assert_eq!(of(min, &[NAN, 1.0, 2.0, NAN]), 1.0);
        assert!(of(max, &[NAN]).is_nan());
        assert_eq!(of(ts_of_max, &[NAN, 2.0, 2.0, NAN]), 3.0);
        assert_eq!(of(ts_of_min, &[NAN, 2.0, 1.0, NAN]), 3.0);
        assert_eq!(of(ts_of_min, &[NAN, NAN]), 2.0);
    }

    #[test]
    fn of_all_values() {
        let values = [4.0, 1.0, 2.0, 9.0];
        assert_eq!(of(sum, &values), 16.0);
        assert_eq!(of(avg, &values), 4.0);
        assert_eq!(of(count, &values), 4.0);
        assert_eq!(of(present, &values), 1.0);
        assert_eq!(of(first, &values), 4.0);
        assert_eq!(of(last, &values), 9.0);
        assert!(almost_equal(of(stdvar, &values), 9.5, 1e-12));
        assert!(almost_equal(of(stddev, &values), 9.5f64.sqrt(), 1e-12));
        assert_eq!(of(quantile, &values), 3.0);
        assert_eq!(of(mad, &values), 1.5);
        assert!(of(mad, &[1.0, NAN]).is_nan());
        assert_eq!(of(ts_of_first, &values), 1.0);
        assert_eq!(of(ts_of_last, &values), 4.0);
    }
}

//! Where the values of a window are heading.

use super::Window;
use super::sum::KahanSums;
use crate::error::Error;
use crate::notes::Notes;

/// Change for each second, by least squares.
pub fn deriv(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    // Times near to those of the samples keep their digits.
    let line = fit(window, *window.times.first()?)?;
    Some(line.slope)
}

/// The value in so many seconds from the evaluation, by least squares.
pub fn predict_linear(window: &Window<'_>, numbers: &[f64], _: &mut Notes) -> Option<f64> {
    let seconds = *numbers.first()?;
    let line = fit(window, window.at)?;
    Some(line.slope * seconds + line.intercept)
}

/// Change for each second, and the value at the time that is asked for.
struct Line {
    slope: f64,
    intercept: f64,
}

/// The line nearest to at least two samples (upstream's `linearRegression`).
fn fit(window: &Window<'_>, at: i64) -> Option<Line> {
    let (times, values) = (window.times, window.values);
    if values.len() < 2 {
        return None;
    }
    let first = *values.first()?;
    if values.iter().all(|&value| value == first) {
        // Exactly level. An infinite one is at no place.
        return Some(if first.is_infinite() {
            Line {
                slope: f64::NAN,
                intercept: f64::NAN,
            }
        } else {
            Line {
                slope: 0.0,
                intercept: first,
            }
        });
    }
    let mut sums = KahanSums::<4>::new();
    for (&time, &y) in times.iter().zip(values) {
        let x = (time - at) as f64 / 1000.0;
        sums.add([x, y, x * y, x * x]);
    }
    let [x, y, xy, xx] = sums.values();
    let n = values.len() as f64;
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some(Line {
        slope,
        intercept: y / n - slope * x / n,
    })
}

/// Holt's smoothing with a trend: the level that the values have come to. `numbers` are the factors of level and
/// trend, checked by [`check_smoothing`].
pub fn smooth(window: &Window<'_>, numbers: &[f64], _: &mut Notes) -> Option<f64> {
    let &[factor, trend_factor] = numbers else {
        return None;
    };
    let &[first, second, ref rest @ ..] = window.values else {
        return None;
    };
    let next =
        |value: f64, level: f64, trend: f64| factor * value + (1.0 - factor) * (level + trend);
    let mut trend = second - first;
    let (mut before, mut level) = (first, next(second, first, trend));
    for &value in rest {
        trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        (before, level) = (level, next(value, level, trend));
    }
    Some(level)
}

/// Whether factors of smoothing are between 0 and 1.
pub fn check_smoothing(numbers: &[f64]) -> Result<(), Error> {
    for (number, (what, short)) in numbers.iter().zip([("smoothing", "sf"), ("trend", "tf")]) {
        if *number <= 0.0 || *number >= 1.0 {
            return Err(Error::Execution(format!(
                "invalid {what} factor. Expected: 0 < {short} < 1, got: {number:.6}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::almost::almost_equal;

    fn window<'a>(times: &'a [i64], values: &'a [f64], at: i64) -> Window<'a> {
        Window {
            times,
            values,
            from: 0,
            to: at,
            at,
            name: "",
        }
    }

    #[test]
    fn a_line_goes_on() {
        let notes = &mut Notes::default();
        let line = window(&[1000, 2000, 4000], &[10.0, 20.0, 40.0], 4000);
        assert_eq!(deriv(&line, &[], notes), Some(10.0));
        let predicted = predict_linear(&line, &[6.0], notes).unwrap();
        assert!(almost_equal(predicted, 100.0, 1e-12));
        let one = window(&[1000], &[10.0], 1000);
        assert_eq!(deriv(&one, &[], notes), None);
    }

    #[test]
    fn level_is_exact() {
        let notes = &mut Notes::default();
        let level = window(&[1001, 2003], &[0.1, 0.1], 9999);
        assert_eq!(deriv(&level, &[], notes), Some(0.0));
        assert_eq!(predict_linear(&level, &[7.0], notes), Some(0.1));
        let infinite = window(&[1, 2], &[f64::INFINITY; 2], 2);
        assert!(deriv(&infinite, &[], notes).unwrap().is_nan());
        let nan = window(&[1, 2], &[f64::NAN; 2], 2);
        assert!(deriv(&nan, &[], notes).unwrap().is_nan());
    }

    #[test]
    fn smoothing_follows_a_line() {
        let notes = &mut Notes::default();
        let line = window(&[1, 2, 3, 4], &[1.0, 2.0, 3.0, 4.0], 4);
        assert_eq!(smooth(&line, &[0.5, 0.1], notes), Some(4.0));
        let step = window(&[1, 2, 3], &[0.0, 10.0, 10.0], 3);
        assert_eq!(smooth(&step, &[0.5, 0.5], notes), Some(15.0));
        let text = check_smoothing(&[0.5, 1.0]).unwrap_err().to_string();
        assert_eq!(
            text,
            "invalid trend factor. Expected: 0 < tf < 1, got: 1.000000"
        );
    }
}

//! How fast: of the whole window with its edges guessed, or of its last two samples.

use super::Window;
use crate::notes::Notes;

/// Increase for each second of a counter.
pub fn rate(window: &Window<'_>, _: &[f64], notes: &mut Notes) -> Option<f64> {
    let (increase, factor) = counted(window, notes)?;
    Some(increase * (factor / seconds(window.to - window.from)))
}

/// Increase of a counter.
pub fn increase(window: &Window<'_>, _: &[f64], notes: &mut Notes) -> Option<f64> {
    let (increase, factor) = counted(window, notes)?;
    Some(increase * factor)
}

/// Difference of a gauge between the edges of the window.
pub fn delta(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    let (first, last) = (*window.values.first()?, *window.values.last()?);
    Some((last - first) * extrapolation(window, last - first, None)?)
}

/// Increase for each second of a counter between the last two samples.
pub fn irate(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    let (before, last, time) = last_two(window)?;
    // A counter that went down began again from zero.
    let increase = if last < before { last } else { last - before };
    Some(increase / time)
}

/// Difference of a gauge between the last two samples.
pub fn idelta(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    let (before, last, _) = last_two(window)?;
    Some(last - before)
}

/// By how much a counter rose from the first sample to the last, and the factor of [`extrapolation`].
fn counted(window: &Window<'_>, notes: &mut Notes) -> Option<(f64, f64)> {
    let (&first, &last) = (window.values.first()?, window.values.last()?);
    let mut increase = last - first;
    for pair in window.values.windows(2) {
        if pair[1] < pair[0] {
            increase += pair[0];
        }
    }
    let factor = extrapolation(window, increase, Some(first))?;
    notes.check_counter(window.name);
    Some((increase, factor))
}

/// What to multiply the difference between first and last sample by, to have that between the edges of the window
/// (upstream's `extrapolatedRate`): a sample less than 1.1 intervals from an edge reaches it, any other half an
/// interval towards it. A counter, whose first value is given, is extrapolated no further than to where it was zero.
fn extrapolation(window: &Window<'_>, difference: f64, counter: Option<f64>) -> Option<f64> {
    let (&first, &last) = (window.times.first()?, window.times.last()?);
    let intervals = window.times.len() - 1;
    if intervals == 0 {
        return None;
    }
    let sampled = seconds(last - first);
    let interval = sampled / intervals as f64;
    let threshold = interval * 1.1;
    let reach = |distance: f64| {
        if distance >= threshold {
            interval / 2.0
        } else {
            distance
        }
    };
    let mut before = reach(seconds(first - window.from));
    if let Some(value) = counter
        && difference > 0.0
        && value >= 0.0
    {
        let to_zero = sampled * (value / difference);
        if to_zero < before {
            before = to_zero;
        }
    }
    let after = reach(seconds(window.to - last));
    Some((sampled + before + after) / sampled)
}

/// The last two values, and the seconds between them.
fn last_two(window: &Window<'_>) -> Option<(f64, f64, f64)> {
    let [.., before, last] = window.values else {
        return None;
    };
    let [.., from, to] = window.times else {
        return None;
    };
    Some((*before, *last, seconds(to - from)))
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn of(
        function: super::super::OverWindow,
        samples: &[(i64, f64)],
        from: i64,
        to: i64,
    ) -> Option<f64> {
        let (times, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
        let window = Window {
            times: &times,
            values: &values,
            from,
            to,
            at: to,
            name: "x_total",
        };
        function(&window, &[], &mut Notes::default())
    }

    #[test]
    fn to_the_edges_when_they_are_near() {
        let samples = [(MINUTE, 100.0), (2 * MINUTE, 110.0), (3 * MINUTE, 120.0)];
        assert_eq!(of(increase, &samples, 0, 3 * MINUTE), Some(30.0));
        assert_eq!(of(delta, &samples, 0, 3 * MINUTE), Some(30.0));
        assert_eq!(of(rate, &samples, 0, 3 * MINUTE), Some(30.0 / 180.0));
        // Further away than 1.1 intervals: half an interval.
        assert_eq!(of(increase, &samples, -MINUTE, 3 * MINUTE), Some(25.0));
        assert_eq!(of(increase, &samples, -MINUTE, 5 * MINUTE), Some(30.0));
    }

    #[test]
    fn counters_begin_at_zero() {
        let samples = [(MINUTE, 5.0), (2 * MINUTE, 15.0), (3 * MINUTE, 25.0)];
        assert_eq!(of(increase, &samples, 0, 3 * MINUTE), Some(25.0));
        assert_eq!(of(delta, &samples, 0, 3 * MINUTE), Some(30.0));
    }

    #[test]
    fn resets_count() {
        let samples = [(MINUTE, 100.0), (2 * MINUTE, 110.0), (3 * MINUTE, 10.0)];
        assert_eq!(of(increase, &samples, MINUTE, 3 * MINUTE), Some(20.0));
        assert_eq!(of(delta, &samples, MINUTE, 3 * MINUTE), Some(-90.0));
        assert_eq!(of(irate, &samples, 0, 3 * MINUTE), Some(10.0 / 60.0));
        assert_eq!(of(idelta, &samples, 0, 3 * MINUTE), Some(-100.0));
    }

    #[test]
    fn one_sample_says_nothing() {
        for function in [rate, increase, delta, irate, idelta] {
            assert_eq!(of(function, &[(MINUTE, 5.0)], 0, MINUTE), None);
        }
    }
}

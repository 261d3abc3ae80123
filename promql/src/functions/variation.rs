//! How often the values of a window changed.

use super::Window;
use crate::notes::Notes;

/// How often a value was another than the one before.
pub fn changes(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    Some(times(window, |before, value| {
        before != value && !(before.is_nan() && value.is_nan())
    }))
}

/// How often a value was lower than the one before.
pub fn resets(window: &Window<'_>, _: &[f64], _: &mut Notes) -> Option<f64> {
    Some(times(window, |before, value| value < before))
}

fn times(window: &Window<'_>, counts: impl Fn(f64, f64) -> bool) -> f64 {
    let pairs = window.values.windows(2);
    pairs.filter(|pair| counts(pair[0], pair[1])).count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_after_nan_is_no_change() {
        let values = [1.0, 2.0, 2.0, f64::NAN, f64::NAN, 1.0, 0.0];
        let window = Window {
            times: &[1, 2, 3, 4, 5, 6, 7],
            values: &values,
            from: 0,
            to: 7,
            at: 7,
            name: "",
        };
        let mut notes = Notes::default();
        assert_eq!(changes(&window, &[], &mut notes), Some(4.0));
        assert_eq!(resets(&window, &[], &mut notes), Some(1.0));
    }
}

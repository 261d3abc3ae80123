//! Numbers that are equal but for rounding.

use crate::sample::is_stale;

/// Whether two numbers differ by less than `tolerance` of their sum; marks of staleness equal each other only,
/// and any other NaN equals any other (upstream's `util/almost`).
pub fn almost_equal(a: f64, b: f64, tolerance: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || a.is_nan() && b.is_nan() {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    // Relative to nothing, or to what has few digits, no difference is small.
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < tolerance * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < tolerance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::STALE;

    #[test]
    fn equal_but_for_rounding() {
        for (a, b, equal) in [
            (1.0, 1.0, true),
            (0.1 + 0.2, 0.3, true),
            (1.0, 1.000_001, true),
            (1.0, 1.000_003, false),
            (0.0, -0.0, true),
            (0.0, 1e-300, false),
            (f64::INFINITY, f64::INFINITY, true),
            (f64::INFINITY, f64::MAX, false),
            (f64::MAX, -f64::MAX, false),
            (f64::NAN, -f64::NAN, true),
            (f64::NAN, STALE, false),
            (STALE, STALE, true),
            (f64::NAN, 1.0, false),
        ] {
            assert_eq!(almost_equal(a, b, 1e-6), equal, "{a} and {b}");
            assert_eq!(almost_equal(b, a, 1e-6), equal, "{b} and {a}");
        }
    }
}

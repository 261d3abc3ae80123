//! Arithmetic on one number.

/// The larger, as Go's `math.Max`: NaN when one is, but +Inf whatever the other is.
pub fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The smaller, as Go's `math.Min`: NaN when one is, but -Inf whatever the other is.
pub fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

/// Within two bounds; nothing where they are the wrong way round.
pub fn clamp(value: f64, numbers: &[f64]) -> Option<f64> {
    let &[lowest, highest] = numbers else {
        return None;
    };
    within(value, lowest, highest)
}

/// Not above a bound.
pub fn clamp_max(value: f64, numbers: &[f64]) -> Option<f64> {
    within(value, f64::NEG_INFINITY, *numbers.first()?)
}

/// Not below a bound.
pub fn clamp_min(value: f64, numbers: &[f64]) -> Option<f64> {
    within(value, *numbers.first()?, f64::INFINITY)
}

fn within(value: f64, lowest: f64, highest: f64) -> Option<f64> {
    if highest < lowest {
        return None;
    }
    Some(max(lowest, min(highest, value)))
}

/// To the nearest multiple of a number (1 where none is given), half way up.
pub fn round(value: f64, numbers: &[f64]) -> Option<f64> {
    // By the inverse, as upstream: 0.1 has more digits than 10.
    let inverse = 1.0 / numbers.first().copied().unwrap_or(1.0);
    Some((value * inverse + 0.5).floor() / inverse)
}

/// -1, 0 or 1; NaN stays.
pub fn sgn(value: f64, _: &[f64]) -> Option<f64> {
    Some(if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    #[test]
    fn bounds() {
        assert_eq!(clamp(5.0, &[0.0, 3.0]), Some(3.0));
        assert_eq!(clamp(-5.0, &[0.0, 3.0]), Some(0.0));
        assert_eq!(clamp(1.0, &[3.0, 0.0]), None);
        assert!(clamp(1.0, &[NAN, 0.0]).unwrap().is_nan());
        assert!(clamp(NAN, &[0.0, 3.0]).unwrap().is_nan());
        assert_eq!(clamp_max(5.0, &[3.0]), Some(3.0));
        assert_eq!(clamp_min(5.0, &[7.0]), Some(7.0));
        assert_eq!(max(NAN, INF), INF);
        assert_eq!(min(NAN, -INF), -INF);
        assert!(max(NAN, -INF).is_nan());
        assert!(min(NAN, 1.0).is_nan());
    }

    #[test]
    fn half_way_up() {
        assert_eq!(round(2.5, &[]), Some(3.0));
        assert_eq!(round(-2.5, &[]), Some(-2.0));
        assert_eq!(round(1.25, &[0.1]), Some(1.3));
        assert_eq!(round(17.0, &[5.0]), Some(15.0));
        assert_eq!(sgn(-3.0, &[]), Some(-1.0));
        assert!(sgn(NAN, &[]).unwrap().is_nan());
    }
}

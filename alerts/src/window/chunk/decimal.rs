//! Floats as whole numbers over a power of ten, where they are that: the counters and sizes of an
//! exposition are, and so is most of what was written with few digits.

/// The powers of ten by their exponents. All are exact as floats.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// The exponents that are in use: 0 to one less than this.
pub(super) const EXPONENTS: u8 = POWERS.len() as u8;

/// Up to here each whole number is a float.
const LARGEST: f64 = (1u64 << 53) as f64;

/// The whole number that, over ten to the exponent, is the very same float.
pub(super) fn scaled(value: f64, exponent: u8) -> Option<i64> {
    let power = *POWERS.get(usize::from(exponent))?;
    let scaled = (value * power).round();
    if scaled.is_nan() || scaled.abs() > LARGEST {
        return None;
    }
    let whole = scaled as i64;
    // Division rounds to the nearest float, as who reads decimals does. -0 is no whole number.
    (unscaled(whole, exponent).to_bits() == value.to_bits()).then_some(whole)
}

/// The float that a whole number over ten to the exponent stands for.
pub(super) fn unscaled(whole: i64, exponent: u8) -> f64 {
    match POWERS.get(usize::from(exponent)) {
        Some(power) if exponent > 0 => whole as f64 / power,
        _ => whole as f64,
    }
}

/// The least exponent by which a float becomes a whole number.
pub(super) fn least_exponent(value: f64) -> Option<u8> {
    (0..EXPONENTS).find(|exponent| scaled(value, *exponent).is_some())
}

/// Signed to unsigned, small ones stay small.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The reverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_found() {
        for (value, exponent) in [
            (0.0, 0),
            (-7.0, 0),
            (9_007_199_254_740_992.0, 0),
            (0.5, 1),
            (12.345, 3),
            (0.000_123_456, 9),
        ] {
            assert_eq!(least_exponent(value), Some(exponent), "{value}");
        }
        for value in [-0.0, f64::NAN, f64::INFINITY, 1.0 / 3.0, 1e300, 5e-324] {
            assert_eq!(least_exponent(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn only_what_comes_back_to_the_bit(bits: u64, whole in -1i64 << 53..=1 << 53, exponent in 0..EXPONENTS) {
            for value in [f64::from_bits(bits), unscaled(whole, exponent)] {
                if let Some(scaled) = scaled(value, exponent) {
                    prop_assert_eq!(unscaled(scaled, exponent).to_bits(), value.to_bits());
                }
            }
        }

        #[test]
        fn zigzag_and_back(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}

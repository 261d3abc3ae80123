//! Values and timestamps, as Prometheus 3 reads them.

use crate::exposition::Format;

/// A sample's value, a bucket's bound or a quantile. As in Prometheus: no hexadecimals, no sign before
/// NaN, nothing beyond the range of a float.
pub fn value(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    if value.is_nan() {
        return text.eq_ignore_ascii_case("nan").then_some(f64::NAN);
    }
    // Written out in digits it is no infinity, but too large.
    (value.is_finite() || !text.contains(|c: char| c.is_ascii_digit())).then_some(value)
}

/// A timestamp in milliseconds: whole ones in text 0.0.4, seconds with a fraction in OpenMetrics.
pub(super) fn timestamp_ms(text: &str, format: Format) -> Option<i64> {
    match format {
        // The format has signed ones, Prometheus takes digits only.
        Format::Text004 => text
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten(),
        Format::OpenMetrics100 => {
            let ms = (value(text)? * 1000.0).round();
            // 2⁶³, which a float holds exactly.
            let limit = 9_223_372_036_854_775_808.0;
            #[expect(clippy::cast_possible_truncation, reason = "a whole number in range")]
            (ms >= -limit && ms < limit).then_some(ms as i64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_prometheus_takes() {
        for (text, expected) in [
            ("1", 1.0),
            ("-0", -0.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e-7", 1e-7),
            ("+Inf", f64::INFINITY),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("18446744073709551615", 18_446_744_073_709_551_615.0),
            ("nan", f64::NAN),
            ("NaN", f64::NAN),
        ] {
            let read = value(text).map(f64::to_bits);
            assert_eq!(read, Some(f64::to_bits(expected)), "{text}");
        }
        for text in [
            "", "+", ".", "x", "1_0", "0x1p3", "1e999", "-1e999", "+nan", "-NaN", "1 ", "1\r",
        ] {
            assert_eq!(value(text), None, "{text:?}");
        }
    }

    #[test]
    fn timestamps() {
        let text = |t| timestamp_ms(t, Format::Text004);
        assert_eq!(text("1700000000123"), Some(1_700_000_000_123));
        assert_eq!(text("-5"), None);
        assert_eq!(text(""), None);
        assert_eq!(text("9223372036854775808"), None);
        assert_eq!(text("5.5"), None);
        let open = |t| timestamp_ms(t, Format::OpenMetrics100);
        assert_eq!(open("1700000000.123"), Some(1_700_000_000_123));
        assert_eq!(open("1.0009"), Some(1001));
        for bad in ["NaN", "Inf", "1e18", "x"] {
            assert_eq!(open(bad), None, "{bad}");
        }
    }
}

//! Numbers and times as Prometheus writes them into JSON.

use std::io::Write as _;

use chrono::{DateTime, SecondsFormat};
use tidegauge_promql::{Timestamp, go_digit};

/// What Go's `time.Time` is before anybody set it.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A sample's value, in quotes: the fewest digits that read back as the same number, with an exponent only
/// below 10⁻⁶ and from 10²¹ on (Prometheus, `util/jsonutil`, `MarshalFloat`).
pub fn value(value: f64, into: &mut Vec<u8>) {
    into.push(b'"');
    let size = value.abs();
    if size.is_finite() && size != 0.0 && !(1e-6..1e21).contains(&size) {
        exponential(value, into);
    } else {
        decimal(value, into);
    }
    into.push(b'"');
}

/// As Go's `strconv.FormatFloat(value, 'f', -1, 64)`.
pub fn decimal(value: f64, into: &mut Vec<u8>) {
    match special(value) {
        Some(text) => into.extend_from_slice(text.as_bytes()),
        None => {
            let start = into.len();
            print(into, format_args!("{value}"));
            as_go(value, &mut into[start..]);
        }
    }
}

/// Gives what Rust wrote of a number the digits that Go writes.
fn as_go(value: f64, text: &mut [u8]) {
    if let Some((at, digit)) = go_digit(value, text) {
        text[at] = digit;
    }
}

/// As Go's `strconv.FormatFloat(value, 'e', -1, 64)`: two digits of exponent at least.
pub fn exponential(value: f64, into: &mut Vec<u8>) {
    if let Some(text) = special(value) {
        into.extend_from_slice(text.as_bytes());
        return;
    }
    let mut text = format!("{value:e}").into_bytes();
    as_go(value, &mut text);
    let text = String::from_utf8_lossy(&text);
    let (digits, exponent) = text.split_once('e').unwrap_or((&*text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    print(into, format_args!("{digits}e{sign}{exponent:0>2}"));
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// A plain number of JSON, as Go's encoders write it; what JSON has no word for is 0.
pub fn number(value: f64, into: &mut Vec<u8>) {
    let size = value.abs();
    if !size.is_finite() {
        into.push(b'0');
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let signed = text.replacen('e', "e+", usize::from(!text.contains("e-")));
        into.extend_from_slice(signed.as_bytes());
    } else {
        decimal(value, into);
    }
}

/// A time in seconds, with thousandths where there are any.
pub fn seconds(time: Timestamp, into: &mut Vec<u8>) {
    if time < 0 {
        into.push(b'-');
    }
    let (whole, part) = (time.unsigned_abs() / 1000, time.unsigned_abs() % 1000);
    if part == 0 {
        print(into, format_args!("{whole}"));
    } else {
        print(into, format_args!("{whole}.{part:03}"));
    }
}

/// A time in quotes as RFC 3339 has it, in UTC.
pub fn instant(time: Option<Timestamp>, into: &mut Vec<u8>) {
    let known = time.and_then(DateTime::from_timestamp_millis);
    let text = known.map_or_else(
        || NEVER.to_owned(),
        |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    );
    print(into, format_args!("\"{text}\""));
}

/// Appends text; a vector takes all.
fn print(into: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _infallible = into.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    /// Prometheus's own cases (util/jsonutil, web/api/v1/json_codec_test.go), and some more.
    #[test]
    fn as_prometheus_writes_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (20.0, "20"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            // Half-way between two: the even one.
            (f64::from(13.847_f32), "13.847000122070312"),
            (1e-7, "1e-07"),
            (-1.25e-7, "-1.25e-07"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(|b| value(number, b)), format!("\"{text}\""));
        }
        assert_eq!(written(|b| exponential(85.0, b)), "8.5e+01");
        assert_eq!(written(|b| exponential(0.0, b)), "0e+00");
        assert_eq!(written(|b| decimal(1e22, b)), "10000000000000000000000");
        assert_eq!(written(|b| number(1e22, b)), "1e+22");
        assert_eq!(written(|b| number(2.5e-8, b)), "2.5e-8");
        assert_eq!(written(|b| number(f64::NAN, b)), "0");
    }

    #[test]
    fn times() {
        for (time, text) in [
            (0, "0"),
            (1, "0.001"),
            (10, "0.010"),
            (100, "0.100"),
            (1000, "1"),
            (1_435_781_451_781, "1435781451.781"),
            (-1, "-0.001"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            assert_eq!(written(|b| seconds(time, b)), text);
        }
        let never = format!("\"{NEVER}\"");
        for (time, text) in [
            (None, never.as_str()),
            (Some(i64::MAX), never.as_str()),
            (Some(1_435_781_451_000), "\"2015-07-01T20:10:51Z\""),
            (Some(1_435_781_451_781), "\"2015-07-01T20:10:51.781Z\""),
        ] {
            assert_eq!(written(|b| instant(time, b)), text);
        }
    }

    proptest! {
        #[test]
        fn a_value_reads_back_as_itself(bits: u64) {
            let number = f64::from_bits(bits);
            let text = written(|b| value(number, b));
            let back: f64 = text.trim_matches('"').parse().unwrap();
            prop_assert!(back == number || (back.is_nan() && number.is_nan()), "{text}");
        }

        #[test]
        fn a_number_is_json(bits: u64) {
            let text = written(|b| number(f64::from_bits(bits), b));
            prop_assert!(serde_json::from_str::<f64>(&text).is_ok(), "{text}");
        }

        #[test]
        fn a_time_reads_back_as_itself(time in -4_000_000_000_000_i64..4_000_000_000_000) {
            let text = written(|b| seconds(time, b));
            let back: f64 = text.parse().unwrap();
            prop_assert_eq!((back * 1000.0).round() as i64, time);
        }
    }
}

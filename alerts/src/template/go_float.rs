//! Numbers as Go's fmt writes them (strconv/ftoa.go: `%g`, `%v`, `%.4g`).

use tidegauge_promql::go_digit;

/// As `%v` and `%g`: the fewest digits that read back as the same number, with an exponent below 1e-4 and from the
/// seventh digit before the point on.
pub fn shortest(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = format!("{value:e}");
    let (negative, mut digits, exponent) = split(&text);
    // Half-way between two of as many digits, Go writes the even one.
    if let Some((_, digit)) = go_digit(value, text.as_bytes()) {
        digits.pop();
        digits.push(char::from(digit));
    }
    write(
        negative,
        &digits,
        exponent,
        !(-4..SHORTEST_LIMIT).contains(&exponent),
    )
}

/// `%v` goes over to an exponent where `%.6g` would.
const SHORTEST_LIMIT: i32 = 6;

/// As `%.<precision>g`: that many significant digits, without zeros at the end.
pub fn significant(value: f64, precision: usize) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let precision = precision.max(1);
    let (negative, digits, exponent) = split(&format!("{value:.*e}", precision - 1));
    let digits = match digits.trim_end_matches('0') {
        "" => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    };
    let (count, before_point) = (digits.len(), exponent + 1);
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let mut limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if limit > count && count >= before_point {
        limit = count;
    }
    write(
        negative,
        &digits,
        exponent,
        !(-4..limit).contains(&exponent),
    )
}

/// As `%.<precision>e`.
pub fn scientific(value: f64, precision: usize) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let (negative, digits, exponent) = split(&format!("{value:.precision$e}"));
    write(negative, &digits, exponent, true)
}

/// What is not written in digits.
pub fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// Sign, digits without the point, and exponent of what Rust's `{:e}` wrote.
fn split(text: &str) -> (bool, String, i32) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (negative, digits, exponent.parse().unwrap_or(0))
}

fn write(negative: bool, digits: &str, exponent: i32, scientific: bool) -> String {
    let mut text = String::from(if negative { "-" } else { "" });
    if scientific {
        let (first, rest) = digits.split_at(1.min(digits.len()));
        text.push_str(first);
        if !rest.is_empty() {
            text.push('.');
            text.push_str(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        text.push_str(&format!("e{sign}{:02}", exponent.unsigned_abs()));
    } else if exponent < 0 {
        text.push_str("0.");
        for _ in 1..exponent.unsigned_abs() {
            text.push('0');
        }
        text.push_str(digits);
    } else {
        let before = usize::try_from(exponent).unwrap_or(0) + 1;
        for index in 0..before {
            text.push_str(digits.get(index..=index).unwrap_or("0"));
        }
        if let Some(rest) = digits.get(before..).filter(|rest| !rest.is_empty()) {
            text.push('.');
            text.push_str(rest);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e6, "1e+06"),
            (123_456.0, "123456"),
            (123_456_789.0, "1.23456789e+08"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (12.5, "12.5"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (1e21, "1e+21"),
            (5e-324, "5e-324"),
            (f64::from(13.847_f32), "13.847000122070312"),
        ] {
            assert_eq!(shortest(value), text);
        }
        for (value, text) in [
            (0.0, "0"),
            (1000.0, "1000"),
            (12_345.0, "1.234e+04"),
            (99_999.0, "1e+05"),
            (1.0, "1"),
            (100.0, "100"),
            (0.123_456, "0.1235"),
            (999.95, "1000"),
            (1234.5, "1234"),
            (-1.5, "-1.5"),
            (0.000_012_345, "1.234e-05"),
        ] {
            assert_eq!(significant(value, 4), text, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(shortest(value).parse::<f64>().unwrap(), value);
        }

        #[test]
        fn significant_digits_are_near(value in -1e12f64..1e12) {
            let back: f64 = significant(value, 4).parse().unwrap();
            prop_assert!((back - value).abs() <= value.abs() * 5.1e-4);
        }
    }
}

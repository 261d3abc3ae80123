//! Numbers as Go writes them, for texts that are Prometheus's.

/// As Go's `%g` and `%v`: the shortest text that reads as the same number, with an exponent of two digits or
/// more where it is below -4 or above 5.
pub fn general(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = shortest(value, format!("{value:e}"));
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return shortest(value, format!("{value}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// As Go's `strconv.FormatFloat(value, 'f', -1, 64)`.
pub fn plain(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => shortest(value, format!("{value}")),
    }
}

/// Gives what Rust wrote of a number by `{}` or `{:e}` the digits that Go writes.
fn shortest(value: f64, mut text: String) -> String {
    if let Some((at, digit)) = go_digit(value, text.as_bytes()) {
        text.replace_range(at..=at, char::from(digit).encode_utf8(&mut [0; 4]));
    }
    text
}

/// Fewer digits than these are never half-way between two numbers of as many.
const LEAST_OF_TIES: usize = 16;

/// More digits than any number has.
const ALL_DIGITS: usize = 800;

/// Where, and with which digit, Go's shortest text of a number differs from Rust's (`{}` or `{:e}`), if it does: of two
/// texts that are equally near to the number, Go writes the even one, Rust the upper one.
pub fn go_digit(value: f64, text: &[u8]) -> Option<(usize, u8)> {
    let mantissa = text.split(|byte| *byte == b'e').next()?;
    let digits = || {
        let numbered = mantissa.iter().enumerate();
        let digits = numbered.filter(|(_, byte)| byte.is_ascii_digit());
        digits.skip_while(|(_, digit)| **digit == b'0')
    };
    let (at, last) = digits().filter(|(_, digit)| **digit != b'0').last()?;
    let count = digits().take_while(|(place, _)| *place <= at).count();
    if count < LEAST_OF_TIES || last % 2 == 0 || !value.is_finite() {
        return None;
    }
    // A few more digits tell nearly always.
    if !is_half_way(value, count, count + 10) || !is_half_way(value, count, ALL_DIGITS) {
        return None;
    }
    let digit = last - 1;
    let mut even = text.to_vec();
    even[at] = digit;
    // Beside a power of two the lower one may be another number.
    let reads_back = std::str::from_utf8(&even).ok()?.parse() == Ok(value);
    reads_back.then_some((at, digit))
}

/// Whether all that follows so many digits is a 5 and zeros, as far as so many digits show.
fn is_half_way(value: f64, count: usize, shown: usize) -> bool {
    let text = format!("{value:.shown$e}");
    let mantissa = text.split('e').next().unwrap_or_default();
    let mut rest = mantissa.bytes().filter(u8::is_ascii_digit).skip(count);
    rest.next() == Some(b'5') && rest.all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.234567e+06"),
            (1e6, "1e+06"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(general(value), text);
        }
    }

    #[test]
    fn no_exponents() {
        assert_eq!(plain(1e21), "1000000000000000000000");
        assert_eq!(plain(0.000_000_1), "0.0000001");
        assert_eq!(plain(-0.0), "-0");
        assert_eq!(plain(f64::NEG_INFINITY), "-Inf");
    }

    /// Each as Prometheus 3.5 writes it.
    #[test]
    fn of_two_that_are_equally_near_it_is_the_even_one() {
        for (value, text) in [
            (f64::from(13.847_f32), "13.847000122070312"),
            (f64::from(-13.847_f32), "-13.847000122070312"),
            (13.847_000_122_070_314, "13.847000122070314"),
            (0.500_000_000_000_000_1, "0.5000000000000001"),
        ] {
            assert_eq!(plain(value), text);
            assert_eq!(general(value), text);
        }
    }
}

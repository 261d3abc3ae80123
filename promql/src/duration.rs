//! Durations as Prometheus writes them.

use std::time::Duration;

use thiserror::Error;

/// A text is no duration.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DurationError {
    /// There is nothing.
    #[error("empty duration string")]
    Empty,
    /// It is written in another way.
    #[error("not a valid duration string: {0:?}")]
    Invalid(String),
    /// It is longer than 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

/// Units in milliseconds, in the order in which they may be given.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The longest: what Prometheus counts in nanoseconds fits 63 bits.
const LONGEST: u64 = i64::MAX as u64 / 1_000_000;

/// A duration as `1h30m` or `0`: whole numbers with the units y, w, d, h, m, s, ms, each at most once and longer ones
/// first (`ParseDuration` of `prometheus/common`). A year has 365 days.
///
/// # Errors
/// [`DurationError`], in Prometheus's words.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let invalid = || DurationError::Invalid(text.to_owned());
    let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0u64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (name, next) = after.split_at(letters);
        let index = units
            .iter()
            .position(|(unit, _)| *unit == name)
            .ok_or_else(invalid)?;
        if number.is_empty() {
            return Err(invalid());
        }
        let number: u64 = number.parse().map_err(|_| DurationError::OutOfRange)?;
        let part = number
            .checked_mul(units[index].1)
            .ok_or(DurationError::OutOfRange)?;
        total = total.checked_add(part).ok_or(DurationError::OutOfRange)?;
        units = &units[index + 1..];
        rest = next;
    }
    if total > LONGEST {
        return Err(DurationError::OutOfRange);
    }
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_in_their_order() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
            ("100ms", 100),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "1", "m", "1m1h", "1m1m", "-1m", "1.5h", " 1m", "1M", "1m ", "1é",
        ] {
            assert_eq!(
                parse_duration(text),
                Err(DurationError::Invalid(text.to_owned()))
            );
        }
        assert_eq!(parse_duration(""), Err(DurationError::Empty));
        assert_eq!(parse_duration("293y"), Err(DurationError::OutOfRange));
        assert_eq!(
            parse_duration("99999999999999999999y"),
            Err(DurationError::OutOfRange)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_no_panic(text in "[0-9ymwdhs é]{0,12}") {
            let _ = parse_duration(&text);
        }
    }
}

//! Sizes, ratios and durations as people write them in the configuration.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Why a text is no size, ratio or duration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnitError {
    /// Not a size.
    #[error(
        "`{0}` is not a size: write a number and a unit, such as 800GB (10⁹ bytes) or 64GiB (2³⁰ bytes)"
    )]
    Size(String),
    /// Not a ratio.
    #[error("`{0}` is not a ratio: write 80% or 0.8, from 0 to 100 %")]
    Ratio(String),
    /// Not a duration.
    #[error("`{0}` is not a duration: write it as Prometheus does, such as 30s, 5m, 7d or 1h30m")]
    Duration(String),
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

const DECIMAL: [(&str, u64); 5] = [
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
];
const BINARY: [(&str, u64); 5] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

impl Bytes {
    /// Reads `800GB`, `1.5 TB`, `64GiB`, `4096B` or `4096`. `GB` is 10⁹, `GiB` is 2³⁰; a lone `G` is
    /// refused, because tools disagree on what it means.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::Size(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let factor = match unit.trim_start() {
            "" | "B" => 1,
            "KB" => 1_000,
            unit => {
                DECIMAL
                    .iter()
                    .chain(&BINARY)
                    .find(|(name, _)| *name == unit)
                    .ok_or_else(error)?
                    .1
            }
        };
        scale(number, factor).map(Self).ok_or_else(error)
    }
}

/// `number` × `factor`, exact; `None` when it is no decimal number, no whole result or too large.
fn scale(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 15 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled =
        digits.checked_mul(factor.into())? / 10u128.pow(u32::try_from(fraction.len()).ok()?);
    u64::try_from(scaled).ok()
}

impl fmt::Display for Bytes {
    /// In the largest decimal unit that leaves a number of at least 1, with three digits: `1.50 TB`.
    /// With `{:#}` as the configuration reads it back, exactly: `800GB`, `4096B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, size): &&(&str, u64)| {
            self.0 >= *size && (!f.alternate() || self.0.is_multiple_of(*size))
        };
        let unit = if f.alternate() {
            DECIMAL
                .iter()
                .chain(&BINARY)
                .filter(fits)
                .max_by_key(|(_, size)| *size)
        } else {
            DECIMAL.iter().rev().find(fits)
        };
        match unit {
            None if f.alternate() => write!(f, "{}B", self.0),
            None => f.pad(&format!("{} B", self.0)),
            Some((name, size)) if f.alternate() => write!(f, "{}{name}", self.0 / size),
            Some((name, size)) => {
                #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
                let value = self.0 as f64 / *size as f64;
                let digits = if value < 9.995 {
                    2
                } else {
                    usize::from(value < 99.95)
                };
                f.pad(&format!("{value:.digits$} {name}"))
            }
        }
    }
}

/// A share of a whole, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

impl Ratio {
    /// Reads `80%` or `0.8`.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::Ratio(text.to_owned());
        let trimmed = text.trim();
        let (number, divisor) = match trimmed.strip_suffix('%') {
            Some(number) => (number.trim_end(), 100.0),
            None => (trimmed, 1.0),
        };
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(error());
        }
        let value: f64 = number.parse().map_err(|_| error())?;
        let ratio = value / divisor;
        if (0.0..=1.0).contains(&ratio) {
            Ok(Self(ratio))
        } else {
            Err(error())
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.0 * 1e6).round() / 1e4;
        f.pad(&format!("{percent}%"))
    }
}

/// Reads a duration as Prometheus writes it: `7d`, `1h30m`, `500ms`; units `y w d h m s ms`, each at
/// most once, largest first (Prometheus, "Configuration", `<duration>`).
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let error = || UnitError::Duration(text.to_owned());
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut total, mut next) = (0u64, 0);
    while !rest.is_empty() || next == 0 {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let number: u64 = rest[..digits].parse().map_err(|_| error())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let index = UNITS
            .iter()
            .position(|(name, _)| *name == &rest[..letters])
            .ok_or_else(error)?;
        if index < next {
            return Err(error());
        }
        next = index + 1;
        total = number
            .checked_mul(UNITS[index].1)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(error)?;
        rest = &rest[letters..];
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration as [`parse_duration`] reads it.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (name, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if ms >= size {
            out.push_str(&format!("{}{name}", ms / size));
            ms %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("800GB", 800_000_000_000),
            ("1.5 TB", 1_500_000_000_000),
            ("64GiB", 64 << 30),
            ("4096", 4096),
            ("4096B", 4096),
            ("10kB", 10_000),
            ("10KB", 10_000),
            ("0.5KiB", 512),
        ] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in [
            "",
            "GB",
            "12G",
            "12 gb",
            "-1GB",
            "1e9",
            "1.GB",
            ".5GB",
            "99999999PB",
            "1..5GB",
            "∞",
        ] {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_500_000_000_000, "1.50 TB"),
            (9_994_000, "9.99 MB"),
            (9_996_000, "10.0 MB"),
            (123_456_789_000, "123 GB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn ratios() {
        assert_eq!(Ratio::parse("80%"), Ok(Ratio(0.8)));
        assert_eq!(Ratio::parse("0.8"), Ok(Ratio(0.8)));
        assert_eq!(Ratio::parse("100 %"), Ok(Ratio(1.0)));
        for text in ["80", "101%", "-1%", "nan", "inf%", "", "%", "0x1"] {
            assert!(Ratio::parse(text).is_err(), "{text}");
        }
        assert_eq!(Ratio(0.8).to_string(), "80%");
        assert_eq!(Ratio(0.29).to_string(), "29%");
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("5m", 300_000),
            ("0", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "m",
            "1m1h",
            "1h1h",
            "-5m",
            "1.5h",
            "5 m",
            "99999999999y",
            "1d 2h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*") {
            let _ = (Bytes::parse(&text), Ratio::parse(&text), parse_duration(&text));
        }

        #[test]
        fn what_is_written_reads_back(bytes: u64, ms in 0..u64::MAX / 2) {
            prop_assert_eq!(Bytes::parse(&format!("{:#}", Bytes(bytes))), Ok(Bytes(bytes)));
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}

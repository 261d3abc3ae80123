//! The parameters of a request: those of a form in its body first, then those of its address.

use std::num::IntErrorKind;
use std::time::Duration;

use chrono::DateTime;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use tidegauge_model::units;
use tidegauge_promql::Timestamp;
use tidegauge_web::intake::read_body;

use super::error::{ApiError, quoted};

/// Longest form, in bytes. Grafana's and promtool's queries are a few kilobytes at most.
const LONGEST_FORM: usize = 1 << 20;
/// How long a form may take to come.
const FORM_DEADLINE: Duration = Duration::from_secs(10);

/// The earliest and the latest time, in milliseconds, where none is given: Prometheus's.
pub const EARLIEST: Timestamp = (i64::MIN / 1000 + 62_135_596_801) * 1000;
/// See [`EARLIEST`].
pub const LATEST: Timestamp = (i64::MAX / 1000 - 62_135_596_801) * 1000 + 999;
/// As Prometheus's clients write them; years of more than four digits are otherwise no RFC 3339.
const EARLIEST_TEXT: &str = "-292273086-05-16T16:47:06Z";
const LATEST_TEXT: &str = "292277025-08-18T07:12:54.999999999Z";

/// Names and values.
#[derive(Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of an address, after those of a form.
    pub fn new(form: &[u8], query: &str) -> Self {
        let pairs = form_urlencoded::parse(form).chain(form_urlencoded::parse(query.as_bytes()));
        Self(
            pairs
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// Reads them from a request.
    ///
    /// # Errors
    /// When its form is too long, or does not come.
    pub async fn read(request: &mut Request<Incoming>) -> Result<Self, ApiError> {
        let is_form = *request.method() == Method::POST
            && request.headers().get(CONTENT_TYPE).is_some_and(|value| {
                let bytes = value.as_bytes();
                let end = bytes.iter().position(|b| *b == b';');
                bytes[..end.unwrap_or(bytes.len())]
                    .trim_ascii()
                    .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
            });
        let form = if is_form {
            read_body(request.body_mut(), LONGEST_FORM, FORM_DEADLINE)
                .await
                .map_err(|error| {
                    ApiError::bad_data(format!("error parsing form values: {error}"))
                })?
        } else {
            Vec::new()
        };
        Ok(Self::new(&form, request.uri().query().unwrap_or("")))
    }

    /// The first value of a name; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or("")
    }

    /// All values of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// A time that must be given.
    ///
    /// # Errors
    /// When it is none.
    pub fn time(&self, name: &str) -> Result<Timestamp, ApiError> {
        let text = self.get(name);
        parse_time(text).ok_or_else(|| {
            let message = format!("cannot parse {} to a valid timestamp", quoted(text));
            ApiError::parameter(name, message)
        })
    }

    /// A time that may be given.
    ///
    /// # Errors
    /// When it is none.
    pub fn time_or(&self, name: &str, default: Timestamp) -> Result<Timestamp, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(default);
        }
        parse_time(text).ok_or_else(|| {
            let why = format!("cannot parse {} to a valid timestamp", quoted(text));
            ApiError::parameter(name, format!("invalid time value for '{name}': {why}"))
        })
    }

    /// A duration in nanoseconds, which may be negative.
    ///
    /// # Errors
    /// When it is none.
    pub fn duration(&self, name: &str) -> Result<i64, ApiError> {
        parse_duration(self.get(name)).map_err(|why| ApiError::parameter(name, why))
    }

    /// How many of something are wanted at most; `None`: all.
    ///
    /// # Errors
    /// When it is no number, or a negative one.
    pub fn limit(&self) -> Result<Option<usize>, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let limit = parse_int(text, "Atoi").map_err(|why| ApiError::parameter("limit", why))?;
        match usize::try_from(limit) {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(ApiError::parameter("limit", "limit must be non-negative")),
        }
    }
}

/// A number of seconds, or an RFC 3339 time; in milliseconds.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    if let Some(seconds) = parse_float(text) {
        // The same steps as Prometheus's, so that the same thousandth comes out.
        let (whole, part) = (seconds.trunc(), seconds.fract());
        let nanoseconds = ((part * 1000.0).round() / 1000.0 * 1e9) as i64;
        if whole.is_nan() || whole.abs() > 9.2e15 {
            return None;
        }
        return (whole as i64)
            .checked_mul(1000)?
            .checked_add(nanoseconds.div_euclid(1_000_000));
    }
    match text {
        EARLIEST_TEXT => Some(EARLIEST),
        LATEST_TEXT => Some(LATEST),
        // chrono takes more than RFC 3339 says, Go does not.
        _ if text.bytes().any(|b| b == b' ' || b.is_ascii_lowercase()) => None,
        _ => DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| time.timestamp_millis()),
    }
}

/// A number of seconds, or a duration such as `1h30m`; in nanoseconds.
///
/// # Errors
/// When it is none, in Prometheus's words.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    if let Some(seconds) = parse_float(text) {
        let nanoseconds = seconds * 1e9;
        if nanoseconds.is_nan() || nanoseconds.abs() >= i64::MAX as f64 {
            let text = quoted(text);
            return Err(format!(
                "cannot parse {text} to a valid duration. It overflows int64"
            ));
        }
        return Ok(nanoseconds as i64);
    }
    let spaced = text.bytes().any(|b| b.is_ascii_whitespace());
    units::parse_duration(text)
        .ok()
        .filter(|_| !spaced)
        .and_then(|duration| i64::try_from(duration.as_nanos()).ok())
        .ok_or_else(|| format!("cannot parse {} to a valid duration", quoted(text)))
}

/// As Go's `strconv.ParseFloat`, but for hexadecimal ones: what overflows is no number.
fn parse_float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let says_so = text.bytes().any(|b| matches!(b, b'i' | b'I'));
    (number.is_finite() || number.is_nan() || says_so).then_some(number)
}

/// As Go's `strconv`, with its errors.
///
/// # Errors
/// When it is no whole number of 64 bits.
pub fn parse_int(text: &str, function: &str) -> Result<i64, String> {
    text.parse::<i64>().map_err(|error| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.{function}: parsing {}: {why}", quoted(text))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_counts_first() {
        let parameters = Parameters::new(b"a=1&m[]=x%7By%7D", "a=2&m%5B%5D=z&b=+");
        assert_eq!(parameters.get("a"), "1");
        assert_eq!(parameters.get("b"), " ");
        assert_eq!(parameters.get("c"), "");
        assert_eq!(parameters.all("m[]").collect::<Vec<_>>(), ["x{y}", "z"]);
    }

    /// Prometheus's own cases (web/api/v1/api_test.go, TestParseTime), and some more.
    #[test]
    fn times() {
        for (text, time) in [
            ("", None),
            ("abc", None),
            ("30s", None),
            ("NaN", None),
            ("Inf", None),
            ("1e999", None),
            ("123", Some(123_000)),
            ("123.123", Some(123_123)),
            ("1543578564.705", Some(1_543_578_564_705)),
            ("-1.5", Some(-1_500)),
            ("2015-06-03T13:21:58.555Z", Some(1_433_337_718_555)),
            ("2015-06-03T14:21:58.555+01:00", Some(1_433_337_718_555)),
            ("2015-06-03 13:21:58Z", None),
            ("2015-06-03t13:21:58z", None),
            ("2015-02-30T00:00:00Z", None),
            (EARLIEST_TEXT, Some(EARLIEST)),
            (LATEST_TEXT, Some(LATEST)),
        ] {
            assert_eq!(parse_time(text), time, "{text}");
        }
    }

    /// TestParseDuration.
    #[test]
    fn durations() {
        let second = 1_000_000_000;
        for (text, duration) in [
            ("", None),
            ("abc", None),
            ("2015-06-03T13:21:58.555Z", None),
            ("-148966367200.372", None),
            ("148966367200.372", None),
            ("NaN", None),
            ("5m ", None),
            ("1m1h", None),
            ("123", Some(123 * second)),
            ("123.333", Some(123_333_000_000)),
            ("-1", Some(-second)),
            ("15s", Some(15 * second)),
            ("5m", Some(300 * second)),
            ("1h30m", Some(5400 * second)),
        ] {
            assert_eq!(parse_duration(text).ok(), duration, "{text}");
        }
        let error = parse_duration("148966367200.372").unwrap_err();
        assert!(error.ends_with("It overflows int64"), "{error}");
    }

    #[test]
    fn limits() {
        let limit = |text: &str| Parameters::new(b"", &format!("limit={text}")).limit();
        assert_eq!(limit(""), Ok(None));
        assert_eq!(limit("0"), Ok(None));
        assert_eq!(limit("7"), Ok(Some(7)));
        for (text, why) in [
            ("-1", "limit must be non-negative"),
            ("x", "strconv.Atoi: parsing \"x\": invalid syntax"),
            (
                "99999999999999999999",
                "strconv.Atoi: parsing \"99999999999999999999\": value out of range",
            ),
        ] {
            let message = format!("invalid parameter \"limit\": {why}");
            assert_eq!(limit(text).unwrap_err().message, message);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(?s).{0,40}", near in "[-+0-9.eEinfINFa:TZ]{0,30}") {
            for text in [&text, &near] {
                let _ = (parse_time(text), parse_duration(text), parse_int(text, "Atoi"));
            }
        }

        #[test]
        fn a_time_written_is_read(time in -4_000_000_000_000_i64..4_000_000_000_000) {
            let mut bytes = Vec::new();
            super::super::number::seconds(time, &mut bytes);
            prop_assert_eq!(parse_time(std::str::from_utf8(&bytes).unwrap()), Some(time));
            bytes.clear();
            super::super::number::instant(Some(time), &mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(parse_time(text.trim_matches('"')), Some(time));
        }
    }
}

//! Times and durations in templates, printed as Go prints them.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use gotmpl::{TemplateError, Value};

use super::go_float::{shortest, special};
use super::values::wrong;

/// A time of seconds since 1970, cut to milliseconds as Prometheus's model.Time is.
///
/// # Errors
/// When it is no number or not within 64 bits of nanoseconds.
pub fn from_seconds(seconds: f64) -> Result<i64, TemplateError> {
    if special(seconds).is_some() {
        return Err(wrong("value is NaN or Inf"));
    }
    let nanoseconds = seconds * 1e9;
    if !(-9.223_372_036_854_775e18..=9.223_372_036_854_775e18).contains(&nanoseconds) {
        return Err(wrong(format!(
            "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
            shortest(seconds)
        )));
    }
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds above")]
    let nanoseconds = nanoseconds as i64;
    Ok(nanoseconds / 1_000_000)
}

/// `humanizeTimestamp`.
///
/// # Errors
/// As [`from_seconds`], but that no numbers are printed as what they are.
pub fn humanize(seconds: f64) -> Result<String, TemplateError> {
    match special(seconds) {
        Some(text) => Ok(text.to_owned()),
        None => from_seconds(seconds).map(show),
    }
}

/// `2006-01-02 15:04:05.999 +0000 UTC`.
pub fn show(milliseconds: i64) -> String {
    let Some(time) = at(milliseconds) else {
        return String::new();
    };
    let whole = time.format("%Y-%m-%d %H:%M:%S");
    let fraction = match time.timestamp_subsec_millis() {
        0 => String::new(),
        ms => format!(".{ms:03}").trim_end_matches('0').to_owned(),
    };
    format!("{whole}{fraction} +0000 UTC")
}

/// `1h2m3.5s`, as Go's Duration.String.
pub fn show_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let decimal = |unit: u64| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", total % unit);
        let fraction = if unit == 1 {
            ""
        } else {
            fraction.trim_end_matches('0')
        };
        match fraction {
            "" => String::new(),
            digits => format!(".{digits}"),
        }
    };
    match total {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{total}ns"),
        1_000..1_000_000 => format!("{sign}{}{}µs", total / 1_000, decimal(1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}{}ms", total / 1_000_000, decimal(1_000_000)),
        _ => {
            let whole = total / 1_000_000_000;
            let (hours, minutes) = (whole / 3_600, whole / 60 % 60);
            let seconds = format!("{}{}s", whole % 60, decimal(1_000_000_000));
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}"),
                (0, _) => format!("{sign}{minutes}m{seconds}"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// A method of a time that has no arguments.
///
/// # Errors
/// One that is not there.
pub fn field(milliseconds: i64, name: &str) -> Result<Value, TemplateError> {
    let time = at(milliseconds).ok_or_else(|| wrong("no such time"))?;
    let number = match name {
        "Unix" => milliseconds.div_euclid(1_000),
        "UnixMilli" => milliseconds,
        "UnixMicro" => milliseconds.saturating_mul(1_000),
        "UnixNano" => milliseconds.saturating_mul(1_000_000),
        "Year" => i64::from(time.year()),
        "Day" => i64::from(time.day()),
        "YearDay" => i64::from(time.ordinal()),
        "Hour" => i64::from(time.hour()),
        "Minute" => i64::from(time.minute()),
        "Second" => i64::from(time.second()),
        "Month" => return Ok(Value::String(time.format("%B").to_string().into())),
        "Weekday" => return Ok(Value::String(time.format("%A").to_string().into())),
        "String" => return Ok(Value::String(show(milliseconds).into())),
        "UTC" | "Local" => return Ok(super::values::time(milliseconds)),
        _ => {
            return Err(wrong(format!(
                "can't evaluate field {name} in type *time.Time"
            )));
        }
    };
    Ok(Value::Int(number))
}

/// A method of a duration that has no arguments.
///
/// # Errors
/// One that is not there.
pub fn duration_field(nanoseconds: i64, name: &str) -> Result<Value, TemplateError> {
    #[expect(clippy::cast_precision_loss, reason = "as Go's Duration.Seconds")]
    let seconds = nanoseconds as f64 / 1e9;
    Ok(match name {
        "Seconds" => Value::Float(seconds),
        "Minutes" => Value::Float(seconds / 60.0),
        "Hours" => Value::Float(seconds / 3_600.0),
        "Milliseconds" => Value::Int(nanoseconds / 1_000_000),
        "Nanoseconds" => Value::Int(nanoseconds),
        "String" => Value::String(show_duration(nanoseconds).into()),
        _ => {
            return Err(wrong(format!(
                "can't evaluate field {name} in type *time.Duration"
            )));
        }
    })
}

/// A method of a time with arguments: `Format`.
///
/// # Errors
/// Another one.
pub fn method(milliseconds: i64, name: &str, args: &[Value]) -> Result<Value, TemplateError> {
    match (name, args) {
        ("Format", [Value::String(layout)]) => {
            let time = at(milliseconds).ok_or_else(|| wrong("no such time"))?;
            Ok(Value::String(format(&time, layout).into()))
        }
        _ => Err(wrong(format!(
            "can't evaluate field {name} in type *time.Time"
        ))),
    }
}

/// Parts of Go's layouts, longer before shorter, and chrono's for them.
const LAYOUT: &[(&str, &str)] = &[
    ("January", "%B"),
    ("Monday", "%A"),
    ("2006", "%Y"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("Z07:00", "Z"),
    (".000", ".%3f"),
    ("002", "%j"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "UTC"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "%e"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
];

fn format(time: &DateTime<Utc>, layout: &str) -> String {
    if layout == "2006-01-02T15:04:05Z07:00" {
        return time.to_rfc3339_opts(SecondsFormat::Secs, true);
    }
    let mut pattern = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        let known = LAYOUT.iter().find(|(go, _)| rest.starts_with(go));
        if let Some((go, chrono)) = known {
            pattern.push_str(chrono);
            rest = &rest[go.len()..];
        } else {
            pattern.push_str(if c == '%' { "%%" } else { "" });
            if c != '%' {
                pattern.push(c);
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    time.format(&pattern).to_string()
}

fn at(milliseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds)
}

//! Failures in promtool's words.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegauge_model::units::format_duration;
use tidegauge_promql::Labels;

use super::spec::Expected;

/// A duration as promtool writes it.
pub fn duration(duration: Duration) -> String {
    match duration.is_zero() {
        true => "0s".to_owned(),
        false => format_duration(duration),
    }
}

/// Alerts that are not as expected.
pub fn alerts(
    test: &str,
    name: &str,
    at: Duration,
    expected: &[Expected],
    got: &[Expected],
) -> String {
    let test = match test {
        "" => String::new(),
        test => format!("    name: {test},\n"),
    };
    let indent = |alerts: &[Expected]| list(alerts).replace('\n', "\n            ");
    format!(
        "{test}    alertname: {name}, time: {}, \n        exp:{}, \n        got:{}",
        duration(at),
        indent(expected),
        indent(got)
    )
}

fn list(alerts: &[Expected]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let shown = alerts.iter().enumerate().map(|(index, alert)| {
        let (labels, annotations) = (pairs(&alert.labels), pairs(&alert.annotations));
        format!("\n{index}:\n  Labels:{labels}\n  Annotations:{annotations}")
    });
    let shown: Vec<String> = shown.collect();
    format!("[{}\n]", shown.join(","))
}

fn pairs(pairs: &BTreeMap<String, String>) -> String {
    let shown: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    format!("{{{}}}", shown.join(", "))
}

/// An expression that does not give what it should.
pub fn samples(
    expression: &str,
    at: Duration,
    expected: &[(Labels, f64)],
    got: &[(Labels, f64)],
) -> String {
    let list = |samples: &[(Labels, f64)]| {
        let shown: Vec<String> = samples.iter().map(sample).collect();
        match shown.is_empty() {
            true => "nil".to_owned(),
            false => shown.join(", "),
        }
    };
    format!(
        "    expr: {expression:?}, time: {},\n        exp: {}\n        got: {}",
        duration(at),
        list(expected),
        list(got)
    )
}

fn sample((labels, value): &(Labels, f64)) -> String {
    let labels = labels.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
    format!("{} {}", pairs(&labels.collect()), scientific(*value))
}

/// As Go's `%E` with the fewest digits.
fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return crate::template::go_number(value);
    }
    let text = format!("{value:E}");
    let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}E{sign}{digits:0>2}")
}

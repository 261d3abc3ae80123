//! Conventions of names, labels and help texts.
//!
//! The rules and their texts are those of `promtool check metrics` of Prometheus 3.5. Names in OpenMetrics
//! are judged as text 0.0.4 would write them: a counter's with `_total`, an info's with `_info`.

use std::borrow::Cow;

use super::family::Family;
use super::units::{has_abbreviation, non_base};
use super::{Finding, Severity, shown};
use crate::exposition::{Format, Kind, is_plain_label, is_plain_name};

/// Appends what is wrong with the names of a family.
pub(super) fn check(family: &Family, format: Format, findings: &mut Vec<Finding>) {
    let name = full_name(family, format);
    let mut report = |line: usize, problem: String, hint: &'static str| {
        findings.push(Finding {
            line,
            metric: shown(&family.name),
            problem,
            hint,
            severity: Severity::Warning,
        });
    };
    let mut metric = |problem: &str, hint| report(family.line, problem.to_owned(), hint);
    let kind = family.kind.unwrap_or(Kind::Unknown);
    let histogram = matches!(kind, Kind::Histogram | Kind::GaugeHistogram);
    let summary = kind == Kind::Summary;

    if !family.has_help {
        metric(
            "no help text",
            "say in one sentence what it counts: # HELP name text",
        );
    }
    if !is_plain_name(&name) {
        metric(
            "name needs quotes",
            "Prometheus 3 takes it, promtool and older ones do not: use letters, digits and _ only",
        );
    }
    if let Some((unit, base)) = non_base(&name) {
        metric(
            &format!("use base unit \"{base}\" instead of \"{unit}\""),
            "Prometheus counts in base units; dashboards scale them",
        );
    }
    if has_abbreviation(&name) {
        metric(
            "metric names should not contain abbreviated units",
            "write the unit out: seconds, bytes, meters",
        );
    }
    if name.contains(':') {
        metric(
            "metric names should not contain ':'",
            "colons are for the results of recording rules",
        );
    }
    if is_camel_case(&name) {
        metric(
            "metric names should be written in 'snake_case' not 'camelCase'",
            "small letters, words parted by _",
        );
    }
    if let Some(kind) = own_type_in(&name, kind) {
        metric(
            &format!("metric name should not include type '{kind}'"),
            "its TYPE line says that",
        );
    }
    match (kind, name.ends_with("_total")) {
        (Kind::Counter, false) => metric(
            "counter metrics should have \"_total\" suffix",
            "add it to the name, or make it a gauge if it can fall",
        ),
        (Kind::Counter | Kind::Unknown, _) | (_, false) => {}
        (_, true) => metric(
            "non-counter metrics should not have \"_total\" suffix",
            "make it a counter if it only grows, else rename it",
        ),
    }
    if kind != Kind::Unknown {
        const RESERVED: &str =
            "the suffix belongs to the samples of histograms and summaries: rename it";
        if !histogram && name.ends_with("_bucket") {
            metric(
                "non-histogram metrics should not have \"_bucket\" suffix",
                RESERVED,
            );
        }
        for (suffix, problem) in [
            (
                "_count",
                "non-histogram and non-summary metrics should not have \"_count\" suffix",
            ),
            (
                "_sum",
                "non-histogram and non-summary metrics should not have \"_sum\" suffix",
            ),
        ] {
            if !histogram && !summary && name.ends_with(suffix) {
                metric(problem, RESERVED);
            }
        }
    }
    for (label, &line) in &family.labels {
        let reserved = "the label belongs to histograms and summaries: rename it";
        let problem_and_hint = match label.as_str() {
            "le" if !histogram && kind != Kind::Unknown => (
                "non-histogram metrics should not have \"le\" label",
                reserved,
            ),
            "quantile" if !summary && kind != Kind::Unknown => (
                "non-summary metrics should not have \"quantile\" label",
                reserved,
            ),
            label if is_camel_case(label) => (
                "label names should be written in 'snake_case' not 'camelCase'",
                "small letters, words parted by _",
            ),
            label if !is_plain_label(label) => (
                "label name needs quotes",
                "Prometheus 3 takes it, promtool and older ones do not: use letters, digits and _ only",
            ),
            _ => continue,
        };
        report(line, problem_and_hint.0.to_owned(), problem_and_hint.1);
    }
}

fn full_name(family: &Family, format: Format) -> Cow<'_, str> {
    let suffix = match (format, family.kind) {
        (Format::OpenMetrics100, Some(Kind::Counter)) => "_total",
        (Format::OpenMetrics100, Some(Kind::Info)) => "_info",
        _ => "",
    };
    if family.name.ends_with(suffix) {
        Cow::Borrowed(&family.name)
    } else {
        Cow::Owned(format!("{}{suffix}", family.name))
    }
}

fn is_camel_case(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut pairs = bytes.iter().zip(bytes.iter().skip(1));
    pairs.any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase())
}

/// The family's own type as a word of its name, but not the first.
fn own_type_in(name: &str, kind: Kind) -> Option<&'static str> {
    let word = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        // An info is named so, and the others are no words of a name.
        Kind::Unknown | Kind::Info | Kind::StateSet | Kind::GaugeHistogram => return None,
    };
    let lower = name.to_ascii_lowercase();
    lower
        .split('_')
        .skip(1)
        .any(|part| part == word)
        .then_some(word)
}

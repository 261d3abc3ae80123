//! A file of tests as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use serde_saphyr::Location;
use tidegauge_promql::Timestamp;

use crate::rule::fields::{Fields, Mistakes};
use crate::rule::yaml::Node;
use crate::rule::{Problem, ms};

/// The whole file.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Rule files, as written.
    pub rule_files: Vec<String>,
    /// How often all groups are evaluated.
    pub evaluation_interval: Duration,
    /// Names of groups in the order in which they are evaluated.
    pub group_eval_order: Vec<String>,
    /// Whether numbers that differ in their last bit are the same.
    pub fuzzy_compare: bool,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name; may be empty.
    pub name: String,
    /// The time between two values of a series.
    pub interval: Duration,
    /// Series and their values in promtool's notation.
    pub input: Vec<(String, String)>,
    /// What alerts there should be.
    pub alerts: Vec<AlertTest>,
    /// What expressions should give.
    pub expressions: Vec<ExpressionTest>,
    /// For templates.
    pub external_labels: BTreeMap<String, String>,
    /// For templates.
    pub external_url: String,
    /// When it begins, in milliseconds since 1970.
    pub start: Timestamp,
}

/// Alerts that should fire at a time.
#[derive(Clone, Debug)]
pub struct AlertTest {
    /// Time since the beginning.
    pub at: Duration,
    /// Name of the alert; may be empty, which is a failure.
    pub name: String,
    /// Labels and annotations of each.
    pub expected: Vec<Expected>,
}

/// An alert that should fire. A text may be empty, which is not the same as that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What an expression should give at a time.
#[derive(Clone, Debug)]
pub struct ExpressionTest {
    /// Time since the beginning.
    pub at: Duration,
    /// The expression.
    pub expression: String,
    /// Labels in PromQL's notation, and values.
    pub expected: Vec<(String, f64)>,
}

const FILE: &[&str] = &[
    "rule_files",
    "evaluation_interval",
    "group_eval_order",
    "tests",
    "fuzzy_compare",
];
const TEST: &[&str] = &[
    "name",
    "interval",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
    "start_timestamp",
];

/// Reads a file of tests.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str) -> Result<TestFile, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| vec![problem])?;
    let mut mistakes = Mistakes::default();
    let fields = Fields::of(&root, "a file of tests", FILE, &mut mistakes);
    let evaluation_interval = fields
        .duration("evaluation_interval", &mut mistakes)
        .filter(|interval| !interval.is_zero())
        .unwrap_or(Duration::from_secs(60));
    let mut file = TestFile {
        rule_files: texts(&fields, "rule_files", &mut mistakes),
        evaluation_interval,
        group_eval_order: texts(&fields, "group_eval_order", &mut mistakes),
        fuzzy_compare: fields.flag("fuzzy_compare", &mut mistakes),
        tests: Vec::new(),
    };
    for (index, node) in fields.list("tests", &mut mistakes).iter().enumerate() {
        mistakes.within = format!("test {}", index + 1);
        let fields = Fields::of(node, "a test", TEST, &mut mistakes);
        file.tests
            .push(test(&fields, evaluation_interval, &mut mistakes));
    }
    if mistakes.found.is_empty() {
        Ok(file)
    } else {
        Err(mistakes.found)
    }
}

fn test(fields: &Fields<'_>, interval: Duration, mistakes: &mut Mistakes) -> Test {
    let text = |fields: &Fields<'_>, name: &str, mistakes: &mut Mistakes| {
        let found = fields.text(name, mistakes);
        found.map(|(text, _)| text.to_owned()).unwrap_or_default()
    };
    let name = text(fields, "name", mistakes);
    let mut test = Test {
        external_url: text(fields, "external_url", mistakes),
        name,
        interval: fields
            .duration("interval", mistakes)
            .filter(|interval| !interval.is_zero())
            .unwrap_or(interval),
        input: Vec::new(),
        alerts: Vec::new(),
        expressions: Vec::new(),
        external_labels: map(fields, "external_labels", mistakes),
        start: fields
            .text("start_timestamp", mistakes)
            .map_or(0, |(text, place)| {
                start(text).unwrap_or_else(|| {
                    let message = format!("`start_timestamp`: {text:?} is no time");
                    mistakes.add(
                        place,
                        message,
                        "seconds since 1970, or such as 2024-01-31T12:00:00Z",
                    );
                    0
                })
            }),
    };
    for node in fields.list("input_series", mistakes) {
        let fields = Fields::of(node, "a series", &["series", "values"], mistakes);
        let series = text(&fields, "series", mistakes);
        test.input.push((series, text(&fields, "values", mistakes)));
    }
    for node in fields.list("alert_rule_test", mistakes) {
        let known = &["eval_time", "alertname", "exp_alerts"];
        let fields = Fields::of(node, "a test of alerts", known, mistakes);
        let mut expected = Vec::new();
        for node in fields.list("exp_alerts", mistakes) {
            let known = &["exp_labels", "exp_annotations"];
            let fields = Fields::of(node, "an expected alert", known, mistakes);
            expected.push(Expected {
                labels: map(&fields, "exp_labels", mistakes),
                annotations: map(&fields, "exp_annotations", mistakes),
            });
        }
        test.alerts.push(AlertTest {
            at: fields.duration("eval_time", mistakes).unwrap_or_default(),
            name: text(&fields, "alertname", mistakes),
            expected,
        });
    }
    for node in fields.list("promql_expr_test", mistakes) {
        let known = &["expr", "eval_time", "exp_samples"];
        let fields = Fields::of(node, "a test of an expression", known, mistakes);
        let mut expected = Vec::new();
        for node in fields.list("exp_samples", mistakes) {
            let known = &["labels", "value", "histogram"];
            let fields = Fields::of(node, "an expected sample", known, mistakes);
            if let Some(node) = fields.get("histogram") {
                mistakes.add(node.place, "native histograms are not known here", "");
            }
            let value = fields.text("value", mistakes);
            let value = value.map_or(0.0, |(text, place)| number(text, place, mistakes));
            expected.push((text(&fields, "labels", mistakes), value));
        }
        test.expressions.push(ExpressionTest {
            at: fields.duration("eval_time", mistakes).unwrap_or_default(),
            expression: text(&fields, "expr", mistakes),
            expected,
        });
    }
    test
}

fn texts(fields: &Fields<'_>, name: &str, mistakes: &mut Mistakes) -> Vec<String> {
    let nodes = fields.list(name, mistakes);
    nodes
        .iter()
        .filter_map(|node| crate::rule::fields::scalar(node, name, mistakes))
        .map(str::to_owned)
        .collect()
}

fn map(fields: &Fields<'_>, name: &str, mistakes: &mut Mistakes) -> BTreeMap<String, String> {
    let entries = fields.texts(name, mistakes);
    entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect()
}

/// A number as YAML writes them.
fn number(text: &str, place: Location, mistakes: &mut Mistakes) -> f64 {
    let plain = text.trim_start_matches(['+', '-']);
    let parsed = match plain.to_ascii_lowercase().as_str() {
        ".inf" => Some(f64::INFINITY),
        ".nan" => Some(f64::NAN),
        lower if lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            let digits = plain.replace('_', "");
            match digits.strip_prefix("0x") {
                #[expect(clippy::cast_precision_loss, reason = "as YAML's integers as floats")]
                Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as f64),
                None => digits.parse().ok(),
            }
        }
        _ => None,
    };
    let Some(parsed) = parsed else {
        mistakes.add(
            place,
            format!("`value`: {text:?} is no number"),
            "such as 1, 2.5e3, .inf or .nan",
        );
        return 0.0;
    };
    if text.starts_with('-') {
        -parsed
    } else {
        parsed
    }
}

/// Seconds since 1970, or RFC 3339.
fn start(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        let duration = Duration::try_from_secs_f64(seconds.abs()).ok()?;
        return Some(if seconds < 0.0 {
            -ms(duration)
        } else {
            ms(duration)
        });
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_millis())
}

//! Reads rule files of Prometheus's format (its model/rulefmt).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_saphyr::Location;
use tidegauge_promql::{Labels, METRIC_NAME, Query, ValueKind};

use super::fields::{Entry, Fields, Mistakes};
use super::problem::Problem;
use super::yaml::Node;
use crate::template::Template;

/// How far back an instant selector looks; Prometheus's default.
pub const LOOKBACK: Duration = Duration::from_secs(5 * 60);

/// A group of rules as it is written.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// Its name, unique in the file.
    pub name: String,
    /// How often it is evaluated, where it says so.
    pub interval: Option<Duration>,
    /// How far back it is evaluated, where it says so.
    pub query_offset: Option<Duration>,
    /// The most alerts or series of a rule; 0 for any number.
    pub limit: usize,
    /// Its rules.
    pub rules: Vec<Arc<RuleSpec>>,
}

/// A rule as it is written.
#[derive(Debug)]
pub struct RuleSpec {
    /// The alert's name, or that of the metric.
    pub name: String,
    /// What it makes.
    pub kind: RuleKind,
    /// The expression.
    pub query: Query,
    /// Labels with the group's, as written.
    pub labels: Labels,
    /// Where the rule begins in its file: line and column.
    pub place: (u64, u64),
}

/// What a rule makes.
#[derive(Debug)]
pub enum RuleKind {
    /// Samples of a metric.
    Record,
    /// Alerts.
    Alert(AlertSpec),
}

/// What an alerting rule has besides.
#[derive(Debug)]
pub struct AlertSpec {
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing: Duration,
    /// Labels with the group's, as templates.
    pub labels: Vec<(String, Template)>,
    /// Annotations.
    pub annotations: Vec<(String, Template)>,
}

impl RuleSpec {
    /// What it has as an alerting rule.
    pub fn alert(&self) -> Option<&AlertSpec> {
        match &self.kind {
            RuleKind::Alert(alert) => Some(alert),
            RuleKind::Record => None,
        }
    }
}

const GROUP_KEYS: &[&str] = &[
    "name",
    "interval",
    "query_offset",
    "limit",
    "labels",
    "rules",
];
const RULE_KEYS: &[&str] = &[
    "record",
    "alert",
    "expr",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
];

/// Reads the text of a rule file.
///
/// # Errors
/// Every mistake in it, in the order of the file.
pub fn parse(text: &str) -> Result<Vec<GroupSpec>, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| vec![problem])?;
    let mut mistakes = Mistakes::default();
    let fields = Fields::of(&root, "a rule file", &["groups"], &mut mistakes);
    let mut groups = Vec::new();
    let mut names = HashSet::new();
    for node in fields.list("groups", &mut mistakes) {
        mistakes.within.clear();
        let fields = Fields::of(node, "a group", GROUP_KEYS, &mut mistakes);
        groups.push(group(&fields, &mut names, &mut mistakes));
    }
    if mistakes.found.is_empty() {
        Ok(groups)
    } else {
        mistakes
            .found
            .sort_by_key(|problem| (problem.line, problem.column));
        Err(mistakes.found)
    }
}

fn group(fields: &Fields<'_>, names: &mut HashSet<String>, mistakes: &mut Mistakes) -> GroupSpec {
    let name = match fields.text("name", mistakes) {
        Some((name, place)) if !name.is_empty() => {
            if !names.insert(name.to_owned()) {
                let message = format!("groupname: \"{name}\" is repeated in the same file");
                mistakes.add(place, message, "give it another name");
            }
            name.to_owned()
        }
        _ => {
            mistakes.add(fields.place, "Groupname must not be empty", "add `name:`");
            String::new()
        }
    };
    let within = format!("group {name:?}");
    mistakes.within.clone_from(&within);
    let labels = fields.texts("labels", mistakes);
    check_labels(&labels, mistakes);
    let limit = match fields.text("limit", mistakes) {
        None => 0,
        Some((text, place)) => text.parse::<i64>().map_or_else(
            |_| {
                mistakes.add(place, format!("`limit`: {text:?} is no whole number"), "");
                0
            },
            // As in Prometheus a limit below 0 is none.
            |limit| usize::try_from(limit).unwrap_or(0),
        ),
    };
    let interval = fields.duration("interval", mistakes);
    let query_offset = fields.duration("query_offset", mistakes);
    let mut rules = Vec::new();
    for (index, node) in fields.list("rules", mistakes).iter().enumerate() {
        mistakes.within = format!("{within}, rule {}", index + 1);
        let fields = Fields::of(node, "a rule", RULE_KEYS, mistakes);
        if fields.is_none_at_all() {
            continue;
        }
        rules.extend(rule(&fields, &labels, mistakes).map(Arc::new));
    }
    mistakes.within.clear();
    GroupSpec {
        name,
        interval: interval.filter(|interval| !interval.is_zero()),
        query_offset,
        limit,
        rules,
    }
}

fn rule(fields: &Fields<'_>, group: &[Entry], mistakes: &mut Mistakes) -> Option<RuleSpec> {
    let non_empty =
        |found: Option<(_, _)>| found.filter(|(text, _): &(&str, Location)| !text.is_empty());
    let record = non_empty(fields.text("record", mistakes));
    let alert = non_empty(fields.text("alert", mistakes));
    if let Some((name, _)) = alert.or(record) {
        mistakes.within.push_str(&format!(", {name:?}"));
    }
    match (record, alert) {
        (Some((_, place)), Some(_)) => mistakes.add(
            place,
            "only one of 'record' and 'alert' must be set",
            "make two rules of them",
        ),
        (None, None) => mistakes.add(
            fields.place,
            "one of 'record' or 'alert' must be set",
            "add `alert: Name` or `record: name`",
        ),
        _ => {}
    }
    let query = expression(fields, mistakes);
    let own = fields.texts("labels", mistakes);
    check_labels(&own, mistakes);
    let mut labels: Vec<&Entry> = own.iter().collect();
    labels.extend(
        group
            .iter()
            .filter(|entry| own.iter().all(|mine| mine.name != entry.name)),
    );
    labels.sort_by(|a, b| a.name.cmp(&b.name));
    let written = Labels::new(labels.iter().map(|entry| (&entry.name, &entry.value)));
    let (name, kind) = match alert {
        Some((name, _)) => (
            name,
            RuleKind::Alert(alert_spec(fields, name, &labels, mistakes)),
        ),
        None => {
            let (name, place) = record?;
            check_record(fields, name, place, mistakes);
            (name, RuleKind::Record)
        }
    };
    let query = query?;
    Some(RuleSpec {
        name: name.to_owned(),
        kind,
        query,
        labels: written,
        place: (fields.place.line(), fields.place.column()),
    })
}

fn expression(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<Query> {
    let (text, place) = match fields.text("expr", mistakes) {
        Some((text, place)) if !text.trim().is_empty() => (text, place),
        _ => {
            mistakes.add(
                fields.place,
                "field 'expr' must be set in rule",
                "add `expr:`",
            );
            return None;
        }
    };
    match Query::parse(text) {
        Ok(query) => {
            if matches!(query.kind(), ValueKind::Matrix | ValueKind::String) {
                mistakes.add(
                    place,
                    "the expression gives neither a vector nor a number",
                    "a range needs a function, such as rate()",
                );
            }
            Some(query)
        }
        Err(error) => {
            mistakes.add(place, format!("could not parse expression: {error}"), "");
            None
        }
    }
}

fn check_record(fields: &Fields<'_>, name: &str, place: Location, mistakes: &mut Mistakes) {
    for key in ["annotations", "for", "keep_firing_for"] {
        if let Some(node) = fields.get(key) {
            let message = format!("invalid field '{key}' in recording rule");
            mistakes.add(node.place, message, "only alerts have it");
        }
    }
    if name.contains(['{', '}']) {
        let message =
            format!("braces present in the recording rule name; should it be in expr?: {name}");
        mistakes.add(place, message, "");
    }
}

fn alert_spec(
    fields: &Fields<'_>,
    name: &str,
    labels: &[&Entry],
    mistakes: &mut Mistakes,
) -> AlertSpec {
    let annotations = fields.texts("annotations", mistakes);
    for entry in annotations.iter().filter(|entry| entry.name.is_empty()) {
        mistakes.add(entry.key_place, "invalid annotation name: \"\"", "");
    }
    let mut template = |what: &str, entry: &Entry| {
        let parsed = Template::parse(name, &entry.value);
        let parsed = parsed.map_err(|error| {
            let message = format!("{what} {:?}: template: {error}", entry.name);
            mistakes.add(entry.value_place, message, "");
        });
        Some((entry.name.clone(), parsed.ok()?))
    };
    AlertSpec {
        labels: labels
            .iter()
            .filter_map(|entry| template("label", entry))
            .collect(),
        annotations: annotations
            .iter()
            .filter_map(|entry| template("annotation", entry))
            .collect(),
        hold: fields.duration("for", mistakes).unwrap_or_default(),
        keep_firing: fields
            .duration("keep_firing_for", mistakes)
            .unwrap_or_default(),
    }
}

fn check_labels(labels: &[Entry], mistakes: &mut Mistakes) {
    for entry in labels {
        if entry.name.is_empty() || entry.name == METRIC_NAME {
            let message = format!("invalid label name: {:?}", entry.name);
            mistakes.add(
                entry.key_place,
                message,
                "a recording rule's metric is named by `record`",
            );
        }
    }
}

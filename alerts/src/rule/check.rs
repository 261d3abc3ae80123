//! What is odd in rule files that are right: rules that are there twice, metrics that nobody has, ranges that are
//! longer than samples are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegauge_model::metric::FamilySpec;
use tidegauge_model::units::format_duration;
use tidegauge_promql::{METRIC_NAME, MatchOp, Selector};

use super::fields::nearest;
use super::file::{GroupSpec, RuleSpec};
use super::problem::Problem;

/// Labels that a scrape adds.
const ADDED: &[&str] = &["job", "instance"];

/// What rules can refer to.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The families that exporter and sidecar may have. Metrics that do not begin as these are another exporter's.
    pub families: &'a [&'static FamilySpec],
    /// How long samples are kept at most.
    pub kept: Option<Duration>,
}

/// What is odd in files of groups, file by file in their order.
pub fn warnings(files: &[(PathBuf, Vec<GroupSpec>)], known: Known<'_>) -> Vec<(PathBuf, Problem)> {
    let rules = || {
        let groups = files
            .iter()
            .flat_map(|(path, groups)| groups.iter().map(move |group| (path, group)));
        groups.flat_map(|(path, group)| group.rules.iter().map(move |rule| (path, group, &**rule)))
    };
    let recorded: BTreeSet<&str> = rules()
        .filter(|(_, _, rule)| rule.alert().is_none())
        .map(|(_, _, rule)| rule.name.as_str())
        .collect();
    let mut first: BTreeMap<_, &Path> = BTreeMap::new();
    let mut found = Vec::new();
    for (path, group, rule) in rules() {
        let within = format!("group {:?}, {:?}", group.name, rule.name);
        let mut add = |message: String, hint: String| {
            let (line, column) = rule.place;
            let place = within.clone();
            let problem = Problem {
                line,
                column,
                place,
                message,
                hint,
            };
            found.push((path.clone(), problem));
        };
        let key = (rule.alert().is_some(), &rule.name, &rule.labels);
        if let Some(other) = first.insert(key, path) {
            add(
                format!(
                    "another rule has the same name and labels, in {}",
                    other.display()
                ),
                "what they write may clash; tell them apart by a label".to_owned(),
            );
        }
        for selector in rule.query.selectors() {
            if let Some((message, hint)) = look(selector, rule, known, &recorded) {
                add(message, hint);
            }
        }
    }
    found
}

fn look(
    selector: &Selector,
    rule: &RuleSpec,
    known: Known<'_>,
    recorded: &BTreeSet<&str>,
) -> Option<(String, String)> {
    if let Some(kept) = known.kept
        && selector.reach > kept
    {
        let (reach, kept) = (format_duration(selector.reach), format_duration(kept));
        return Some((
            format!("the expression looks {reach} back, and samples are kept for {kept}"),
            "make the range shorter, or keep samples longer".to_owned(),
        ));
    }
    let name = selector.matchers.iter().find(|m| m.name == METRIC_NAME)?;
    if name.op != MatchOp::Equal {
        return None;
    }
    let metric = name.value.as_str();
    if !metric.starts_with("tidegauge_") || recorded.contains(metric) {
        return None;
    }
    let Some(family) = known.families.iter().find(|family| family.name == metric) else {
        let all = known.families.iter().map(|family| family.name);
        let hint = match nearest(metric, all.chain(recorded.iter().copied())) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "docs/metrics.md lists them".to_owned(),
        };
        return Some((
            format!("neither a collector nor the sidecar has the metric `{metric}`"),
            hint,
        ));
    };
    // Labels may also be added by whoever scrapes: only what looks like a slip is told.
    let has = |name: &str| family.labels.contains(&name) || ADDED.contains(&name);
    let slip = selector
        .matchers
        .iter()
        .filter(|matcher| matcher.name != METRIC_NAME && !has(&matcher.name))
        .find_map(|matcher| {
            let meant = nearest(&matcher.name, family.labels.iter().copied())?;
            Some((matcher.name.as_str(), meant))
        });
    let (label, meant) = slip?;
    tracing::debug!(rule = %rule.name, label, "a label that the family lacks");
    Some((
        format!("`{metric}` has no label `{label}`"),
        format!("did you mean `{meant}`?"),
    ))
}

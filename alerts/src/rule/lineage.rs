//! What stands behind an alert: what its own expression asks for, and what the recording rules ask for whose series
//! it reads.

use std::collections::HashSet;

use tidegauge_promql::{METRIC_NAME, Selector};

use super::file::{GroupSpec, RuleSpec};

/// All recording rules, to be looked up by the metric that they record.
pub struct Lineage<'a> {
    recording: Vec<&'a RuleSpec>,
}

impl<'a> Lineage<'a> {
    /// Of all groups that run together.
    pub fn of(groups: impl Iterator<Item = &'a GroupSpec>) -> Self {
        let rules = groups.flat_map(|group| &group.rules);
        let recording = rules.filter(|rule| rule.alert().is_none());
        Self {
            recording: recording.map(|rule| &**rule).collect(),
        }
    }

    /// The selectors of a rule, followed by those of the rules that it reads, near ones first.
    pub fn origins(&self, rule: &RuleSpec) -> Vec<Selector> {
        let mut origins = rule.query.selectors().to_vec();
        let mut seen: HashSet<*const RuleSpec> = HashSet::new();
        let mut next = 0;
        while let Some(selector) = origins.get(next) {
            next += 1;
            let mut more = Vec::new();
            for &recording in &self.recording {
                if records_for(selector, recording) && seen.insert(recording) {
                    more.extend_from_slice(recording.query.selectors());
                }
            }
            origins.extend(more);
        }
        origins
    }
}

/// Whether a selector may ask for what a rule records. A selector that leaves the metric's name open asks for all.
fn records_for(selector: &Selector, recording: &RuleSpec) -> bool {
    let mut names = selector.matchers.iter().filter(|m| m.name == METRIC_NAME);
    names.all(|matcher| matcher.is_match(&recording.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::parse;

    #[test]
    fn through_all_rules_once() {
        let groups = parse(
            "groups: [{name: g, rules: [\
             {record: a, expr: x + b}, {record: b, expr: y offset 1m or a}, {record: other, expr: z},\
             {alert: A, expr: 'a > 1'}, {alert: P, expr: '{__name__=~\"o.*\"} > 1'}]}]",
        )
        .unwrap();
        let lineage = Lineage::of(groups.iter());
        let names = |rule: usize| -> Vec<String> {
            let origins = lineage.origins(&groups[0].rules[rule]);
            let name = |selector: &Selector| selector.matchers[0].value.clone();
            origins.iter().map(name).collect()
        };
        assert_eq!(names(3), ["a", "x", "b", "y", "a"]);
        assert_eq!(names(4), ["o.*", "z"]);
    }
}

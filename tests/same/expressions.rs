//! What is asked: the expressions of all rules that ship, and the parts that they are made of.

use std::collections::BTreeSet;

use promql_parser::parser::Expr;
use promql_parser::parser::value::ValueType;
use promql_parser::util::{ExprVisitor, walk_expr};
use tidegauge::builtin_rules::RULE_FILES;
use tidegauge_alerts::rule::{GroupSpec, parse};
use tidegauge_promql::Query;

/// The same rules, but that all are evaluated every second, and what waits does so for some seconds only.
pub fn hurried(text: &str) -> String {
    let mut hurried = String::new();
    for line in text.lines() {
        let bare = line.trim_start();
        let indent = &line[..line.len() - bare.len()];
        let line = match bare.split_once(": ") {
            Some((key @ ("for" | "keep_firing_for"), _)) => format!("{indent}{key}: 3s"),
            Some((key @ "interval", _)) => format!("{indent}{key}: 1s"),
            _ => line.to_owned(),
        };
        hurried.push_str(&line);
        hurried.push('\n');
    }
    hurried
}

/// Each expression of a rule, and each part of one that has a value by itself, once.
pub fn all() -> BTreeSet<String> {
    let groups: Vec<GroupSpec> = RULE_FILES
        .iter()
        .flat_map(|file| parse(file.text).unwrap_or_else(|why| panic!("{}: {why:?}", file.name)))
        .collect();
    let mut parts = Parts::default();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        walk_expr(&mut parts, rule.query.expression()).unwrap();
    }
    parts.0
}

/// Whether a part of it is made by each server on its own and at times of its own: alerts, recorded series and what is
/// told of scrapes.
pub fn is_own(expression: &str) -> bool {
    let query = Query::parse(expression).unwrap();
    query.selectors().iter().any(|selector| {
        let name = selector.matchers.iter().find(|m| m.name == "__name__");
        let name = name.map_or("", |matcher| matcher.value.as_str());
        name.contains(':') || name == "up" || name.starts_with("ALERTS")
    })
}

#[derive(Default)]
struct Parts(BTreeSet<String>);

impl ExprVisitor for Parts {
    type Error = String;

    fn pre_visit(&mut self, part: &Expr) -> Result<bool, String> {
        if matches!(part.value_type(), ValueType::Vector | ValueType::Scalar) {
            self.0.insert(part.to_string());
        }
        Ok(true)
    }
}

//! Rules, as a file for Prometheus and as what ours shows of them.

use std::time::Duration;

use tidegauge_alerts::api::v1::view::{
    Alert, AlertState, Health, Rule, RuleGroup, RuleKind, Rules,
};
use tidegauge_promql::Labels;

pub const FILE: &str = r#"
groups:
  - name: second
    rules:
      - record: job:recorded:sum
        expr: sum(vector(1)) by(job)
  - name: first
    interval: 1s
    limit: 7
    rules:
      - record: recorded
        expr: vector(1) > 0
        labels: {severity: none}
      - alert: Fires
        expr: vector(85)
        labels: {severity: page}
        annotations: {summary: "it <fires>"}
      - alert: Waits
        expr: vector(1)
        for: 1h
        keep_firing_for: 1m30s
        labels: {severity: warn}
      - alert: Sleeps
        expr: vector(1) > 2
      - alert: Fails
        expr: label_replace(vector(1), "", "", "", "")
"#;

/// The same, evaluated.
pub struct Known;

impl Rules for Known {
    fn groups(&self) -> Vec<RuleGroup> {
        let group = |name: &str, limit, rules| RuleGroup {
            name: name.to_owned(),
            file: "rules.yml".to_owned(),
            interval: Duration::from_secs(1),
            limit,
            evaluation_time: Duration::from_micros(123),
            last_evaluation: Some(1_700_000_000_123),
            rules,
        };
        let rule = |name: &str, query: &str, labels: &[(&str, &str)], kind| Rule {
            name: name.to_owned(),
            query: query.to_owned(),
            labels: Labels::new(labels.iter().copied()),
            health: Health::Good,
            last_error: String::new(),
            evaluation_time: Duration::from_micros(12),
            last_evaluation: Some(1_700_000_000_123),
            kind,
        };
        let alerting =
            |hold, keep_firing, annotations: &[(&str, &str)], alerts| RuleKind::Alerting {
                hold: Duration::from_secs(hold),
                keep_firing: Duration::from_secs(keep_firing),
                annotations: Labels::new(annotations.iter().copied()),
                alerts,
            };
        let alert = |labels: &[(&str, &str)], annotations: &[(&str, &str)], state, value| Alert {
            labels: Labels::new(labels.iter().copied()),
            annotations: Labels::new(annotations.iter().copied()),
            state,
            active_at: 1_700_000_000_000,
            keep_firing_since: None,
            value,
        };
        let summary = [("summary", "it <fires>")];
        let fires = alert(
            &[("alertname", "Fires"), ("severity", "page")],
            &summary,
            AlertState::Firing,
            85.0,
        );
        let waits = alert(
            &[("alertname", "Waits"), ("severity", "warn")],
            &[],
            AlertState::Pending,
            1.0,
        );
        let mut fails = rule(
            "Fails",
            "label_replace(vector(1), \"\", \"\", \"\", \"\")",
            &[],
            alerting(0, 0, &[], Vec::new()),
        );
        fails.health = Health::Bad;
        fails.last_error = "as told".to_owned();
        vec![
            group(
                "second",
                0,
                vec![rule(
                    "job:recorded:sum",
                    "sum by (job) (vector(1))",
                    &[],
                    RuleKind::Recording,
                )],
            ),
            group(
                "first",
                7,
                vec![
                    rule(
                        "recorded",
                        "vector(1) > 0",
                        &[("severity", "none")],
                        RuleKind::Recording,
                    ),
                    rule(
                        "Fires",
                        "vector(85)",
                        &[("severity", "page")],
                        alerting(0, 0, &summary, vec![fires]),
                    ),
                    rule(
                        "Waits",
                        "vector(1)",
                        &[("severity", "warn")],
                        alerting(3600, 90, &[], vec![waits]),
                    ),
                    rule(
                        "Sleeps",
                        "vector(1) > 2",
                        &[],
                        alerting(0, 0, &[], Vec::new()),
                    ),
                    fails,
                ],
            ),
        ]
    }
}

//! Groups, rules and alerts as others see them: the API, the status page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegauge_promql::{Labels, Timestamp};

use super::group::{Group, Health, Rule};
use crate::alert::{Alert, State};

/// A group after its last evaluation.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: Arc<str>,
    /// How often it is evaluated.
    pub interval: Duration,
    /// The most alerts or series of a rule; 0 for any number.
    pub limit: usize,
    /// How long the last evaluation took.
    pub evaluation_time: Duration,
    /// When that was, in milliseconds since 1970.
    pub last_evaluation: Option<Timestamp>,
    /// Its rules in their order.
    pub rules: Vec<RuleView>,
}

/// A rule after its last evaluation.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// Name of the alert, or of the metric.
    pub name: String,
    /// The expression.
    pub query: String,
    /// Labels as they are written, with the group's.
    pub labels: Labels,
    /// How the last evaluation went.
    pub health: Health,
    /// Why not well; empty where well.
    pub last_error: String,
    /// How long it took.
    pub evaluation_time: Duration,
    /// When it was, in milliseconds since 1970.
    pub last_evaluation: Option<Timestamp>,
    /// What an alerting rule has besides.
    pub alerting: Option<AlertingView>,
}

/// What an alerting rule has besides.
#[derive(Clone, Debug)]
pub struct AlertingView {
    /// The weightiest state of its alerts; none before the first evaluation ("unknown" in Prometheus's API).
    pub state: Option<State>,
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// Annotations as they are written.
    pub annotations: BTreeMap<String, String>,
    /// Those that are pending or fire, in the order of their labels.
    pub alerts: Vec<Alert>,
}

/// The group as it is now.
pub fn of(group: &Group) -> GroupView {
    GroupView {
        name: group.spec.name.clone(),
        file: group.file.clone(),
        interval: group.interval,
        limit: group.spec.limit,
        evaluation_time: group.took,
        last_evaluation: group.evaluated_at,
        rules: group.rules.iter().map(rule).collect(),
    }
}

fn rule(rule: &Rule) -> RuleView {
    let spec = &rule.spec;
    RuleView {
        name: spec.name.clone(),
        query: spec.query.expression().to_string(),
        labels: spec.labels.clone(),
        health: rule.health,
        last_error: rule.last_error.clone(),
        evaluation_time: rule.took,
        last_evaluation: rule.evaluated_at,
        alerting: spec.alert().map(|alert| {
            let active = rule.active.iter().filter(|alert| alert.is_active());
            let mut alerts: Vec<Alert> = active.cloned().collect();
            alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
            let annotations = alert.annotations.iter();
            AlertingView {
                state: rule.evaluated_at.map(|_| rule.active.state()),
                hold: alert.hold,
                keep_firing_for: alert.keep_firing,
                annotations: annotations
                    .map(|(name, template)| (name.clone(), template.text().to_owned()))
                    .collect(),
                alerts,
            }
        }),
    }
}

//! The sidecar about itself: its window and its rules.

use tidegauge_alerts::rule::{GroupStats, Manager};
use tidegauge_alerts::window::Stats;
use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

const GROUP: &[&str] = &["rule_group"];

static SERIES: FamilySpec =
    FamilySpec::gauge("tidegauge_window_series", "Series in the window.", &[]);
static SAMPLES: FamilySpec =
    FamilySpec::gauge("tidegauge_window_samples", "Samples in the window.", &[]);
static BYTES: FamilySpec = FamilySpec::gauge(
    "tidegauge_window_bytes",
    "Bytes that series, samples and index of the window take.",
    &[],
);
static APPENDED: FamilySpec = FamilySpec::counter(
    "tidegauge_window_appended_samples_total",
    "Samples taken in.",
    &[],
);
static REFUSED: FamilySpec = FamilySpec::counter(
    "tidegauge_window_refused_samples_total",
    "Samples refused: for a time before the last one, another value at the same time, no room, or a time too far ahead.",
    &["reason"],
);
static EVICTED: FamilySpec = FamilySpec::counter(
    "tidegauge_window_evicted_samples_total",
    "Samples dropped before their time, since there was no room.",
    &[],
);
static PERSISTED: FamilySpec = FamilySpec::gauge(
    "tidegauge_window_persistence_healthy",
    "Whether what is taken in is written to disk.",
    &[],
);
static PERSISTENCE_FAILURES: FamilySpec = FamilySpec::counter(
    "tidegauge_window_persistence_failures_total",
    "Failures to write the window to disk.",
    &[],
);
static SNAPSHOT_TIME: FamilySpec = FamilySpec::gauge(
    "tidegauge_window_last_snapshot_timestamp_seconds",
    "When the window was last written to disk whole, in seconds since 1970.",
    &[],
);
static EVALUATIONS: FamilySpec = FamilySpec::counter(
    "tidegauge_rule_evaluations_total",
    "Evaluations of rules.",
    GROUP,
);
static EVALUATION_FAILURES: FamilySpec = FamilySpec::counter(
    "tidegauge_rule_evaluation_failures_total",
    "Evaluations of rules that failed.",
    GROUP,
);
static MISSED: FamilySpec = FamilySpec::counter(
    "tidegauge_rule_group_iterations_missed_total",
    "Evaluations of the group that were left out, since the one before took too long.",
    GROUP,
);
static DURATION: FamilySpec = FamilySpec::gauge(
    "tidegauge_rule_group_last_duration_seconds",
    "How long the last evaluation of the group took.",
    GROUP,
);
static EVALUATED: FamilySpec = FamilySpec::gauge(
    "tidegauge_rule_group_last_evaluation_timestamp_seconds",
    "When the group was last evaluated, in seconds since 1970.",
    GROUP,
);
static LAST_SAMPLES: FamilySpec = FamilySpec::gauge(
    "tidegauge_rule_group_last_evaluation_samples",
    "Samples that the last evaluation of the group gave.",
    GROUP,
);
static INTERVAL: FamilySpec = FamilySpec::gauge(
    "tidegauge_rule_group_interval_seconds",
    "How often the group is evaluated.",
    GROUP,
);
static RULES: FamilySpec =
    FamilySpec::gauge("tidegauge_rule_group_rules", "Rules of the group.", GROUP);
static ALERTS: FamilySpec = FamilySpec::gauge("tidegauge_alerts", "Alerts by state.", &["state"]);
static STATE_FAILURES: FamilySpec = FamilySpec::counter(
    "tidegauge_rule_state_failures_total",
    "Failures to write the state of alerts to disk.",
    &[],
);

static STATE_HEALTHY: FamilySpec = FamilySpec::gauge(
    "tidegauge_rule_state_persistence_healthy",
    "Whether the state of alerts is written to disk.",
    &[],
);
static STATE_CORRUPTIONS: FamilySpec = FamilySpec::counter(
    "tidegauge_rule_state_corruptions_total",
    "Databases of alerts that were broken and set aside.",
    &[],
);
static TEMPLATE_FAILURES: FamilySpec = FamilySpec::counter(
    "tidegauge_rule_template_failures_total",
    "Templates of alerting rules that failed; the alert goes on with the error in place of the text.",
    GROUP,
);
static CORRUPT: FamilySpec = FamilySpec::gauge(
    "tidegauge_window_corrupt_files",
    "Files of the window that were damaged or of another version at the start, and set aside.",
    &[],
);
static DISCARDED: FamilySpec = FamilySpec::counter(
    "tidegauge_window_discarded_samples_total",
    "Samples from a time to come that were thrown away when the clock came back from a jump.",
    &[],
);

/// All of them, for the generated documentation.
pub static FAMILIES: &[&FamilySpec] = &[
    &ALERTS,
    &EVALUATIONS,
    &EVALUATION_FAILURES,
    &DURATION,
    &INTERVAL,
    &MISSED,
    &LAST_SAMPLES,
    &EVALUATED,
    &RULES,
    &STATE_CORRUPTIONS,
    &STATE_FAILURES,
    &STATE_HEALTHY,
    &TEMPLATE_FAILURES,
    &APPENDED,
    &BYTES,
    &CORRUPT,
    &DISCARDED,
    &EVICTED,
    &SNAPSHOT_TIME,
    &PERSISTENCE_FAILURES,
    &PERSISTED,
    &REFUSED,
    &SAMPLES,
    &SERIES,
];

fn single(spec: &'static FamilySpec, value: impl Into<Value>) -> Family {
    let mut family = Family::new(spec);
    family.push(&Labels::none(), value);
    family
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 need far fewer bits than a float has"
)]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1e3
}

/// Of the window.
pub fn window(stats: &Stats) -> Vec<Family> {
    let mut refused = Family::new(&REFUSED);
    for (reason, count) in [
        ("ahead", stats.ahead),
        ("duplicate", stats.duplicate),
        ("out_of_order", stats.out_of_order),
        ("over_limit", stats.over_limit),
    ] {
        refused.push(&Labels::new(&[("reason", reason)]), count);
    }
    let mut families = vec![
        single(&SERIES, stats.series),
        single(&SAMPLES, stats.samples),
        single(&BYTES, stats.series_bytes + stats.index_bytes),
        single(&APPENDED, stats.appended),
        single(&EVICTED, stats.evicted),
        single(&DISCARDED, stats.discarded),
        refused,
    ];
    if let Some(disk) = &stats.disk {
        families.push(single(&PERSISTED, disk.healthy));
        families.push(single(&PERSISTENCE_FAILURES, disk.failures));
        families.push(single(&CORRUPT, disk.corrupt));
        families.extend(
            disk.last_snapshot
                .map(|time| single(&SNAPSHOT_TIME, seconds(time))),
        );
    }
    families
}

/// Of the rules.
pub fn rules(manager: &Manager) -> Vec<Family> {
    let groups = manager.stats();
    let mut all: Vec<Family> = [
        &EVALUATIONS,
        &EVALUATION_FAILURES,
        &TEMPLATE_FAILURES,
        &MISSED,
        &DURATION,
        &LAST_SAMPLES,
        &INTERVAL,
        &RULES,
        &EVALUATED,
    ]
    .into_iter()
    .map(Family::new)
    .collect();
    for group in &groups {
        let labels = Labels::new(&[("rule_group", &format!("{};{}", group.file, group.name))]);
        let values: [Option<Value>; 9] = [
            Some(group.evaluations.into()),
            Some(group.failures.into()),
            Some(group.failed_templates.into()),
            Some(group.missed.into()),
            group
                .last_evaluation
                .map(|_| group.last_duration.as_secs_f64().into()),
            group.last_evaluation.map(|_| group.last_samples.into()),
            Some(group.interval.as_secs_f64().into()),
            Some(group.rules.into()),
            group.last_evaluation.map(|time| seconds(time).into()),
        ];
        for (family, value) in all.iter_mut().zip(values) {
            if let Some(value) = value {
                family.push(&labels, value);
            }
        }
    }
    let mut alerts = Family::new(&ALERTS);
    let sum = |of: fn(&GroupStats) -> u64| groups.iter().map(of).sum::<u64>();
    alerts.push(
        &Labels::new(&[("state", "pending")]),
        sum(|group| group.pending),
    );
    alerts.push(
        &Labels::new(&[("state", "firing")]),
        sum(|group| group.firing),
    );
    all.push(alerts);
    all.push(single(&STATE_FAILURES, manager.persistence_failures()));
    all.push(single(&STATE_HEALTHY, manager.is_persistent()));
    all.push(single(&STATE_CORRUPTIONS, manager.state_corruptions()));
    all
}

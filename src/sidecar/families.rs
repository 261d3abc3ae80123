//! The sidecar about itself: its window and its rules.

use tidegauge_alerts::rule::{GroupStats, Manager};
use tidegauge_alerts::window::{DiskStats, Stats};
use tidegauge_exporter::collector::table::{Table, filled, join, specs};
use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

/// How a value is found in what is asked.
type Read<T> = fn(&T) -> Option<Value>;

const GROUP: &[&str] = &["rule_group"];

static RULES_OF_GROUPS: Table<Read<GroupStats>, 9> = [
    (
        FamilySpec::counter(
            "tidegauge_rule_evaluations_total",
            "Evaluations of rules.",
            GROUP,
        ),
        |group| Some(group.evaluations.into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_rule_evaluation_failures_total",
            "Evaluations of rules that failed.",
            GROUP,
        ),
        |group| Some(group.failures.into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_rule_template_failures_total",
            "Templates of alerting rules that failed; the alert goes on with the error in place of the text.",
            GROUP,
        ),
        |group| Some(group.failed_templates.into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_rule_group_iterations_missed_total",
            "Evaluations of the group that were left out, since the one before took too long.",
            GROUP,
        ),
        |group| Some(group.missed.into()),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_rule_group_last_duration_seconds",
            "How long the last evaluation of the group took.",
            GROUP,
        ),
        |group| {
            group
                .last_evaluation
                .map(|_| group.last_duration.as_secs_f64().into())
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_rule_group_last_evaluation_samples",
            "Samples that the last evaluation of the group gave.",
            GROUP,
        ),
        |group| group.last_evaluation.map(|_| group.last_samples.into()),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_rule_group_interval_seconds",
            "How often the group is evaluated.",
            GROUP,
        ),
        |group| Some(group.interval.as_secs_f64().into()),
    ),
    (
        FamilySpec::gauge("tidegauge_rule_group_rules", "Rules of the group.", GROUP),
        |group| Some(group.rules.into()),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_rule_group_last_evaluation_timestamp_seconds",
            "When the group was last evaluated, in seconds since 1970.",
            GROUP,
        ),
        |group| group.last_evaluation.map(|time| seconds(time).into()),
    ),
];

static STATE: Table<Read<Manager>, 3> = [
    (
        FamilySpec::counter(
            "tidegauge_rule_state_failures_total",
            "Failures to write the state of alerts to disk.",
            &[],
        ),
        |manager| Some(manager.persistence_failures().into()),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_rule_state_persistence_healthy",
            "Whether the state of alerts is written to disk.",
            &[],
        ),
        |manager| Some(manager.is_persistent().into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_rule_state_corruptions_total",
            "Databases of alerts that were broken and set aside.",
            &[],
        ),
        |manager| Some(manager.state_corruptions().into()),
    ),
];

static WINDOW: Table<Read<Stats>, 6> = [
    (
        FamilySpec::gauge("tidegauge_window_series", "Series in the window.", &[]),
        |stats| Some(stats.series.into()),
    ),
    (
        FamilySpec::gauge("tidegauge_window_samples", "Samples in the window.", &[]),
        |stats| Some(stats.samples.into()),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_window_bytes",
            "Bytes that series, samples and index of the window take.",
            &[],
        ),
        |stats| Some((stats.series_bytes + stats.index_bytes).into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_window_appended_samples_total",
            "Samples taken in.",
            &[],
        ),
        |stats| Some(stats.appended.into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_window_evicted_samples_total",
            "Samples dropped before their time, since there was no room.",
            &[],
        ),
        |stats| Some(stats.evicted.into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_window_discarded_samples_total",
            "Samples from a time to come that were thrown away when the clock came back from a jump.",
            &[],
        ),
        |stats| Some(stats.discarded.into()),
    ),
];

static DISK: Table<Read<DiskStats>, 4> = [
    (
        FamilySpec::gauge(
            "tidegauge_window_persistence_healthy",
            "Whether what is taken in is written to disk.",
            &[],
        ),
        |disk| Some(disk.healthy.into()),
    ),
    (
        FamilySpec::counter(
            "tidegauge_window_persistence_failures_total",
            "Failures to write the window to disk.",
            &[],
        ),
        |disk| Some(disk.failures.into()),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_window_corrupt_files",
            "Files of the window that were damaged or of another version at the start, and set aside.",
            &[],
        ),
        |disk| Some(disk.corrupt.into()),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_window_last_snapshot_timestamp_seconds",
            "When the window was last written to disk whole, in seconds since 1970.",
            &[],
        ),
        |disk| disk.last_snapshot.map(|time| seconds(time).into()),
    ),
];

static REFUSED: FamilySpec = FamilySpec::counter(
    "tidegauge_window_refused_samples_total",
    "Samples refused: for a time before the last one, another value at the same time, no room, or a time too far ahead.",
    &["reason"],
);
static ALERTS: FamilySpec = FamilySpec::gauge("tidegauge_alerts", "Alerts by state.", &["state"]);

static ALL: [&FamilySpec; 24] = join(&[
    &[&ALERTS],
    &specs(&RULES_OF_GROUPS),
    &specs(&STATE),
    &specs(&WINDOW),
    &[&REFUSED],
    &specs(&DISK),
]);

/// All of them, for the generated documentation.
pub static FAMILIES: &[&FamilySpec] = &ALL;

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
    let mut families = filled(&WINDOW, &[(Labels::none(), stats)], |read, stats| {
        read(stats)
    });
    families.push(refused);
    if let Some(disk) = &stats.disk {
        families.extend(filled(&DISK, &[(Labels::none(), disk)], |read, disk| {
            read(disk)
        }));
    }
    families
}

/// Of the rules.
pub fn rules(manager: &Manager) -> Vec<Family> {
    let groups = manager.stats();
    let labelled: Vec<(Labels, &GroupStats)> = groups
        .iter()
        .map(|group| {
            let name = format!("{};{}", group.file, group.name);
            (Labels::new(&[("rule_group", &name)]), group)
        })
        .collect();
    let mut all = filled(&RULES_OF_GROUPS, &labelled, |read, group| read(group));
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
    all.extend(filled(
        &STATE,
        &[(Labels::none(), manager)],
        |read, manager| read(manager),
    ));
    all
}

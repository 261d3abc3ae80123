use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::feed::error::ScrapeError;
use crate::feed::labels::Joiner;
use crate::feed::series::{Outcome, Series};
use crate::feed::settings::{Group, Job};
use crate::feed::target::Target;
use crate::feed::text::TextIntake;
use crate::store::Appended;

const NOW: Timestamp = 1_700_000_000_000;

struct Exporter {
    shared: Shared,
    intake: TextIntake,
}

impl Exporter {
    fn new(honor_labels: bool) -> Self {
        let mut job = Job::new("tide");
        job.honor_labels = honor_labels;
        let target = Target::of_job(&job, &Group::default(), "h:1");
        let joiner = Joiner::new(target.labels.clone(), honor_labels);
        let shared = Shared::new(target, job.interval, job.timeout);
        let series = Series::new(joiner, Arc::clone(&shared.metadata));
        Self {
            intake: TextIntake::new(series),
            shared,
        }
    }

    fn says(&mut self, text: &str) {
        self.intake.begin(NOW);
        self.intake.text(
            tidegauge_model::exposition::Format::Text004,
            text.as_bytes(),
        );
        let outcome = self.intake.end(None);
        self.told(outcome);
    }

    fn fails(&mut self) {
        self.intake.begin(NOW);
        let outcome = self.intake.end(Some(ScrapeError::NoReading));
        self.told(outcome);
    }

    fn told(&self, outcome: Outcome) {
        let told = self.intake.series.told();
        self.shared
            .scraped(NOW, Duration::ZERO, outcome, told, Appended::default());
    }

    /// `__name__` among the labels is the metric that the rule asks for.
    fn asks<T>(labels: &[(&str, &str)], ask: impl FnOnce(Subject<'_>) -> T) -> T {
        let labels = Labels::new(labels.iter().copied());
        let matchers = match labels.name() {
            "" => vec![],
            name => vec![Matcher::new(MatchOp::Equal, METRIC_NAME, name)],
        };
        ask(Subject {
            labels: &labels.without_name(),
            matchers: &matchers,
        })
    }

    fn down(&self, labels: &[(&str, &str)]) -> bool {
        self.down_at(NOW, labels)
    }

    fn down_at(&self, now: Timestamp, labels: &[(&str, &str)]) -> bool {
        Self::asks(labels, |subject| is_down(&self.shared, subject, now))
    }

    fn unread(&self, labels: &[(&str, &str)]) -> Vec<String> {
        let mut found = Vec::new();
        Self::asks(labels, |subject| unread(&self.shared, subject, &mut found));
        found.iter().map(Labels::to_string).collect()
    }
}

#[test]
fn a_feed_holds_what_it_may_have_shown() {
    let mut exporter = Exporter::new(false);
    // Before the first scrape nobody knows what is there.
    assert!(exporter.down(&[("job", "tide"), ("__name__", "a")]));
    exporter.says("a 1\n");
    assert!(!exporter.down(&[("__name__", "a")]));
    assert!(!exporter.down(&[("__name__", "gone")]));
    exporter.fails();
    for labels in [
        &[("__name__", "a"), ("job", "tide"), ("instance", "h:1")][..],
        &[("__name__", "a"), ("tier", "hot"), ("alertname", "X")],
        &[("__name__", "up")][..0],
        &[("alertname", "X"), ("instance", "h:1")],
    ] {
        assert!(exporter.down(labels), "{labels:?}");
    }
    assert!(!exporter.down(&[("__name__", "a"), ("instance", "h:2")]));
    assert!(!exporter.down(&[("__name__", "b"), ("instance", "h:1")]));
    exporter.says("a 1\n");
    assert!(!exporter.down(&[("__name__", "a")]));
}

#[test]
fn labels_that_are_honoured_contradict_nothing() {
    let mut exporter = Exporter::new(true);
    exporter.says("a{job=\"other\"} 1\n");
    exporter.fails();
    assert!(exporter.down(&[("__name__", "a"), ("job", "other")]));
}

#[test]
fn what_is_told_of_each_scrape_is_never_missing() {
    let mut exporter = Exporter::new(false);
    // Nothing was written yet since the start.
    assert!(exporter.down(&[("__name__", "up")]));
    exporter.fails();
    assert!(!exporter.down(&[("__name__", "up")]));
    assert!(exporter.down(&[("__name__", "a")]));
}

#[test]
fn after_a_jump_of_the_clock_nobody_has_looked() {
    let mut exporter = Exporter::new(false);
    exporter.says("a 1\n");
    let hour = 3_600_000;
    for name in ["a", "up"] {
        assert!(!exporter.down_at(NOW + 30_000, &[("__name__", name)]));
        assert!(exporter.down_at(NOW + hour, &[("__name__", name)]));
        assert!(exporter.down_at(NOW - hour, &[("__name__", name)]));
    }
    assert!(!exporter.down_at(NOW + hour, &[("__name__", "b")]));
}

#[test]
fn a_selector_contradicts_as_labels_do() {
    let mut exporter = Exporter::new(false);
    exporter.says("a 1\n");
    exporter.fails();
    let asks = |job: &str| {
        let matchers = [
            Matcher::new(MatchOp::Equal, METRIC_NAME, "a"),
            Matcher::new(MatchOp::Equal, "job", job),
        ];
        let subject = Subject {
            labels: &Labels::empty(),
            matchers: &matchers,
        };
        is_down(&exporter.shared, subject, NOW)
    };
    assert!(asks("tide") && !asks("other"));
}

#[test]
fn a_collector_that_failed_holds_its_metrics() {
    let mut exporter = Exporter::new(false);
    exporter.says(
        "tidegauge_collector_success{collector=\"btrfs\"} 1\n\
         tidegauge_collector_success{collector=\"btrfs_volume\"} 0\n\
         tidegauge_collector_success{collector=\"disk\"} 1\n",
    );
    assert!(exporter.down(&[("__name__", "tidegauge_btrfs_scrub_errors")]));
    assert!(!exporter.down(&[("__name__", "tidegauge_disk_reads_total")]));
    // Nothing is told of it: nobody wants it.
    assert!(!exporter.down(&[("__name__", "tidegauge_smart_up")]));
    assert!(!exporter.down(&[("__name__", "tidegauge_btrfs_x"), ("instance", "h:2")]));
    assert!(!exporter.down(&[("alertname", "X")]));
}

#[test]
fn a_collector_in_its_first_run_holds_its_metrics_however_long_that_takes() {
    let mut exporter = Exporter::new(false);
    let started = "process_start_time_seconds 1\n\
                   tidegauge_collector_success{collector=\"disk\"} 1\n\
                   tidegauge_collector_interval_seconds{collector=\"smart\"} 300\n";
    exporter.says(started);
    assert!(exporter.down(&[("__name__", "tidegauge_smart_temperature_celsius")]));
    assert!(!exporter.down(&[("__name__", "tidegauge_disk_reads_total")]));
    assert!(!exporter.down(&[("__name__", "node_load1")]));
    exporter.says(&format!(
        "{started}tidegauge_collector_success{{collector=\"smart\"}} 1\n"
    ));
    assert!(!exporter.down(&[("__name__", "tidegauge_smart_temperature_celsius")]));
}

#[test]
fn what_could_not_be_read_is_known_by_its_labels() {
    let mut exporter = Exporter::new(false);
    exporter.says(
        "tidegauge_tier_up{tier=\"hot\"} 1\n\
         tidegauge_tier_up{tier=\"cold\"} 0\n\
         tidegauge_filesystem_device_error{tier=\"cold\",mountpoint=\"/nas\"} 1\n\
         tidegauge_filesystem_device_error{tier=\"hot\",mountpoint=\"/data\"} 0\n\
         tidegauge_filesystem_reading_age_seconds{tier=\"hot\",mountpoint=\"/data\"} 0\n\
         tidegauge_smart_reading_state{device=\"sda\",state=\"ok\"} 0\n\
         tidegauge_smart_reading_state{device=\"sda\",state=\"standby\"} 1\n\
         tidegauge_smart_reading_state{device=\"sdb\",state=\"ok\"} 1\n\
         tidegauge_directory_up{path=\"/a\"} 1\n\
         tidegauge_directory_budget_bytes{path=\"/a\"} 1\n\
         tidegauge_directory_budget_bytes{path=\"/b\"} 1\n",
    );
    let of_target = |labels: &str| format!("{{{labels}}}");
    for (metric, label, found) in [
        ("tidegauge_tier_used_ratio", ("tier", "cold"), true),
        ("tidegauge_tier_used_ratio", ("tier", "hot"), false),
        ("tidegauge_tier_used_ratio", ("alertname", "X"), true),
        (
            "tidegauge_filesystem_avail_bytes",
            ("mountpoint", "/nas"),
            true,
        ),
        (
            "tidegauge_filesystem_avail_bytes",
            ("mountpoint", "/data"),
            false,
        ),
        ("tidegauge_smart_wear_ratio", ("device", "sda"), true),
        ("tidegauge_smart_wear_ratio", ("device", "sdb"), false),
        ("tidegauge_smart_wear_ratio", ("instance", "h:2"), false),
        ("tidegauge_directory_used_bytes", ("path", "/a"), false),
        // Its first walk has not ended.
        ("tidegauge_directory_used_bytes", ("path", "/b"), true),
        ("tidegauge_disk_reads_total", ("tier", "cold"), false),
        ("node_load1", ("tier", "cold"), false),
    ] {
        let unread = exporter.unread(&[("__name__", metric), label]);
        assert_eq!(!unread.is_empty(), found, "{metric} {label:?}: {unread:?}");
    }
    assert_eq!(
        exporter.unread(&[("__name__", "tidegauge_smart_wear_ratio")]),
        [of_target(r#"device="sda", instance="h:1", job="tide""#)]
    );
    exporter.says("tidegauge_tier_up{tier=\"cold\"} 1\n");
    assert!(
        exporter
            .unread(&[("__name__", "tidegauge_tier_used_ratio")])
            .is_empty()
    );
}

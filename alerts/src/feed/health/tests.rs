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

    fn down(&self, labels: &[(&str, &str)]) -> bool {
        is_down(&self.shared, &Labels::new(labels.iter().copied()), NOW)
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
fn a_collector_that_failed_holds_its_metrics() {
    let mut exporter = Exporter::new(false);
    let long_ago = NOW / 1000 - 100_000;
    exporter.says(&format!(
        "process_start_time_seconds {long_ago}\n\
         tidegauge_collector_success{{collector=\"btrfs\"}} 1\n\
         tidegauge_collector_success{{collector=\"btrfs_volume\"}} 0\n\
         tidegauge_collector_success{{collector=\"disk\"}} 1\n"
    ));
    assert!(exporter.down(&[("__name__", "tidegauge_btrfs_scrub_errors")]));
    assert!(!exporter.down(&[("__name__", "tidegauge_disk_reads_total")]));
    // Not there long after the start: nobody wants it.
    assert!(!exporter.down(&[("__name__", "tidegauge_smart_up")]));
    assert!(!exporter.down(&[("__name__", "tidegauge_btrfs_x"), ("instance", "h:2")]));
    assert!(!exporter.down(&[("alertname", "X")]));
}

#[test]
fn a_collector_that_has_not_run_yet_holds_its_metrics() {
    let mut exporter = Exporter::new(false);
    let just_now = NOW / 1000 - 60;
    exporter.says(&format!(
        "process_start_time_seconds {just_now}\ntidegauge_collector_success{{collector=\"disk\"}} 1\n"
    ));
    assert!(exporter.down(&[("__name__", "tidegauge_smart_up")]));
    assert!(!exporter.down(&[("__name__", "node_load1")]));
    // Another program's exporter has no collectors of ours to wait for.
    exporter.says(&format!("process_start_time_seconds {just_now}\n"));
    assert!(!exporter.down(&[("__name__", "tidegauge_smart_up")]));
}

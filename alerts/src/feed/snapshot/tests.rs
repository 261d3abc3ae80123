use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{FamilySpec, Labels as ModelLabels};
use tidegauge_model::snapshot::Group;
use tidegauge_promql::Labels;

use super::*;
use crate::feed::labels::Joiner;
use crate::feed::testing::lines;

static USED: FamilySpec = FamilySpec::gauge("t_used_bytes", "Used.", &["device"]);
static READS: FamilySpec = FamilySpec::counter("t_reads_total", "Reads.", &["device"]);

struct Given(Arc<Snapshot>);

impl Source for Given {
    fn snapshot(&self) -> Reading<'_> {
        Box::pin(async { Some(Arc::clone(&self.0)) })
    }
}

struct Silent;

impl Source for Silent {
    fn snapshot(&self) -> Reading<'_> {
        Box::pin(std::future::pending())
    }
}

fn snapshot(devices: &[&ModelLabels]) -> Snapshot {
    let families = [&USED, &READS].map(|spec| {
        let mut family = Family::new(spec);
        for labels in devices {
            family.push(labels, u64::MAX);
        }
        family
    });
    Snapshot {
        taken: SystemTime::UNIX_EPOCH,
        groups: vec![Group {
            collector: "c",
            families: Arc::from(families),
        }],
    }
}

fn feed(source: Arc<dyn Source>) -> SnapshotFeed {
    let target = Labels::new([("job", "tidegauge"), ("instance", "h:10733")]);
    let settings = HostFeed {
        instance: "h:10733".to_owned(),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
    };
    let series = Series::new(Joiner::new(target, false), Arc::default());
    SnapshotFeed::new(source, settings, series)
}

#[tokio::test(start_paused = true)]
async fn a_reading_is_taken_in_as_a_scrape_of_it_would_be() {
    let device = ModelLabels::new(&[("device", "sd\"a"), ("job", "own")]);
    let mut feed = feed(Arc::new(Given(Arc::new(snapshot(&[&device])))));
    let outcome = feed.collect(1000).await;
    assert!(outcome.error.is_none());
    assert_eq!((outcome.counts.scraped, outcome.counts.added), (2, 2));
    let expected = [
        r#"t_used_bytes{device="sd\"a", exported_job="own", instance="h:10733", job="tidegauge"} 1000 18446744073709552000"#,
        r#"t_reads_total{device="sd\"a", exported_job="own", instance="h:10733", job="tidegauge"} 1000 18446744073709552000"#,
    ];
    assert_eq!(lines(feed.series().batch()), expected);
    let described: Vec<_> = feed.series().metadata().list();
    assert_eq!(
        (
            described[0].metric.as_str(),
            described[0].kind,
            described[0].help.as_str()
        ),
        ("t_reads", "counter", "Reads.")
    );
}

#[tokio::test(start_paused = true)]
async fn what_leaves_the_readings_is_marked() {
    let devices = ["a", "b", "c"].map(|device| ModelLabels::new(&[("device", device)]));
    let [a, b, c] = &devices;
    let mut feed = feed(Arc::new(Silent));
    for (time, devices, samples, added) in [
        (1, vec![a, b], 4, 4),
        (2, vec![b, c], 6, 2),
        (3, vec![c, b], 4, 0),
        (4, vec![a], 6, 2),
    ] {
        feed.series().cycle.begin(time);
        let outcome = feed.take_in(&snapshot(&devices));
        assert_eq!(outcome.counts.added, added, "{time}");
        let batch = lines(feed.series().batch());
        assert_eq!(batch.len(), samples, "{batch:?}");
    }
}

/// The labels of the store are made once, and shared from then on.
#[tokio::test(start_paused = true)]
async fn a_cycle_like_the_one_before_makes_no_labels() {
    let mut feed = feed(Arc::new(Silent));
    let mut kept: Vec<usize> = Vec::new();
    for time in 1..4 {
        // Rendered anew each time, as some collectors do.
        let device = ModelLabels::new(&[("device", "a")]);
        feed.series().cycle.begin(time);
        feed.take_in(&snapshot(&[&device]));
        let shown: Vec<usize> = feed
            .series()
            .batch()
            .iter()
            .map(|(labels, _)| labels.name().as_ptr() as usize)
            .collect();
        if time > 1 {
            assert_eq!(shown, kept);
        }
        kept = shown;
    }
}

#[tokio::test(start_paused = true)]
async fn no_reading_in_time_is_a_failed_scrape() {
    let mut feed = feed(Arc::new(Silent));
    let error = feed.collect(1000).await.error.unwrap();
    assert_eq!(error.kind(), "timeout");
}

use std::collections::VecDeque;
use std::time::SystemTime;

use tidegauge_model::metric::{Family, FamilySpec, Labels as ModelLabels};
use tidegauge_model::snapshot::{Group as SnapshotGroup, Snapshot};
use tidegauge_promql::{METRIC_NAME, MatchOp, Matcher};
use tokio::time::sleep;

use super::testing::{Recorder, surroundings};
use super::*;

const INTERVAL: Duration = Duration::from_secs(15);

static SPEC: FamilySpec = FamilySpec::gauge("t_used_bytes", "Used.", &[]);

/// Answers by the script, in the end with a reading.
#[derive(Default)]
struct Scripted(Mutex<VecDeque<bool>>);

impl Source for Scripted {
    fn snapshot(&self) -> Reading<'_> {
        let good = self.0.lock().unwrap().pop_front().unwrap_or(true);
        Box::pin(async move {
            let mut family = Family::new(&SPEC);
            family.push(&ModelLabels::none(), 7u64);
            good.then(|| {
                Arc::new(Snapshot {
                    taken: SystemTime::UNIX_EPOCH,
                    groups: vec![SnapshotGroup {
                        collector: "c",
                        families: Arc::from([family]),
                    }],
                })
            })
        })
    }
}

/// Of a metric by its name among the labels.
fn is_down(feeds: &Feeds, labels: &Labels) -> bool {
    let named = match labels.name() {
        "" => vec![],
        name => vec![Matcher::new(MatchOp::Equal, METRIC_NAME, name)],
    };
    feeds.is_down(Subject {
        labels: &labels.without_name(),
        matchers: &named,
    })
}

fn host() -> HostFeed {
    HostFeed {
        instance: "h:10733".into(),
        interval: INTERVAL,
        timeout: Job::TIMEOUT,
    }
}

fn feeds(script: &[bool]) -> (Feeds, Arc<Recorder>) {
    let (around, store, _) = surroundings();
    let source = Arc::new(Scripted(Mutex::new(script.iter().copied().collect())));
    let feeds = Feeds::new(around.store, around.clock, Some(source));
    feeds.apply(Settings {
        host: Some(host()),
        jobs: Vec::new(),
    });
    (feeds, store)
}

async fn next_scrape() {
    sleep(INTERVAL + Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_target_follows_its_scrapes() {
    let (feeds, store) = feeds(&[true, false]);
    let of_host = Labels::new([("__name__", "t_used_bytes"), ("job", "tidegauge")]);
    let target = feeds.targets().remove(0);
    assert_eq!(target.health, TargetHealth::Unknown);
    assert!(is_down(&feeds, &of_host));
    next_scrape().await;
    let target = feeds.targets().remove(0);
    assert_eq!(
        (target.health, target.last_error.is_none()),
        (TargetHealth::Up, true)
    );
    assert_eq!(
        target.labels.to_string(),
        r#"{instance="h:10733", job="tidegauge"}"#
    );
    assert_eq!(target.url, "http://h:10733/metrics");
    assert_eq!((target.interval, target.timeout), (INTERVAL, Job::TIMEOUT));
    assert!(!is_down(&feeds, &of_host));
    assert_eq!(feeds.metadata()[0].1[0].metric, "t_used_bytes");
    next_scrape().await;
    let target = feeds.targets().remove(0);
    assert_eq!(target.health, TargetHealth::Down);
    assert_eq!(target.last_error.unwrap().kind(), "no_reading");
    assert!(is_down(&feeds, &of_host));
    assert!(store.last()[0].ends_with(" stale"), "{:?}", store.last());
    let families = feeds.families();
    let failures = families
        .iter()
        .find(|f| f.spec.name.contains("failures"))
        .unwrap();
    assert_eq!(failures.samples[0].value.as_f64(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_stays_and_ends_what_goes() {
    let (feeds, store) = feeds(&[]);
    next_scrape().await;
    let changed = HostFeed {
        timeout: Duration::from_secs(1),
        ..host()
    };
    feeds.apply(Settings {
        host: Some(changed),
        jobs: Vec::new(),
    });
    assert_eq!(feeds.targets()[0].timeout, Duration::from_secs(1));
    assert_eq!(feeds.targets()[0].health, TargetHealth::Up);
    next_scrape().await;
    assert!(store.samples("scrape_series_added")[1].ends_with(" 0"));
    feeds.apply(Settings::default());
    assert!(feeds.targets().is_empty());
    assert!(!is_down(&feeds, &Labels::new([("job", "tidegauge")])));
    sleep(INTERVAL * 4).await;
    assert!(
        store
            .samples("t_used_bytes")
            .last()
            .unwrap()
            .ends_with(" stale")
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_program_marks_nothing() {
    let (feeds, store) = feeds(&[]);
    next_scrape().await;
    feeds.stop();
    sleep(INTERVAL * 5).await;
    assert_eq!(store.batches.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_written_twice_is_one() {
    let (around, _, _) = surroundings();
    let feeds = Feeds::new(around.store, around.clock, None);
    let group = |targets: &[&str]| Group {
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        labels: Vec::new(),
    };
    let mut job = Job::new("x");
    job.groups = vec![
        group(&["127.0.0.1:1", "127.0.0.1:2"]),
        group(&["127.0.0.1:1"]),
    ];
    feeds.apply(Settings {
        host: Some(host()),
        jobs: vec![job],
    });
    let urls: Vec<String> = feeds.targets().iter().map(|t| t.global_url("me")).collect();
    // And without a source there is no feed of this process.
    assert_eq!(urls, ["http://me:1/metrics", "http://me:2/metrics"]);
}

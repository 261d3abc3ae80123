use std::collections::VecDeque;
use std::sync::Mutex;

use tidegauge_promql::Labels;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;
use crate::feed::cycle::End;
use crate::feed::error::ScrapeError;
use crate::feed::labels::Joiner;
use crate::feed::settings::{Group, Job};
use crate::feed::status::TargetHealth;
use crate::feed::target::Target;
use crate::feed::testing::{START, surroundings};

const INTERVAL: Duration = Duration::from_secs(15);

/// What a scrape brings, and how long it takes.
type Script = Arc<Mutex<VecDeque<(u64, bool)>>>;

struct Scripted {
    script: Script,
    interval: Duration,
    series: Series,
    slot: Option<u32>,
}

impl Collect for Scripted {
    type Settings = Duration;

    fn replace(&mut self, interval: Duration) {
        self.interval = interval;
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn collect(&mut self, time: Timestamp) -> Outcome {
        let (millis, good) = self.script.lock().unwrap().pop_front().unwrap_or((0, true));
        self.series.cycle.begin(time);
        sleep(Duration::from_millis(millis)).await;
        if !good {
            return self
                .series
                .end(End::Lost, Some(ScrapeError::NoReading), |_| {});
        }
        match self.slot {
            Some(slot) => self.series.cycle.record(slot, 1.0, None),
            None => {
                let none: [(&str, &str); 0] = [];
                self.slot = self.series.create("m", &none, 1.0, None, 1).unwrap();
            }
        }
        self.series.end(End::Whole, None, |_| {})
    }

    fn series(&mut self) -> &mut Series {
        &mut self.series
    }
}

struct Started {
    commands: UnboundedSender<Command<Duration>>,
    shared: Arc<Shared>,
    script: Script,
    offset: i64,
}

fn start(name: &str, around: &Surroundings, script: &[(u64, bool)]) -> Started {
    let target = Target::of_job(&Job::new(name), &Group::default(), "h:1");
    let offset = i64::try_from(target.offset(INTERVAL).as_millis()).unwrap();
    let joiner = Joiner::new(target.labels.clone(), false);
    let shared = Arc::new(Shared::new(target, INTERVAL, INTERVAL));
    let script: Script = Arc::new(Mutex::new(script.iter().copied().collect()));
    let feed = Scripted {
        script: Arc::clone(&script),
        interval: INTERVAL,
        series: Series::new(joiner, Arc::default()),
        slot: None,
    };
    let (commands, inbox) = unbounded_channel();
    tokio::spawn(run(feed, Arc::clone(&shared), around.clone(), inbox));
    Started {
        commands,
        shared,
        script,
        offset,
    }
}

/// When the first scrape is, from the start on.
fn first(offset: i64) -> i64 {
    let interval = i64::try_from(INTERVAL.as_millis()).unwrap();
    interval - (START - offset).rem_euclid(interval)
}

#[tokio::test(start_paused = true)]
async fn at_its_offset_every_interval() {
    let (around, store, _) = surroundings();
    let started = start("a", &around, &[(9_000, true), (0, false)]);
    sleep(INTERVAL * 3 + Duration::from_millis(1)).await;
    let first = first(started.offset);
    assert_eq!(
        store.samples("m"),
        [
            format!("{first} 1"),
            format!("{} stale", first + 15_000),
            format!("{} 1", first + 30_000),
        ]
    );
    assert_eq!(
        store.samples("up"),
        [
            format!("{first} 1"),
            format!("{} 0", first + 15_000),
            format!("{} 1", first + 30_000),
        ]
    );
    assert_eq!(
        store.samples("scrape_duration_seconds")[0],
        format!("{first} 9")
    );
    assert_eq!(started.shared.state().totals.failures, 1);
    assert!(started.script.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_delays_nobody() {
    let (around, store, _) = surroundings();
    let slow = start("slow", &around, &[(15_000, true); 3]);
    let quick = start("quick", &around, &[]);
    sleep(INTERVAL * 3 + Duration::from_millis(1)).await;
    let of = |job: &str| {
        let batches = store.batches.lock().unwrap();
        let times: Vec<i64> = batches
            .iter()
            .filter(|batch| batch[0].0.get("job") == job)
            .map(|batch| batch[0].1.time - START)
            .collect();
        times
    };
    let first_quick = first(quick.offset);
    assert_eq!(of("quick"), [0, 15_000, 30_000].map(|t| first_quick + t));
    // One after the other, never two at a time.
    let first_slow = first(slow.offset);
    assert_eq!(of("slow"), [0, 15_000].map(|t| first_slow + t));
}

#[tokio::test(start_paused = true)]
async fn a_retired_target_is_marked_when_it_cannot_come_back() {
    let (around, store, _) = surroundings();
    let started = start("a", &around, &[]);
    sleep(INTERVAL + Duration::from_millis(1)).await;
    started.commands.send(Command::Retire).unwrap();
    let first = first(started.offset);
    sleep(INTERVAL).await;
    assert_eq!(store.samples("m"), [format!("{first} 1")]);
    sleep(INTERVAL * 2).await;
    let expected = [format!("{first} 1"), format!("{} stale", first + 15_000)];
    for series in ["m", "up"] {
        assert_eq!(store.samples(series), expected);
    }
    assert!(started.commands.is_closed());
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_scraped_leaves_no_marks() {
    let (around, store, _) = surroundings();
    let started = start("a", &around, &[]);
    started.commands.send(Command::Retire).unwrap();
    sleep(INTERVAL * 5).await;
    assert!(store.batches.lock().unwrap().is_empty());
    assert_eq!(started.shared.state().health, TargetHealth::Unknown);
}

#[tokio::test(start_paused = true)]
async fn other_settings_keep_what_is_known() {
    let (around, store, _) = surroundings();
    let started = start("a", &around, &[]);
    sleep(INTERVAL + Duration::from_millis(1)).await;
    started.commands.send(Command::Replace(INTERVAL)).unwrap();
    sleep(INTERVAL).await;
    // The pace is the old one, and nothing is new.
    let first = first(started.offset);
    assert_eq!(
        store.samples("m"),
        [0, 15_000].map(|t| format!("{} 1", first + t))
    );
    assert_eq!(
        store.samples("scrape_series_added"),
        [format!("{first} 1"), format!("{} 0", first + 15_000)]
    );
    let quicker = INTERVAL / 3;
    started.commands.send(Command::Replace(quicker)).unwrap();
    sleep(INTERVAL).await;
    assert_eq!(store.samples("m").len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_stops_nothing() {
    let (around, store, clock) = surroundings();
    let started = start("a", &around, &[]);
    sleep(INTERVAL + Duration::from_millis(1)).await;
    let before = started.shared.state().last_scrape.unwrap();
    clock.jump(-86_400_000);
    sleep(INTERVAL * 2).await;
    let after = started.shared.state().last_scrape.unwrap();
    assert!(after < before, "{before} {after}");
    // The store takes nothing older, and that is counted.
    assert!(started.shared.state().totals.out_of_order > 0);
    clock.jump(2 * 86_400_000);
    sleep(INTERVAL * 2).await;
    assert!(started.shared.state().last_scrape.unwrap() > before);
    assert!(store.samples("m").len() >= 2);
    let labels: Labels = started.shared.target.labels.clone();
    assert_eq!(labels.get("job"), "a");
}

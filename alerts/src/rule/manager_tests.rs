//! The manager, with tokio's clock standing still but for timers.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegauge_promql::{Labels, MemoryStorage, STALE, Sample, Timestamp};
use tokio::time::{Instant, sleep};

use super::manager::{Manager, Outbox, Pace};
use super::{RuleSpec, World, parse};
use crate::alert::{Database, Due, Source, SourceHealth, State};
use crate::clock::Clock;

/// Tokio's time, from an hour of our age on, put forward or back by an offset.
struct Paused {
    begun: Instant,
    offset: Mutex<Timestamp>,
}

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.begun.elapsed().as_millis()).unwrap();
        1_700_000_000_000 + passed + *self.offset.lock().unwrap()
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<(String, Timestamp)>>);

impl Outbox for Kept {
    fn accept(&self, rule: &RuleSpec, due: &Due) -> bool {
        self.0
            .lock()
            .unwrap()
            .push((rule.name.clone(), due.ends_at));
        true
    }
}

const RULES: &str = "groups: [{name: g, interval: 15s, rules: [{alert: A, expr: vector(1)}, {record: r, expr: '1'}]}, {name: h, rules: [{record: s, expr: '2'}]}]";

const PACE: Pace = Pace {
    evaluation_interval: Duration::from_secs(60),
    resend_delay: Duration::from_secs(60),
};

struct Bench {
    clock: Arc<Paused>,
    store: Arc<MemoryStorage>,
    outbox: Arc<Kept>,
    manager: Manager,
}

fn bench(folder: &Path, clock: Arc<Paused>) -> Bench {
    let store = Arc::new(MemoryStorage::new());
    let outbox = Arc::new(Kept::default());
    let database = Database::open(folder, clock.now());
    let pace = PACE;
    let manager = Manager::new(
        World::of(store.clone()),
        clock.clone(),
        Some(database),
        Some(outbox.clone()),
        pace,
    );
    Bench {
        clock,
        store,
        outbox,
        manager,
    }
}

fn clock() -> Arc<Paused> {
    Arc::new(Paused {
        begun: Instant::now(),
        offset: Mutex::new(0),
    })
}

impl Bench {
    fn load(&self, rules: &str) {
        self.manager
            .load(vec![("r.yml".into(), parse(rules).unwrap())]);
    }

    fn ask(&self, query: &str) -> usize {
        let query = tidegauge_promql::Query::parse(query).unwrap();
        World::of(self.store.clone())
            .ask(&query, self.clock.now())
            .unwrap()
            .len()
    }
}

#[tokio::test(start_paused = true)]
async fn groups_run_at_their_intervals_and_over_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench(folder.path(), clock());
    bench.load(RULES);
    sleep(Duration::from_secs(300)).await;
    let stats = bench.manager.stats();
    assert_eq!(
        (stats[0].evaluations, stats[0].failures, stats[0].missed),
        (40, 0, 0)
    );
    assert_eq!((stats[1].evaluations, stats[1].missed), (5, 0));
    assert_eq!((stats[0].firing, stats[0].last_samples), (1, 3));
    // At once, then each time more than a minute went by since: 15 s after the minute.
    assert_eq!(bench.outbox.0.lock().unwrap().len(), 4);
    let view = bench.manager.view();
    let since = view[0].rules[0].alerting.as_ref().unwrap().alerts[0].active_at;
    // One rule goes, one group goes: what they wrote ends; the alert stays as it is.
    bench.load("groups: [{name: g, interval: 15s, rules: [{alert: A, expr: vector(2)}]}]");
    sleep(Duration::from_secs(31)).await;
    assert_eq!(bench.ask("r"), 0);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(bench.ask("s"), 0);
    let view = bench.manager.view();
    assert_eq!(view.len(), 1);
    let alerting = view[0].rules[0].alerting.as_ref().unwrap();
    assert_eq!(alerting.alerts[0].active_at, since);
    assert_eq!(alerting.alerts[0].value, 2.0);
    bench.manager.stop().await;
    assert!(bench.manager.view().is_empty());
}

const SLOW: &str = "groups: [{name: g, rules: [{alert: A, expr: vector(1), annotations: {site: '{{ $externalLabels.site }}'}}]}]";

#[tokio::test(start_paused = true)]
async fn a_reload_replaces_labels_and_interval_and_keeps_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench(folder.path(), clock());
    bench.load(SLOW);
    sleep(Duration::from_secs(120)).await;
    let alert = |bench: &Bench| {
        let view = bench.manager.view();
        view[0].rules[0].alerting.as_ref().unwrap().alerts[0].clone()
    };
    let before = alert(&bench);
    assert_eq!(before.annotations["site"], "");
    let evaluations = || bench.manager.stats()[0].evaluations;
    let counted = evaluations();
    let world = World {
        external_labels: Labels::new([("site", "north")]),
        ..World::of(bench.store.clone())
    };
    let pace = Pace {
        evaluation_interval: Duration::from_secs(10),
        resend_delay: Duration::from_secs(60),
    };
    let files = vec![("r.yml".into(), parse(SLOW).unwrap())];
    bench.manager.reload(world, pace, files);
    sleep(Duration::from_secs(60)).await;
    assert!(evaluations() >= counted + 5, "{} {counted}", evaluations());
    let after = alert(&bench);
    assert_eq!(after.annotations["site"], "north");
    assert_eq!(
        (after.state, after.active_at, after.fired_at),
        (State::Firing, before.active_at, before.fired_at)
    );
}

/// What comes of `x` is down.
struct WithoutX;

impl SourceHealth for WithoutX {
    fn is_down(&self, source: Source<'_>) -> bool {
        let matchers = source.selectors.iter().flat_map(|s| &s.matchers);
        matchers.into_iter().any(|matcher| matcher.value == "x")
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_over_a_recorded_series_holds_for_what_that_is_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench(folder.path(), clock());
    let rules = "groups: [{name: g, interval: 15s, rules: [{record: a:b, expr: x}, {alert: A, expr: 'a:b > 0'}]}]";
    let put = |value| {
        let time = bench.clock.now();
        bench
            .store
            .append(&Labels::new([("__name__", "x")]), Sample { time, value });
    };
    put(1.0);
    bench.load(rules);
    sleep(Duration::from_secs(30)).await;
    let firing = || bench.manager.stats()[0].firing;
    assert_eq!(firing(), 1);
    let reload = |health: Option<Arc<dyn SourceHealth>>| {
        let world = World {
            health,
            ..World::of(bench.store.clone())
        };
        let files = vec![("r.yml".into(), parse(rules).unwrap())];
        bench.manager.reload(world, PACE, files);
    };
    reload(Some(Arc::new(WithoutX)));
    put(STALE);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(firing(), 1);
    reload(None);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(firing(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = bench(folder.path(), clock());
    first.load(RULES);
    sleep(Duration::from_secs(60)).await;
    *first.clock.offset.lock().unwrap() = 3_600_000;
    sleep(Duration::from_secs(60)).await;
    let stats = first.manager.stats();
    assert!(
        stats[0].missed >= 238 && stats[0].evaluations >= 14,
        "{stats:?}"
    );
    *first.clock.offset.lock().unwrap() = 0;
    sleep(Duration::from_secs(60)).await;
    let view = first.manager.view();
    assert_eq!(
        view[0].rules[0].alerting.as_ref().unwrap().state,
        Some(State::Firing)
    );
    assert!(first.manager.stats()[0].evaluations >= 20);
    let clock = Arc::clone(&first.clock);
    // Killed: nothing is told to stop.
    drop(first);
    let second = bench(folder.path(), clock);
    second.load(RULES);
    let view = second.manager.view();
    let alerts = &view[0].rules[0].alerting.as_ref().unwrap().alerts;
    assert_eq!((alerts.len(), alerts[0].state), (1, State::Firing));
    sleep(Duration::from_secs(20)).await;
    second.store.append(
        &Labels::new([("__name__", "x")]),
        Sample {
            time: 0,
            value: 0.0,
        },
    );
    assert_eq!(second.ask("ALERTS"), 1);
    assert_eq!(second.manager.persistence_failures(), 0);
}

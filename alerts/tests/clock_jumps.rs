//! Feeds, window and rules together, on a clock that jumps either way: no alert ends for it, and all goes on.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tidegauge_alerts::alert::State;
use tidegauge_alerts::clock::Clock;
use tidegauge_alerts::feed::{self, Feeds, HostFeed, Reading, Source, Watch};
use tidegauge_alerts::rule::{Manager, Pace, World, parse};
use tidegauge_alerts::window::{Settings, Window};
use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::snapshot::{Group, Snapshot};
use tidegauge_promql::Timestamp;
use tokio::time::{Instant, sleep};

const HOUR: Timestamp = 3_600_000;
const INTERVAL: Duration = Duration::from_secs(15);

static USED: FamilySpec = FamilySpec::gauge("used_ratio", "Used.", &["tier"]);

/// Groups are evaluated at moments of their own: some before the next scrape, some after it.
const GROUPS: usize = 8;

fn rules() -> String {
    let group = |n| {
        format!(
            "- name: g{n}
  rules:
  - {{alert: Full, expr: 'used_ratio > 5'}}
  - {{record: 'tier:used{n}', expr: 'sum by (tier) (used_ratio)'}}
  - {{alert: Recorded, expr: 'tier:used{n} > 5'}}
  - {{alert: Average, expr: 'avg_over_time(used_ratio[1m]) > 5'}}
"
        )
    };
    format!("groups:\n{}", (0..GROUPS).map(group).collect::<String>())
}

/// Tokio's time, put forward or back.
struct Jumping {
    began: Instant,
    offset: AtomicI64,
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let passed = Timestamp::try_from(self.began.elapsed().as_millis()).unwrap();
        1_790_000_000_000 + passed + self.offset.load(Ordering::Relaxed)
    }
}

/// An exporter of one number.
struct Exporter(AtomicU64);

impl Source for Exporter {
    fn snapshot(&self) -> Reading<'_> {
        let mut family = Family::new(&USED);
        family.push(
            &Labels::new(&[("tier", "hot")]),
            self.0.load(Ordering::Relaxed),
        );
        let snapshot = Snapshot {
            taken: SystemTime::UNIX_EPOCH,
            groups: vec![Group {
                collector: "tier",
                families: Arc::from([family]),
            }],
        };
        Box::pin(async move { Some(Arc::new(snapshot)) })
    }
}

struct Sidecar {
    clock: Arc<Jumping>,
    exporter: Arc<Exporter>,
    window: Arc<Window>,
    manager: Manager,
    _feeds: Arc<Feeds>,
    /// What fired at first, since when.
    fired: Mutex<Vec<(String, Timestamp)>>,
}

impl Sidecar {
    fn start() -> Self {
        let clock = Arc::new(Jumping {
            began: Instant::now(),
            offset: AtomicI64::new(0),
        });
        let exporter = Arc::new(Exporter(AtomicU64::new(7)));
        let window = Window::in_memory(Settings::default(), Vec::new(), clock.clone());
        let window = Arc::new(window);
        let source: Arc<dyn Source> = exporter.clone();
        let feeds = Arc::new(Feeds::new(window.clone(), clock.clone(), Some(source)));
        let world = World {
            health: Some(Arc::new(Watch::new(
                feeds.clone(),
                window.clone(),
                clock.clone(),
            ))),
            ..World::of(window.clone())
        };
        let pace = Pace {
            evaluation_interval: INTERVAL,
            resend_delay: Duration::from_secs(60),
        };
        let manager = Manager::new(world, clock.clone(), None, None, pace);
        feeds.apply(feed::Settings {
            host: Some(HostFeed {
                instance: "h:10733".into(),
                interval: INTERVAL,
                timeout: Duration::from_secs(10),
            }),
            jobs: Vec::new(),
        });
        manager.load(vec![("r.yml".into(), parse(&rules()).unwrap())]);
        Self {
            clock,
            exporter,
            window,
            manager,
            _feeds: feeds,
            fired: Mutex::default(),
        }
    }

    fn firing(&self) -> Vec<(String, Timestamp)> {
        let view = self.manager.view();
        let rules = view.iter().flat_map(|group| &group.rules);
        let alerting = rules.filter_map(|rule| rule.alerting.as_ref().map(|a| (&rule.name, a)));
        let fires = alerting.flat_map(|(name, alerting)| {
            let firing = alerting.alerts.iter().filter(|a| a.state == State::Firing);
            firing.map(move |alert| (name.clone(), alert.active_at))
        });
        fires.collect()
    }

    fn jump(&self, by: Timestamp) {
        self.clock.offset.fetch_add(by, Ordering::Relaxed);
    }

    /// All go on firing, seen every other second.
    async fn fires_for(&self, seconds: u64, what: &str) {
        for second in (0..seconds).step_by(2) {
            let firing = self.firing();
            let names: Vec<&str> = firing.iter().map(|(name, _)| name.as_str()).collect();
            let all = ["Full", "Recorded", "Average"].repeat(GROUPS);
            assert_eq!(names, all, "{what}, {second} s");
            sleep(Duration::from_secs(2)).await;
        }
        self.manager_goes_on().await;
    }

    async fn manager_goes_on(&self) {
        let evaluations = || self.manager.stats()[0].evaluations;
        let before = evaluations();
        sleep(3 * INTERVAL).await;
        assert!(evaluations() >= before + 8, "{} {before}", evaluations());
    }

    fn missed(&self) -> u64 {
        self.manager.stats()[0].missed
    }
}

async fn settled() -> Sidecar {
    let sidecar = Sidecar::start();
    sleep(Duration::from_secs(120)).await;
    *sidecar.fired.lock().unwrap() = sidecar.firing();
    sidecar.fires_for(60, "at first").await;
    sidecar
}

/// The value falls, and soon nothing fires.
async fn ends(sidecar: &Sidecar) {
    sidecar.exporter.0.store(1, Ordering::Relaxed);
    sleep(Duration::from_secs(180)).await;
    assert_eq!(sidecar.firing(), []);
}

#[tokio::test(start_paused = true)]
async fn a_leap_ahead_ends_no_alert() {
    let sidecar = settled().await;
    assert_eq!(sidecar.missed(), 0);
    sidecar.jump(5 * HOUR);
    sidecar.fires_for(900, "ahead").await;
    assert!(sidecar.missed() > 1_000, "{}", sidecar.missed());
    assert_eq!(sidecar.firing(), *sidecar.fired.lock().unwrap());
    ends(&sidecar).await;
}

#[tokio::test(start_paused = true)]
async fn back_from_a_leap_all_is_as_before() {
    let sidecar = settled().await;
    sidecar.jump(5 * HOUR);
    sidecar.fires_for(300, "ahead").await;
    sidecar.jump(-5 * HOUR);
    sidecar.fires_for(900, "and back").await;
    assert!(sidecar.window.stats().discarded > 0);
    assert_eq!(sidecar.firing(), *sidecar.fired.lock().unwrap());
    ends(&sidecar).await;
}

#[tokio::test(start_paused = true)]
async fn put_back_an_hour_it_neither_ends_an_alert_nor_stays_blind() {
    let sidecar = settled().await;
    sidecar.jump(-HOUR);
    // What comes in is refused until the clock is believed.
    sidecar.fires_for(900, "back").await;
    let stats = sidecar.window.stats();
    assert!(stats.out_of_order > 0 && stats.discarded > 0, "{stats:?}");
    ends(&sidecar).await;
}

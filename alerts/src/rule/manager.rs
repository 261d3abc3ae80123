//! Runs all groups, each on its own timer and thread, so that a slow one delays only itself.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tidegauge_promql::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::evaluate::ms;
use super::file::{GroupSpec, RuleSpec};
use super::group::{Evaluated, Group};
use super::lineage::Lineage;
use super::runner::{Counts, Runner};
use super::view::{self, GroupView};
use super::world::World;
use crate::alert::{Database, Due, State};
use crate::clock::Clock;

/// Takes alerts that are to be sent.
pub trait Outbox: Send + Sync {
    /// Takes alerts of a rule; true once nothing can lose them any more. Others are offered again at the next
    /// evaluation.
    fn accept(&self, rule: &RuleSpec, due: &Due) -> bool;
}

/// How groups are run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often groups are evaluated that do not say so themselves (Prometheus: 1 minute).
    pub evaluation_interval: Duration,
    /// After how long a firing alert is sent again (Prometheus: 1 minute).
    pub resend_delay: Duration,
}

/// Runs groups of rules.
pub struct Manager {
    shared: Arc<Shared>,
    groups: Mutex<Vec<Running>>,
}

/// What all groups have in common.
pub struct Shared {
    around: RwLock<Around>,
    pub clock: Arc<dyn Clock>,
    database: Option<Database>,
    outbox: Option<Arc<dyn Outbox>>,
}

/// What a reload may replace. Each evaluation takes it as it is when it begins.
#[derive(Clone)]
struct Around {
    world: Arc<World>,
    pace: Pace,
}

/// A group that runs.
pub struct Running {
    key: (Arc<str>, String),
    counts: Arc<Counts>,
    view: Arc<RwLock<Arc<GroupView>>>,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<Option<Group>>,
}

/// Numbers of a group, for metrics.
#[derive(Clone, Debug)]
pub struct GroupStats {
    /// The group's file.
    pub file: Arc<str>,
    /// Its name.
    pub name: String,
    /// Rules that were evaluated.
    pub evaluations: u64,
    /// Of these, those that failed.
    pub failures: u64,
    /// Evaluations of the group that were left out, since the one before took too long.
    pub missed: u64,
    /// Templates that failed.
    pub failed_templates: u64,
    /// Samples of the last evaluation.
    pub last_samples: u64,
    /// How long the last evaluation took.
    pub last_duration: Duration,
    /// When that was, in milliseconds since 1970.
    pub last_evaluation: Option<Timestamp>,
    /// How often it is evaluated.
    pub interval: Duration,
    /// How many rules it has.
    pub rules: u64,
    /// Its pending alerts.
    pub pending: u64,
    /// Its firing alerts.
    pub firing: u64,
}

impl Manager {
    /// With no groups yet. Without a database alerts last as long as the program.
    pub fn new(
        world: World,
        clock: Arc<dyn Clock>,
        database: Option<Database>,
        outbox: Option<Arc<dyn Outbox>>,
        pace: Pace,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                around: RwLock::new(Around {
                    world: Arc::new(world),
                    pace,
                }),
                clock,
                database,
                outbox,
            }),
            groups: Mutex::default(),
        }
    }

    /// As [`Manager::load`], in another world and at another pace: external labels, limits and intervals change with the
    /// rules.
    pub fn reload(&self, world: World, pace: Pace, files: Vec<(Arc<str>, Vec<GroupSpec>)>) {
        let around = Around {
            world: Arc::new(world),
            pace,
        };
        *self
            .shared
            .around
            .write()
            .unwrap_or_else(PoisonError::into_inner) = around;
        self.load(files);
    }

    /// Runs the groups of these files instead of those that run. What was known of rules whose name and labels are
    /// the same stays known; at the first time all is taken from the database. Must be called within tokio.
    pub fn load(&self, files: Vec<(Arc<str>, Vec<GroupSpec>)>) {
        let shared = &self.shared;
        let now = shared.clock.now();
        let mut running = self.lock();
        // Of a rule that runs what is saved is overwritten by what it knows; another may have been here before.
        let saved = shared
            .database
            .as_ref()
            .map(Database::load)
            .unwrap_or_default();
        let mut former: HashMap<(Arc<str>, String), Running> = running
            .drain(..)
            .map(|group| (group.key.clone(), group))
            .collect();
        let mut keys = Vec::new();
        let interval = shared.around().pace.evaluation_interval;
        let lineage = Lineage::of(files.iter().flat_map(|(_, specs)| specs));
        for (file, specs) in &files {
            for spec in specs {
                let key = (file.clone(), spec.name.clone());
                let mut group = Group::new(file.clone(), spec.clone(), interval);
                group.trace(&lineage);
                keys.extend(group.keys());
                if let Some(database) = &shared.database {
                    group.restore(&saved, now, database.generation());
                }
                running.push(start(shared, key.clone(), group, former.remove(&key)));
            }
        }
        for gone in former.into_values() {
            tokio::spawn(end(Arc::clone(shared), gone));
        }
        if let Some(database) = &shared.database
            && let Err(error) = database.adopt(&keys, now)
        {
            tracing::warn!(%error, "cannot note which rules there are");
        }
    }

    /// Ends all evaluations; waits for those under way.
    pub async fn stop(&self) {
        let groups: Vec<Running> = self.lock().drain(..).collect();
        for group in &groups {
            group.stop.send_replace(true);
        }
        for group in groups {
            // A task that panicked has told the log.
            let _ended = group.task.await;
        }
    }

    /// The groups after their last evaluations, in the order of their files.
    pub fn view(&self) -> Vec<Arc<GroupView>> {
        self.lock().iter().map(Running::view).collect()
    }

    /// Numbers of the groups.
    pub fn stats(&self) -> Vec<GroupStats> {
        self.lock().iter().map(Running::stats).collect()
    }

    /// How often alerts could not be saved.
    pub fn persistence_failures(&self) -> u64 {
        self.shared.database.as_ref().map_or(0, Database::failures)
    }

    /// How often what is saved of alerts was broken and set aside.
    pub fn state_corruptions(&self) -> u64 {
        self.shared
            .database
            .as_ref()
            .map_or(0, Database::corruptions)
    }

    /// Whether alerts can be saved now.
    pub fn is_persistent(&self) -> bool {
        let database = self.shared.database.as_ref();
        database.is_some_and(|database| !database.is_failing())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn view(&self) -> Arc<GroupView> {
        self.view
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn stats(&self) -> GroupStats {
        let view = self.view();
        let alerts = |state: State| {
            let alerting = view.rules.iter().filter_map(|rule| rule.alerting.as_ref());
            let all = alerting.flat_map(|alerting| &alerting.alerts);
            u64::try_from(all.filter(|alert| alert.state == state).count()).unwrap_or(u64::MAX)
        };
        GroupStats {
            file: self.key.0.clone(),
            name: self.key.1.clone(),
            evaluations: self.counts.evaluations.load(Relaxed),
            failures: self.counts.failures.load(Relaxed),
            missed: self.counts.missed.load(Relaxed),
            last_samples: self.counts.last_samples.load(Relaxed),
            failed_templates: self.counts.failed_templates.load(Relaxed),
            last_duration: view.evaluation_time,
            last_evaluation: view.last_evaluation,
            interval: view.interval,
            rules: u64::try_from(view.rules.len()).unwrap_or(u64::MAX),
            pending: alerts(State::Pending),
            firing: alerts(State::Firing),
        }
    }
}

/// Starts a group; what is known of its former version it takes over when that has ended.
fn start(
    shared: &Arc<Shared>,
    key: (Arc<str>, String),
    group: Group,
    former: Option<Running>,
) -> Running {
    let (stop, stopped) = watch::channel(false);
    let counts = former
        .as_ref()
        .map(|former| Arc::clone(&former.counts))
        .unwrap_or_default();
    let view = match &former {
        Some(former) => Arc::clone(&former.view),
        None => Arc::new(RwLock::new(Arc::new(view::of(&group)))),
    };
    let runner = Runner {
        shared: Arc::clone(shared),
        counts: Arc::clone(&counts),
        view: Arc::clone(&view),
        stopped,
    };
    let task = Handle::current().spawn(runner.run(group, former));
    Running {
        key,
        counts,
        view,
        stop,
        task,
    }
}

/// Ends a group that is not configured any more. Its series are marked as ended two intervals later, as of now: by
/// then a rule that was moved elsewhere has written newer samples, and the marks are refused.
async fn end(shared: Arc<Shared>, gone: Running) {
    gone.stop.send_replace(true);
    let Ok(Some(mut group)) = gone.task.await else {
        return;
    };
    let ended_at = shared.clock.now();
    sleep(2 * group.interval).await;
    // Only a panic or the end of the program can end it early.
    let _ended = spawn_blocking(move || group.end_all(ended_at, &shared.around().world)).await;
}

impl Shared {
    fn around(&self) -> Around {
        let around = self.around.read().unwrap_or_else(PoisonError::into_inner);
        around.clone()
    }

    /// Evaluates a group, saves what came of it, and hands over what is to be sent.
    pub fn evaluate(&self, group: &mut Group, at: Timestamp) -> Evaluated {
        let Around { world, pace } = self.around();
        let sum = group.evaluate(at, &world);
        // Saved before anybody is told: what was told is known after a crash.
        self.save(group);
        if let Some(outbox) = &self.outbox {
            let mut told = false;
            for (rule, due) in group.due(at, pace.resend_delay) {
                if outbox.accept(&group.rules[rule].spec, &due) {
                    group.sent(rule, &due.alert.labels, at);
                    told = true;
                }
            }
            if told {
                self.save(group);
            }
        }
        sum
    }

    fn save(&self, group: &mut Group) {
        if let Some(database) = &self.database {
            group.save(database, self.clock.now());
        }
    }
}

/// The furthest that any rule looks back, in milliseconds.
pub fn longest_reach(groups: &[GroupSpec]) -> i64 {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let reaches = rules.flat_map(|rule| rule.query.selectors().iter().map(|s| ms(s.reach)));
    reaches.max().unwrap_or(0)
}

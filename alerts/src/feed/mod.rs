//! How samples come in: from exporters that are scraped, and from the exporter in the same process. As
//! Prometheus does it, down to the marks of staleness; see ARCHITECTURE.md.

mod cycle;
mod error;
mod exposed;
mod families;
mod float;
mod health;
mod http;
mod labels;
mod limits;
mod metadata;
mod schedule;
mod sequence;
mod series;
mod settings;
mod snapshot;
mod snapshot_keys;
mod status;
mod target;
mod target_loop;
#[cfg(test)]
mod testing;
mod text;
mod text_keys;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegauge_model::metric::Family;
use tidegauge_promql::Labels;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

pub use self::error::ScrapeError;
pub use self::families::FAMILIES;
pub use self::health::{Health, Subject};
pub use self::limits::LabelLimits;
pub use self::metadata::MetricMetadata;
pub use self::settings::{Group, HostFeed, Job, Login, Scheme, Secret, Settings, Tls};
pub use self::snapshot::{Reading, Source};
pub use self::status::{TargetHealth, TargetStatus};
pub use self::target::check_address;
pub use self::watch::Watch;

use self::http::feed::HttpFeed;
use self::labels::Joiner;
use self::series::Series;
use self::snapshot::SnapshotFeed;
use self::status::Shared;
use self::target::Target;
use self::target_loop::{Command, Surroundings, run};
use crate::clock::Clock;
use crate::store::Append;

/// All feeds, each target with a task of its own.
pub struct Feeds {
    around: Surroundings,
    source: Option<Arc<dyn Source>>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    /// In the order of the configuration.
    targets: Vec<Handle>,
    /// Those of targets that are gone among them, until their marks are written.
    tasks: JoinSet<()>,
}

/// A target, and the way to its task. The task ends when this is dropped.
#[derive(Clone)]
struct Handle {
    shared: Arc<Shared>,
    commands: Commands,
}

#[derive(Clone)]
enum Commands {
    Http(UnboundedSender<Command<Arc<Job>>>),
    Host(UnboundedSender<Command<HostFeed>>),
}

/// A target that is wanted.
enum Wanted {
    Http(Arc<Job>),
    Host(HostFeed),
}

impl Wanted {
    /// How often, and how long it is waited for.
    fn timing(&self) -> (Duration, Duration) {
        match self {
            Self::Http(job) => (job.interval, job.timeout),
            Self::Host(host) => (host.interval, host.timeout),
        }
    }
}

impl Feeds {
    /// No feeds yet. Samples go to `store`; `source` is the exporter in this process, if there is one.
    pub fn new(
        store: Arc<dyn Append + Send + Sync>,
        clock: Arc<dyn Clock>,
        source: Option<Arc<dyn Source>>,
    ) -> Self {
        Self {
            around: Surroundings { store, clock },
            source,
            running: Mutex::default(),
        }
    }

    /// Scrapes by these settings from now on. A target that stays the same goes on, whatever else of its job
    /// changed; one that is gone is scraped no more, and its series are marked as ended two intervals later.
    ///
    /// # Panics
    /// Outside of a tokio runtime with a timer.
    pub fn apply(&self, settings: Settings) {
        let mut running = self.running();
        while running.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut running.targets);
        for (target, wanted) in self.wanted(settings) {
            // Written twice, it is scraped once.
            if running
                .targets
                .iter()
                .any(|handle| handle.shared.target == target)
            {
                continue;
            }
            let known = before
                .iter()
                .position(|handle| handle.shared.target == target);
            let handle = match known {
                Some(index) => {
                    let handle = before.remove(index);
                    handle.replace(wanted);
                    handle
                }
                None => self.start(target, wanted, &mut running.tasks),
            };
            running.targets.push(handle);
        }
        for gone in before {
            gone.retire();
        }
    }

    fn wanted(&self, settings: Settings) -> Vec<(Target, Wanted)> {
        let mut wanted = Vec::new();
        if let Some(host) = settings.host.filter(|_| self.source.is_some()) {
            wanted.push((Target::of_host(&host), Wanted::Host(host)));
        }
        for job in settings.jobs.into_iter().map(Arc::new) {
            for group in &job.groups {
                for address in &group.targets {
                    let target = Target::of_job(&job, group, address);
                    wanted.push((target, Wanted::Http(Arc::clone(&job))));
                }
            }
        }
        wanted
    }

    fn start(&self, target: Target, wanted: Wanted, tasks: &mut JoinSet<()>) -> Handle {
        let (interval, timeout) = wanted.timing();
        let joiner = Joiner::new(target.labels.clone(), target.honor_labels);
        let shared = Arc::new(Shared::new(target, interval, timeout));
        let series = Series::new(joiner, Arc::clone(&shared.metadata));
        let (around, seen) = (self.around.clone(), Arc::clone(&shared));
        let commands = match (wanted, &self.source) {
            (Wanted::Http(job), _) => {
                let feed = HttpFeed::new(&shared.target, job, series);
                let (commands, inbox) = unbounded_channel();
                tasks.spawn(run(feed, seen, around, inbox));
                Commands::Http(commands)
            }
            (Wanted::Host(host), source) => {
                let (commands, inbox) = unbounded_channel();
                if let Some(source) = source {
                    let feed = SnapshotFeed::new(Arc::clone(source), host, series);
                    tasks.spawn(run(feed, seen, around, inbox));
                }
                Commands::Host(commands)
            }
        };
        Handle { shared, commands }
    }

    /// Ends all scraping at once. No series is marked: after a restart they go on.
    pub fn stop(&self) {
        let mut running = self.running();
        running.targets.clear();
        running.tasks.abort_all();
    }

    /// All targets, in the order of the configuration.
    pub fn targets(&self) -> Vec<TargetStatus> {
        let running = self.running();
        running.targets.iter().map(|h| h.shared.status()).collect()
    }

    /// What each target says of its metrics, with the target's labels.
    pub fn metadata(&self) -> Vec<(Labels, Vec<MetricMetadata>)> {
        let running = self.running();
        running
            .targets
            .iter()
            .map(|handle| {
                let metadata = &handle.shared.metadata;
                let metadata = metadata.lock().unwrap_or_else(PoisonError::into_inner);
                (handle.shared.target.labels.clone(), metadata.list())
            })
            .collect()
    }

    /// The feeds about themselves, for the sidecar's `/metrics`; see [`FAMILIES`].
    pub fn families(&self) -> Vec<Family> {
        let running = self.running();
        families::families(running.targets.iter().map(|handle| &*handle.shared))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for Feeds {
    fn is_down(&self, subject: Subject<'_>) -> bool {
        let now = self.around.clock.now();
        let running = self.running();
        let mut targets = running.targets.iter();
        targets.any(|handle| health::is_down(&handle.shared, subject, now))
    }

    fn unread(&self, subject: Subject<'_>) -> Vec<Labels> {
        let mut unread = Vec::new();
        for handle in &self.running().targets {
            health::unread(&handle.shared, subject, &mut unread);
        }
        unread
    }
}

impl Handle {
    fn replace(&self, wanted: Wanted) {
        {
            let mut state = self.shared.state();
            (state.interval, state.timeout) = wanted.timing();
        }
        // A task that is gone was aborted by `stop`.
        match (&self.commands, wanted) {
            (Commands::Http(commands), Wanted::Http(job)) => {
                let _ = commands.send(Command::Replace(job));
            }
            (Commands::Host(commands), Wanted::Host(host)) => {
                let _ = commands.send(Command::Replace(host));
            }
            // Two that are the same target are of one kind but for a job that takes the host's very labels
            // and address: it is not asked then, as its samples are there already.
            (Commands::Http(_), Wanted::Host(_)) | (Commands::Host(_), Wanted::Http(_)) => {}
        }
    }

    fn retire(self) {
        match self.commands {
            Commands::Http(commands) => drop(commands.send(Command::Retire)),
            Commands::Host(commands) => drop(commands.send(Command::Retire)),
        }
    }
}

#[cfg(test)]
mod tests;

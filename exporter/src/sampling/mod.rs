//! Takes readings: who reads when, how long a scrape waits, what it gets.

pub mod live;
pub mod self_metrics;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tidegauge_model::metric::Family;
use tidegauge_model::snapshot::{Group, Snapshot};
use tokio::sync::oneshot;

use self::self_metrics::SelfMetrics;
use self::worker::{Board, Job, Outcome, Worker};
use crate::collector::{CollectorSpec, Context, Schedule};
use crate::device::probe::SHOWN_FOR;
use crate::host::pass::Pass;
use crate::host::storage::Storage;
use crate::http::{CollectorInfo, Scrape, Wanted};
use crate::rights::narrow_thread;
use crate::settings::Settings;

/// A scrape waits no longer than this for its collectors. (For mounts it waits far less; see
/// [`crate::device::probe`].)
const SCRAPE_LIMIT: Duration = Duration::from_secs(2);

/// The sampler could not start.
#[derive(Debug, Error)]
#[error("cannot start a thread: {0}; is the limit of processes or memory too low?")]
pub struct StartError(#[from] std::io::Error);

/// Families from elsewhere that every snapshot carries.
pub type Extra = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

struct Request {
    wanted: Wanted,
    reply: oneshot::Sender<Arc<Snapshot>>,
}

/// Takes readings on request. Requests that come while a reading is under way share the next one.
pub struct Sampler {
    requests: Mutex<Sender<Request>>,
    ready: Arc<AtomicBool>,
    collectors: Arc<[CollectorInfo]>,
}

struct Running {
    spec: &'static CollectorSpec,
    /// Of one on a timer.
    interval: Option<Duration>,
    worker: Worker,
}

struct Engine {
    storage: Arc<Storage>,
    board: Arc<Board>,
    running: Vec<Running>,
    self_metrics: SelfMetrics,
    extra: Extra,
    pass: u64,
}

impl Sampler {
    /// Starts the collectors given, each with its settings, and takes a first reading.
    pub fn start(
        context: &Context,
        storage: Arc<Storage>,
        chosen: &[(&'static CollectorSpec, Settings)],
        version: &'static str,
        extra: Extra,
    ) -> Result<Arc<Self>, StartError> {
        let board = Arc::new(Board::new(chosen.len()));
        let mut running = Vec::new();
        for (index, (spec, settings)) in chosen.iter().enumerate() {
            let interval = match spec.schedule {
                Schedule::AtScrape | Schedule::OwnTimers => None,
                Schedule::Interval => settings.duration("interval"),
            };
            let worker = Worker::start(Job {
                name: spec.name,
                collector: (spec.build)(context, settings),
                interval,
                storage: Arc::clone(&storage),
                board: Arc::clone(&board),
                index,
                rights: crate::host::RIGHTS
                    .iter()
                    .map(|need| need.right)
                    .chain(spec.rights_with(settings, &context.tiers))
                    .collect(),
            })?;
            running.push(Running {
                spec,
                interval,
                worker,
            });
        }
        let (requests, inbox) = channel();
        let ready = Arc::new(AtomicBool::new(false));
        let collectors = running
            .iter()
            .map(|r| CollectorInfo {
                name: r.spec.name,
                help: r.spec.help,
            })
            .collect();
        let mut engine = Engine {
            storage,
            board,
            running,
            self_metrics: SelfMetrics::new(version),
            extra,
            pass: 0,
        };
        let is_ready = Arc::clone(&ready);
        std::thread::Builder::new()
            .name("sampler".into())
            .stack_size(512 << 10)
            .spawn(move || {
                if let Err(error) = narrow_thread(&[]) {
                    tracing::warn!(%error, "the sampler keeps rights that it does not need");
                }
                engine.read(&[Wanted::all()]);
                is_ready.store(true, Ordering::Release);
                engine.serve(&inbox);
            })?;
        Ok(Arc::new(Self {
            requests: Mutex::new(requests),
            ready,
            collectors,
        }))
    }
}

impl Scrape for Sampler {
    fn snapshot(&self, wanted: Wanted) -> oneshot::Receiver<Arc<Snapshot>> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // With the sampler gone the request is dropped, which closes the channel, as documented.
        let _ = requests.send(Request { wanted, reply });
        answer
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn collectors(&self) -> Arc<[CollectorInfo]> {
        Arc::clone(&self.collectors)
    }
}

impl Engine {
    fn serve(&mut self, inbox: &Receiver<Request>) {
        while let Ok(first) = inbox.recv() {
            let requests: Vec<Request> = std::iter::once(first).chain(inbox.try_iter()).collect();
            let wanted: Vec<Wanted> = requests.iter().map(|r| r.wanted.clone()).collect();
            let snapshot = Arc::new(self.read(&wanted));
            for request in requests {
                // A client that has gone needs no answer.
                let _ = request.reply.send(Arc::clone(&snapshot));
            }
        }
    }

    fn read(&mut self, wanted: &[Wanted]) -> Snapshot {
        let taken = SystemTime::now();
        self.pass += 1;
        let pass = Arc::new(Pass::new(Arc::clone(&self.storage)));
        let asked: Vec<usize> = (0..self.running.len())
            .filter(|&i| wanted.iter().any(|w| w.contains(self.running[i].spec.name)))
            .collect();
        let mut awaited = Vec::new();
        for &index in &asked {
            if self.running[index].spec.schedule != Schedule::Interval {
                self.running[index].worker.trigger(self.pass, &pass);
                awaited.push(index);
            }
        }
        drop(pass);
        let mut outcomes = self.board.wait(&awaited, self.pass, SCRAPE_LIMIT);
        for &index in &awaited {
            self.judge_late(index, &mut outcomes[index]);
        }
        let mut groups: Vec<Group> = asked
            .iter()
            .map(|&i| Group {
                collector: self.running[i].spec.name,
                families: Arc::clone(&outcomes[i].families),
            })
            .collect();
        let known = self.running.iter().zip(&outcomes);
        let known = known.map(|(r, outcome)| (r.spec.name, r.interval, outcome));
        let mut own = self.self_metrics.families(known);
        own.extend((self.extra)());
        groups.push(Group {
            collector: Group::ALWAYS,
            families: own.into(),
        });
        Snapshot { taken, groups }
    }

    /// A collector that has not answered for this pass did not succeed; what it said last is shown as
    /// long as a mount's last reading would be.
    fn judge_late(&self, index: usize, outcome: &mut Outcome) {
        if outcome.pass < self.pass {
            outcome.success = false;
            if outcome
                .ended
                .is_none_or(|ended| ended.elapsed() > SHOWN_FOR)
            {
                outcome.families = Arc::from([]);
            }
            let name = self.running[index].spec.name;
            tracing::warn!(collector = name, limit = ?SCRAPE_LIMIT, "collector did not answer in time");
        }
    }
}

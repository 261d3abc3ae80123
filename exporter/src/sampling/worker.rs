//! One thread for each collector, so that one that hangs, fails or panics delays only itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tidegauge_model::metric::Family;

use crate::collector::Collector;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::host::storage::Storage;
use crate::rights::{Right, narrow_thread};

/// What is known of a collector after its last run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Its families; none after a failure.
    pub families: Arc<[Family]>,
    /// Whether it succeeded.
    pub success: bool,
    /// How long it took.
    pub took: Duration,
    /// When it ended.
    pub ended: Option<Instant>,
    /// When it last succeeded, by the wall clock.
    pub last_success: Option<SystemTime>,
    /// The pass for which it ran; 0 before the first.
    pub pass: u64,
}

/// The outcomes of all collectors, and a bell that rings when one changes.
#[derive(Default)]
pub struct Board {
    outcomes: Mutex<Vec<Outcome>>,
    changed: Condvar,
}

impl Board {
    /// With a place for each of `n` collectors.
    pub fn new(n: usize) -> Self {
        Self {
            outcomes: Mutex::new(vec![Outcome::default(); n]),
            changed: Condvar::new(),
        }
    }

    /// Waits until each of the collectors named by index has run for `pass`, at most for `limit`.
    pub fn wait(&self, indexes: &[usize], pass: u64, limit: Duration) -> Vec<Outcome> {
        let waiting =
            |outcomes: &mut Vec<Outcome>| indexes.iter().any(|&i| outcomes[i].pass < pass);
        let (outcomes, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        outcomes.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Outcome>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, index: usize, outcome: impl FnOnce(&Outcome) -> Outcome) {
        let mut outcomes = self.lock();
        outcomes[index] = outcome(&outcomes[index]);
        drop(outcomes);
        self.changed.notify_all();
    }
}

/// The thread of one collector. It ends when the worker is dropped and the collector returns.
pub struct Worker {
    jobs: Sender<(u64, Arc<Pass>)>,
}

/// What a worker needs.
pub struct Job {
    /// The collector's name, for its thread and its messages.
    pub name: &'static str,
    /// The collector.
    pub collector: Box<dyn Collector>,
    /// For one on a timer: how often.
    pub interval: Option<Duration>,
    /// For one on a timer: what its own passes read.
    pub storage: Arc<Storage>,
    /// Where its outcome goes, and at which place.
    pub board: Arc<Board>,
    /// See `board`.
    pub index: usize,
    /// The rights that its thread keeps.
    pub rights: Vec<Right>,
}

impl Worker {
    /// Starts the thread; an error when the system gives no more threads.
    pub fn start(job: Job) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        std::thread::Builder::new()
            .name(format!("collect-{}", job.name))
            .stack_size(512 << 10)
            .spawn(move || run(job, &inbox))?;
        Ok(Self { jobs })
    }

    /// Asks for a run.
    pub fn trigger(&self, number: u64, pass: &Arc<Pass>) {
        // A worker whose thread is gone never answers; whoever waits for it stops at the deadline.
        let _ = self.jobs.send((number, Arc::clone(pass)));
    }
}

fn run(mut job: Job, inbox: &Receiver<(u64, Arc<Pass>)>) {
    if let Err(error) = narrow_thread(&job.rights) {
        tracing::warn!(collector = job.name, %error, "the collector keeps more rights than it needs");
    }
    let mut failing = false;
    loop {
        let (number, pass) = match job.interval {
            None => match inbox.recv() {
                // Passes that queued up while this collector was late need only one run.
                Ok(first) => inbox.try_iter().last().unwrap_or(first),
                Err(_) => return,
            },
            Some(_) => (0, Arc::new(Pass::new(Arc::clone(&job.storage)))),
        };
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| job.collector.collect(&pass)))
            .unwrap_or_else(|_| Err(ReadError::new("the collector panicked; please report it")));
        let took = began.elapsed();
        tell(job.name, &result, &mut failing);
        job.board.post(job.index, |before| match result {
            Ok(families) => Outcome {
                families: families.into(),
                success: true,
                took,
                ended: Some(Instant::now()),
                last_success: Some(SystemTime::now()),
                pass: number,
            },
            Err(_) => Outcome {
                families: Arc::from([]),
                success: false,
                took,
                ended: Some(Instant::now()),
                last_success: before.last_success,
                pass: number,
            },
        });
        if let Some(interval) = job.interval
            && matches!(
                inbox.recv_timeout(interval),
                Err(RecvTimeoutError::Disconnected)
            )
        {
            return;
        }
    }
}

/// Says once that a collector fails, and once that it works again.
fn tell(name: &str, result: &Result<Vec<Family>, ReadError>, failing: &mut bool) {
    match result {
        Err(error) if !*failing => tracing::warn!(collector = name, %error, "collector failed"),
        Err(error) => tracing::debug!(collector = name, %error, "collector still fails"),
        Ok(_) if *failing => tracing::info!(collector = name, "collector works again"),
        Ok(_) => {}
    }
    *failing = result.is_err();
}

//! One directory, measured again and again by a thread of its own: a walk on a NAS that hangs delays
//! no other, and never more than one thread waits in it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tidegauge_model::mount::DeviceNumber;

use super::pace::Pace;
use crate::device::quota::{Kept, Total, kept};
use crate::device::tree::{Usage, Walk};

/// What to measure, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The directory, as it is reached from here.
    pub path: PathBuf,
    /// Ages to tell.
    pub ages: Vec<Duration>,
    /// Where sysfs is.
    pub sysfs: PathBuf,
    /// Between two walks.
    pub interval: Duration,
    /// Between two readings of what the filesystem keeps.
    pub quota_interval: Duration,
    /// Threads of a walk.
    pub threads: usize,
}

/// Which mount holds the directory now; what was measured on another does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The mount.
    pub mount: (u32, DeviceNumber),
    /// Whether what the filesystem keeps is this directory's alone.
    pub alone: bool,
}

/// A walk that ended.
#[derive(Clone, Debug)]
pub struct Walked {
    /// What was found; nothing unless all could be read.
    pub usage: Option<Usage>,
    /// When it ended.
    pub ended: Instant,
    /// How long it took.
    pub took: Duration,
}

/// What is known of a directory on its target.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What the filesystem keeps.
    pub total: Option<Total>,
    /// The last walk that ended. None is made where the filesystem keeps the total and no ages are
    /// asked for.
    pub walked: Option<Walked>,
}

#[derive(Default)]
struct State {
    target: Option<Target>,
    known: Known,
}

struct Shared {
    state: Mutex<State>,
    bell: Condvar,
    stop: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The thread of one directory; dropped, it ends as soon as the kernel lets it.
pub struct Watcher {
    order: Order,
    shared: Arc<Shared>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _state = self.shared.lock();
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.bell.notify_all();
    }
}

impl Watcher {
    fn start(order: Order, pace: Arc<Pace>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            bell: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let worker = Worker {
            order: order.clone(),
            shared: Arc::clone(&shared),
            pace,
            told: [String::new(), String::new()],
        };
        std::thread::Builder::new()
            .name("directory".into())
            .stack_size(256 << 10)
            .spawn(move || worker.run())?;
        Ok(Self { order, shared })
    }

    /// What is known for this target; a new one is measured at once. With none it is left alone.
    pub fn ask(&self, target: Option<Target>) -> Known {
        let mut state = self.shared.lock();
        if state.target != target {
            // Only a walk of the same mount still counts.
            let same = |t: Option<Target>| t.map(|t| t.mount);
            if same(state.target) != same(target) {
                state.known = Known::default();
            }
            state.target = target;
            state.known.total = None;
            self.shared.bell.notify_all();
        }
        state.known.clone()
    }
}

/// The directories that are watched. It outlives a change of the configuration, so that what stays the
/// same is not measured anew, and a thread that hangs is not joined by another.
pub struct Watchers {
    pace: Arc<Pace>,
    running: Mutex<Vec<Weak<Watcher>>>,
}

impl Watchers {
    /// None yet.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace: Arc::new(pace),
            running: Mutex::default(),
        }
    }

    /// The one that does this, started if there is none.
    pub fn get(&self, order: &Order) -> std::io::Result<Arc<Watcher>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|watcher| watcher.strong_count() > 0);
        let found = running
            .iter()
            .filter_map(Weak::upgrade)
            .find(|watcher| watcher.order == *order);
        if let Some(found) = found {
            return Ok(found);
        }
        let new = Arc::new(Watcher::start(order.clone(), Arc::clone(&self.pace))?);
        running.push(Arc::downgrade(&new));
        Ok(new)
    }
}

struct Worker {
    order: Order,
    shared: Arc<Shared>,
    pace: Arc<Pace>,
    /// The last complaint about the quota and about the walk: each is told once.
    told: [String; 2],
}

impl Worker {
    fn run(mut self) {
        let (mut measured, mut next_quota, mut next_walk) = (None, None, None);
        while let Some(target) = self.wait(measured, earlier(next_quota, next_walk)) {
            if measured != Some(target) {
                (next_quota, next_walk) = (None, None);
                measured = Some(target);
            }
            let now = Instant::now();
            let mut total = self.shared.lock().known.total;
            if next_quota.is_none_or(|at| at <= now) {
                total = self.total().filter(|_| target.alone);
                self.store(target, |known| known.total = total);
                next_quota = Some(now + self.order.quota_interval);
            }
            if total.is_some() && self.order.ages.is_empty() {
                self.store(target, |known| known.walked = None);
                next_walk = next_quota;
            } else if next_walk.is_none_or(|at| at <= now) {
                let walked = self.walk();
                next_walk = Some(Instant::now() + self.order.interval);
                self.store(target, |known| known.walked = Some(walked));
            }
        }
    }

    /// Until there is something to do: the target, or `None` at the end.
    fn wait(&self, measured: Option<Target>, until: Option<Instant>) -> Option<Target> {
        let mut state = self.shared.lock();
        loop {
            if self.shared.stopped() {
                return None;
            }
            let Some(target) = state.target else {
                state = self
                    .shared
                    .bell
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.map_or(Duration::ZERO, |at| {
                at.saturating_duration_since(Instant::now())
            });
            if measured != Some(target) || left.is_zero() {
                return Some(target);
            }
            (state, _) = self
                .shared
                .bell
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes what was found, unless the directory meanwhile lies on another mount.
    fn store(&self, target: Target, change: impl FnOnce(&mut Known)) {
        let mut state = self.shared.lock();
        if state.target == Some(target) {
            change(&mut state.known);
        }
    }

    fn total(&mut self) -> Option<Total> {
        let (total, complaint) = match kept(&self.order.path, &self.order.sysfs) {
            Ok(Kept::Total(total)) => (Some(total), String::new()),
            Ok(Kept::Nothing) => (None, String::new()),
            Ok(Kept::Unusable(why)) => (None, why.to_string()),
            Err(error) => (None, error.to_string()),
        };
        if !complaint.is_empty() && self.told[0] != complaint {
            let path = self.order.path.display();
            tracing::warn!(%path, reason = complaint, "quota is not used, the directory is walked");
        }
        self.told[0] = complaint;
        total
    }

    fn walk(&mut self) -> Walked {
        let began = Instant::now();
        lower_priority();
        let stopped = || self.shared.stopped();
        let go_on = || {
            self.pace.keep(&stopped);
            !stopped()
        };
        let found = Walk {
            threads: self.order.threads,
            ages: &self.order.ages,
            now: SystemTime::now(),
            go_on: &go_on,
            prepare: &lower_priority,
        }
        .measure(&self.order.path);
        let complaint = found.as_ref().err().map(ToString::to_string);
        let complaint = complaint.unwrap_or_default();
        if !complaint.is_empty() && self.told[1] != complaint && !self.shared.stopped() {
            let path = self.order.path.display();
            tracing::warn!(%path, error = complaint, "directory was not measured");
        }
        self.told[1] = complaint;
        Walked {
            usage: found.ok().map(|tree| tree.total),
            ended: Instant::now(),
            took: began.elapsed(),
        }
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    Some(a?.min(b?))
}

/// The calling thread lets all others go first. Where the system refuses, it is one among them.
fn lower_priority() {
    // The id of a thread stands for this thread only (setpriority(2), "C library/kernel differences").
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    let _ = tidegauge_ioctl::ioprio::set_idle();
}

//! Asks many filesystems how full they are, without ever being held up by one of them.
//!
//! `statfs` on a dead mount may never return, and its thread cannot be cancelled. So calls are made by
//! runner threads that take mounts from a queue. While the queue makes no progress more runners join,
//! each time twice as many; whoever hangs keeps only its own thread. A mount that answers late keeps
//! that thread as its own, which asks again by itself, so that a slow mount always has a recent value
//! and never holds up the others; after some prompt answers it goes back to the queue. A mount that
//! has not answered is not asked again: there is never more than one thread for a mount.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tidegauge_model::mount::DeviceNumber;
use tidegauge_model::reading::{Reading, Why};

use super::statfs::{Space, statfs, statfs_of};

/// A value that is older is not shown: a mount that does not answer has no numbers then.
pub const SHOWN_FOR: Duration = Duration::from_secs(30);
/// From this long without an answer the mount counts as an error of its device.
pub const ERROR_FROM: Duration = Duration::from_secs(2);

/// What a mount is known by. Not by its path alone: after a lazy unmount and a new mount the path is
/// the same and the filesystem is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MountKey {
    /// Mount id.
    pub id: u32,
    /// Superblock.
    pub dev: DeviceNumber,
    /// Where it is asked.
    pub path: PathBuf,
}

/// How long is long. Defaults hold for the exporter; tests choose others.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Without any answer for this long, more runners join.
    pub slice: Duration,
    /// How long a pass waits in all without any answer.
    pub patience: Duration,
    /// How long a pass lasts at most.
    pub limit: Duration,
    /// An answer that took longer is late.
    pub late: Duration,
    /// A late mount is asked this often by its own thread.
    pub reprobe: Duration,
    /// After so many prompt answers a late mount is trusted again.
    pub prompt_answers: u32,
    /// More runners than this do not join.
    pub max_runners: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            slice: Duration::from_millis(5),
            // DESIGN: 100 ms in all for mounts that do not answer; the rest is for waking up.
            patience: Duration::from_millis(80),
            limit: Duration::from_secs(1),
            late: Duration::from_millis(10),
            reprobe: Duration::from_secs(10),
            prompt_answers: 10,
            max_runners: 256,
        }
    }
}

/// What to show of a mount.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its space, or why not.
    pub reading: Reading<Space>,
    /// How long the last call took; of a call that has not returned, how long it has lasted.
    pub took: Duration,
    /// It answered with an error, or not for [`ERROR_FROM`].
    pub device_error: bool,
}

/// What asks one mount, which may take for ever.
pub type Ask = dyn Fn(&Question<'_>) -> Result<Space, Why> + Send + Sync;

/// What is asked of one mount.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which mount, and where.
    pub key: &'a MountKey,
    /// Its filesystem type.
    pub fstype: &'a str,
    /// Mounts come and go: make sure that it is this mount that answers.
    pub verify: bool,
}

/// Asks the kernel.
pub fn ask_kernel(question: &Question<'_>) -> Result<Space, Why> {
    let MountKey { path, dev, .. } = question.key;
    if question.verify {
        statfs_of(path, question.fstype, *dev)
    } else {
        statfs(path, question.fstype)
    }
}

struct Slot {
    key: MountKey,
    fstype: String,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    in_flight: Option<Instant>,
    good: Option<(Space, Instant)>,
    answer: Option<Answer>,
    /// A thread serves this mount alone.
    owned: bool,
    /// The pass that waits for the owning thread.
    requested: Option<u64>,
    gone: bool,
    prompt: u32,
}

struct Answer {
    failure: Option<Why>,
    at: Instant,
    took: Duration,
}

impl State {
    fn shown(&self, pass_began: Instant, now: Instant) -> Shown {
        let recent = || {
            let (value, at) = self.good?;
            let age = now.saturating_duration_since(at);
            (age <= SHOWN_FOR).then_some(Reading::Stale { value, age })
        };
        match (self.in_flight, &self.answer) {
            (Some(since), _) => {
                let waited = now.saturating_duration_since(since);
                Shown {
                    reading: recent().unwrap_or(Reading::Failed(Why::Hung(waited))),
                    took: waited,
                    device_error: waited >= ERROR_FROM,
                }
            }
            (
                None,
                Some(Answer {
                    failure: Some(why),
                    took,
                    ..
                }),
            ) => Shown {
                reading: Reading::Failed(why.clone()),
                took: *took,
                device_error: *why != Why::Denied,
            },
            (
                None,
                Some(Answer {
                    failure: None,
                    at,
                    took,
                }),
            ) => {
                let fresh = self
                    .good
                    .filter(|_| *at >= pass_began)
                    .map(|(v, _)| Reading::Present(v));
                Shown {
                    reading: fresh
                        .or_else(recent)
                        .unwrap_or(Reading::Failed(Why::Hung(Duration::ZERO))),
                    took: *took,
                    device_error: false,
                }
            }
            (None, None) => Shown {
                reading: Reading::Failed(Why::Hung(Duration::ZERO)),
                took: Duration::ZERO,
                device_error: false,
            },
        }
    }
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Arc<Slot>>,
    /// Threads that serve the queue, those held up by a mount included.
    runners: usize,
    idle: usize,
    pass: u64,
    /// Mounts of this pass that have not answered.
    pending: usize,
    answered: u64,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    done: Condvar,
    ask: Box<Ask>,
    verify: AtomicBool,
    timing: Timing,
}

/// Asks filesystems how full they are; see the module's text.
pub struct Prober {
    shared: Arc<Shared>,
    slots: Vec<Arc<Slot>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The guarded values are consistent between statements: a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prober {
    /// `ask` is [`ask_kernel`] but in tests.
    pub fn new(timing: Timing, ask: Box<Ask>) -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            ask,
            verify: AtomicBool::new(false),
            timing,
        };
        Self {
            shared: Arc::new(shared),
            slots: Vec::new(),
        }
    }

    /// Sets what is asked from now on: mounts with their types, in the order of [`Prober::read`]'s
    /// answer. What was known of the same mounts stays known.
    pub fn set_targets(&mut self, targets: impl IntoIterator<Item = (MountKey, String)>) {
        let mut known: FxHashMap<MountKey, Arc<Slot>> = self
            .slots
            .drain(..)
            .map(|slot| (slot.key.clone(), slot))
            .collect();
        for (key, fstype) in targets {
            let slot = known.remove(&key).unwrap_or_else(|| {
                Arc::new(Slot {
                    key,
                    fstype,
                    state: Mutex::default(),
                    wake: Condvar::new(),
                })
            });
            self.slots.push(slot);
        }
        for slot in known.into_values() {
            lock(&slot.state).gone = true;
            slot.wake.notify_one();
        }
    }

    /// Asks every mount that is not still being asked, waits as [`Timing`] allows, and tells of each
    /// target, in order. `verify` is passed on; see [`Question::verify`].
    pub fn read(&mut self, verify: bool) -> Vec<Shown> {
        let began = Instant::now();
        self.shared.verify.store(verify, Ordering::Relaxed);
        self.start_pass();
        self.shared.wait_for_answers(began);
        let now = Instant::now();
        self.slots
            .iter()
            .map(|slot| lock(&slot.state).shown(began, now))
            .collect()
    }

    fn start_pass(&self) {
        let (mut owned, mut items) = (Vec::new(), VecDeque::with_capacity(self.slots.len()));
        for slot in &self.slots {
            let state = lock(&slot.state);
            match (state.in_flight, state.owned) {
                (Some(_), _) => {}
                (None, true) => owned.push(slot),
                (None, false) => items.push_back(Arc::clone(slot)),
            }
        }
        let mut queue = lock(&self.shared.queue);
        queue.pass += 1;
        queue.answered = 0;
        queue.pending = owned.len() + items.len();
        queue.items = items;
        let pass = queue.pass;
        for slot in owned {
            let mut state = lock(&slot.state);
            if state.owned {
                state.requested = Some(pass);
                slot.wake.notify_one();
            } else {
                queue.items.push_back(Arc::clone(slot));
            }
        }
        if !queue.items.is_empty() {
            // Whoever is not idle now is held up by a mount of an earlier pass.
            if queue.idle == 0 {
                self.shared.add_runner(&mut queue);
            } else {
                self.shared.work.notify_one();
            }
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.set_targets([]);
        lock(&self.shared.queue).closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn wait_for_answers(self: &Arc<Self>, began: Instant) {
        let timing = self.timing;
        let mut stalled = Duration::ZERO;
        let mut queue = lock(&self.queue);
        while queue.pending > 0 {
            let (before, slice_began) = (queue.answered, Instant::now());
            queue = self
                .done
                .wait_timeout(queue, timing.slice)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let no_progress = queue.answered == before;
            if no_progress {
                stalled += slice_began.elapsed();
            }
            if stalled >= timing.patience || began.elapsed() >= timing.limit {
                break;
            }
            if no_progress || began.elapsed() >= timing.patience {
                let joining = queue.runners.max(1).min(queue.items.len());
                for _ in 0..joining.min(timing.max_runners.saturating_sub(queue.runners)) {
                    self.add_runner(&mut queue);
                }
            }
        }
        // What was not reached is not asked any more in this pass.
        queue.items.clear();
    }

    fn add_runner(self: &Arc<Self>, queue: &mut Queue) {
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new()
            .name("statfs".into())
            .stack_size(64 << 10);
        match thread.spawn(move || shared.run()) {
            Ok(_) => queue.runners += 1,
            Err(error) => tracing::error!(%error, "cannot start a thread to read filesystems"),
        }
    }

    fn run(self: Arc<Self>) {
        let mut queue = lock(&self.queue);
        loop {
            let Some(slot) = queue.items.pop_front() else {
                // One idle runner is enough for the next pass.
                if queue.closed || queue.idle > 0 {
                    queue.runners -= 1;
                    return;
                }
                queue.idle += 1;
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
                continue;
            };
            let pass = queue.pass;
            drop(queue);
            let prompt = self.ask(&slot);
            queue = lock(&self.queue);
            self.answered(&mut queue, pass);
            if !prompt {
                queue.runners -= 1;
                drop(queue);
                self.attend(&slot);
                return;
            }
        }
    }

    fn answered(&self, queue: &mut Queue, pass: u64) {
        if queue.pass == pass {
            queue.answered += 1;
            queue.pending -= 1;
            if queue.pending == 0 {
                self.done.notify_all();
            }
        }
    }

    /// Asks one mount; whether it answered promptly. One that was late becomes owned by this thread.
    fn ask(&self, slot: &Slot) -> bool {
        let began = Instant::now();
        lock(&slot.state).in_flight = Some(began);
        let verify = self.verify.load(Ordering::Relaxed);
        let answer = (self.ask)(&Question {
            key: &slot.key,
            fstype: &slot.fstype,
            verify,
        });
        let at = Instant::now();
        let took = at - began;
        let mut state = lock(&slot.state);
        state.in_flight = None;
        let failure = match answer {
            Ok(space) => {
                state.good = Some((space, at));
                None
            }
            Err(why) => Some(why),
        };
        state.answer = Some(Answer { failure, at, took });
        let prompt = took < self.timing.late;
        if prompt {
            state.prompt += 1;
        } else {
            state.prompt = 0;
            state.owned = true;
        }
        prompt
    }

    /// Serves one late mount until it is gone or trusted again.
    fn attend(&self, slot: &Slot) {
        loop {
            let mut state = lock(&slot.state);
            if state.gone {
                return;
            }
            if state.requested.is_none() {
                if state.prompt >= self.timing.prompt_answers {
                    state.owned = false;
                    return;
                }
                state = slot
                    .wake
                    .wait_timeout(state, self.timing.reprobe)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                if state.gone {
                    return;
                }
            }
            let pass = state.requested.take();
            drop(state);
            self.ask(slot);
            if let Some(pass) = pass {
                self.answered(&mut lock(&self.queue), pass);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const SPACE: Space = Space {
        size: 100,
        free: 50,
        avail: 40,
        files: 10,
        files_free: 5,
    };

    fn key(id: u32) -> (MountKey, String) {
        let dev = DeviceNumber {
            major: 8,
            minor: id,
        };
        (
            MountKey {
                id,
                dev,
                path: PathBuf::from(format!("/m{id}")),
            },
            "ext4".into(),
        )
    }

    /// Mounts that hang while their path is in the list.
    #[derive(Default)]
    struct World {
        hung: Mutex<Vec<PathBuf>>,
        released: Condvar,
        calls: AtomicUsize,
        held: AtomicUsize,
    }

    impl World {
        fn hang(&self, ids: impl IntoIterator<Item = u32>) {
            lock(&self.hung).extend(ids.into_iter().map(|id| PathBuf::from(format!("/m{id}"))));
        }

        fn release(&self) {
            lock(&self.hung).clear();
            self.released.notify_all();
        }

        fn prober(self: &Arc<Self>, timing: Timing) -> Prober {
            let world = Arc::clone(self);
            let ask = move |question: &Question<'_>| {
                world.calls.fetch_add(1, Ordering::SeqCst);
                world.held.fetch_add(1, Ordering::SeqCst);
                let mut hung = lock(&world.hung);
                while hung.contains(&question.key.path) {
                    hung = world.released.wait(hung).unwrap();
                }
                world.held.fetch_sub(1, Ordering::SeqCst);
                Ok(SPACE)
            };
            Prober::new(timing, Box::new(ask))
        }
    }

    /// Late only when it hangs: a loaded machine is no hang.
    fn timing() -> Timing {
        Timing {
            late: Duration::from_millis(40),
            ..Timing::default()
        }
    }

    fn present(shown: &[Shown]) -> Vec<bool> {
        shown
            .iter()
            .map(|s| matches!(s.reading, Reading::Present(_)))
            .collect()
    }

    #[test]
    fn all_healthy_are_read_by_one_thread() {
        let world = Arc::new(World::default());
        let mut prober = world.prober(timing());
        prober.set_targets((0..500).map(key));
        assert!(
            prober
                .read(false)
                .iter()
                .all(|s| s.reading == Reading::Present(SPACE) && !s.device_error)
        );
        assert_eq!(world.calls.load(Ordering::SeqCst), 500);
    }

    #[test]
    fn many_hung_mounts_hold_up_nobody_and_pile_up_nothing() {
        let world = Arc::new(World::default());
        world.hang(0..20);
        let mut prober = world.prober(timing());
        prober.set_targets((0..60).map(key));
        for _ in 0..5 {
            let shown = prober.read(false);
            assert_eq!(
                present(&shown),
                (0..60).map(|i| i >= 20).collect::<Vec<_>>()
            );
            assert!(matches!(shown[0].reading, Reading::Failed(Why::Hung(_))));
            assert_eq!(
                world.held.load(Ordering::SeqCst),
                20,
                "one thread for each hung mount"
            );
        }
        world.release();
        // Late answers arrive on their own threads; a later pass sees them.
        let mut passes = 0;
        while present(&prober.read(false)).contains(&false) {
            passes += 1;
            assert!(passes < 10_000);
        }
    }

    #[test]
    fn a_mount_that_hung_is_asked_again_once_replaced_by_another_at_the_same_path() {
        let world = Arc::new(World::default());
        world.hang([1]);
        let mut prober = world.prober(timing());
        prober.set_targets([key(1)]);
        assert_eq!(present(&prober.read(false)), [false]);
        lock(&world.hung).clear();
        let (mut other, fstype) = key(1);
        other.id = 99;
        prober.set_targets([(other, fstype)]);
        assert_eq!(present(&prober.read(false)), [true]);
        world.release();
    }

    #[test]
    fn a_late_mount_gets_a_thread_of_its_own_until_it_is_prompt_again() {
        let world = Arc::new(World::default());
        let timing = Timing {
            late: Duration::ZERO,
            prompt_answers: 3,
            ..timing()
        };
        let mut prober = world.prober(timing);
        prober.set_targets([key(1), key(2)]);
        for pass in 1..=20 {
            assert_eq!(present(&prober.read(false)), [true, true]);
            assert_eq!(world.calls.load(Ordering::SeqCst), pass * 2);
        }
        assert!(lock(&prober.slots[0].state).owned);
        assert_eq!(lock(&prober.shared.queue).runners, 0);
    }

    #[test]
    fn what_is_shown_follows_the_clock() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let hung = |since, good| State {
            in_flight: Some(at(since)),
            good,
            ..State::default()
        };
        // Never answered: no values at once, an error from 2 s on.
        let shown = hung(0, None).shown(at(1), at(1));
        assert_eq!(
            (shown.reading, shown.device_error),
            (Reading::Failed(Why::Hung(Duration::from_secs(1))), false)
        );
        assert!(hung(0, None).shown(at(2), at(2)).device_error);
        // Answered before: that value for 30 s, with its age.
        let good = Some((SPACE, at(10)));
        let shown = hung(20, good).shown(at(40), at(40));
        assert_eq!(
            shown.reading,
            Reading::Stale {
                value: SPACE,
                age: Duration::from_secs(30)
            }
        );
        assert!(shown.device_error);
        assert_eq!(
            hung(20, good).shown(at(41), at(41)).reading,
            Reading::Failed(Why::Hung(Duration::from_secs(21)))
        );
        // An error is no value, however recent the last good one.
        let failed = |failure| State {
            good,
            answer: Some(Answer {
                failure,
                at: at(12),
                took: Duration::ZERO,
            }),
            ..State::default()
        };
        let shown = failed(Some(Why::Errno(5))).shown(at(11), at(12));
        assert_eq!(
            (shown.reading, shown.device_error),
            (Reading::Failed(Why::Errno(5)), true)
        );
        assert!(!failed(Some(Why::Denied)).shown(at(11), at(12)).device_error);
        // A late answer that came after the last pass is shown with its age.
        assert_eq!(
            failed(None).shown(at(15), at(15)).reading,
            Reading::Stale {
                value: SPACE,
                age: Duration::from_secs(5)
            }
        );
    }
}

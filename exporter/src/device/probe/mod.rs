//! Asks many filesystems how full they are, without ever being held up by one of them.
//!
//! `statfs` on a dead mount may never return, and its thread cannot be cancelled. So calls are made by
//! runner threads that take mounts from a queue. While the queue makes no progress more runners join,
//! each time twice as many; whoever hangs keeps only its own thread. A mount that answers late keeps
//! that thread as its own, which asks again by itself, so that a slow mount always has a recent value
//! and never holds up the others; after some prompt answers it goes back to the queue. A mount that
//! has not answered is not asked again: there is never more than one thread for a mount.

mod slot;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tidegauge_model::reading::Why;

use self::slot::{Answer, Slot};
pub use self::slot::{ERROR_FROM, MountKey, SHOWN_FOR, Shown};
use super::statfs::{Space, statfs, statfs_of};

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
mod tests;

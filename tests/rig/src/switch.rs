//! How a [`HangFs`](crate::HangFs) answers, changed while it runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait::wait_until;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// At once
    Normal,
    /// Never, until another answer is set; then as that one says
    Hang,
    /// With EIO, at once
    Error,
    /// Well, but so long after it was asked
    After(Duration),
}

/// Which requests a new answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operations {
    /// statfs alone: stat and readdir go on
    Statfs,
    /// All of them, as when the server is gone
    All,
}

/// Tells a [`HangFs`](crate::HangFs) how to answer. Clones switch the same one.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) statfs: Answer,
    pub(crate) others: Answer,
    waiting: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            statfs: Answer::Normal,
            others: Answer::Normal,
            waiting: 0,
        }
    }
}

impl Switch {
    /// As [`HangFs::set`](crate::HangFs::set).
    pub fn set(&self, operations: Operations, answer: Answer) {
        let mut state = self.state();
        state.statfs = answer;
        if operations == Operations::All {
            state.others = answer;
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// How many requests wait for their answer now.
    pub fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// Waits until so many requests hang, so that a test knows the code under test is stuck.
    ///
    /// # Panics
    /// When they do not come within 10 s.
    pub fn wait_for_hung(&self, requests: usize) {
        wait_until(Duration::from_secs(10), || {
            (self.waiting() >= requests).then_some(())
        })
        .unwrap_or_else(|| panic!("{} of {requests} requests hang", self.waiting()));
    }

    /// Answers now or on a thread of its own, so that the filesystem can go on with others.
    pub(crate) fn answer(
        &self,
        asked: fn(&State) -> Answer,
        reply: impl FnOnce(bool) + Send + 'static,
    ) {
        let mut state = self.state();
        match asked(&state) {
            Answer::Normal => reply(true),
            Answer::Error => reply(false),
            Answer::Hang | Answer::After(_) => {
                state.waiting += 1;
                let switch = self.clone();
                let since = Instant::now();
                thread::spawn(move || reply(switch.wait(asked, since)));
            }
        }
    }

    /// Whether to answer well, once it is time to.
    fn wait(&self, asked: fn(&State) -> Answer, since: Instant) -> bool {
        let mut state = self.state();
        let well = loop {
            let changed = &self.shared.changed;
            state = match asked(&state) {
                Answer::Normal => break true,
                Answer::Error => break false,
                Answer::Hang => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Answer::After(delay) => match delay.checked_sub(since.elapsed()) {
                    None => break true,
                    Some(rest) => {
                        changed
                            .wait_timeout(state, rest)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                },
            };
        };
        state.waiting -= 1;
        well
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked must not keep the filesystem from being let go.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

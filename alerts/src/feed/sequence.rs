//! Guesses the next series of a scrape: expositions list theirs in the same order time after time.

use super::cycle::Slot;

/// No series.
const NONE: Slot = Slot::MAX;

/// Which series followed which.
#[derive(Debug)]
pub(super) struct Sequence {
    first: Slot,
    last: Slot,
    next: Vec<Slot>,
}

impl Sequence {
    pub fn new() -> Self {
        Self {
            first: NONE,
            last: NONE,
            next: Vec::new(),
        }
    }

    /// The next series will be the first one of a scrape.
    pub fn restart(&mut self) {
        self.last = NONE;
    }

    /// What came next the last time; it may be gone since, or its number be another's.
    pub fn guess(&self) -> Option<Slot> {
        let next = match self.last {
            NONE => self.first,
            last => self.next.get(last as usize).copied().unwrap_or(NONE),
        };
        (next != NONE).then_some(next)
    }

    /// Tells what came next indeed.
    pub fn follow(&mut self, slot: Slot) {
        if self.next.len() <= slot as usize {
            self.next.resize(slot as usize + 1, NONE);
        }
        match self.last {
            NONE => self.first = slot,
            last => self.next[last as usize] = slot,
        }
        self.last = slot;
    }
}

//! How much a query may hold, and whether it is still wanted.

use crate::error::Error;
use crate::query::Options;

/// How much work is done between two questions whether to stop.
const PATIENCE: usize = 4096;

/// What a query has used of what it may.
pub(crate) struct Budget<'a> {
    interrupt: &'a (dyn Fn() -> bool + Sync),
    max: u64,
    held: u64,
    read: u64,
    work: usize,
}

impl<'a> Budget<'a> {
    /// Of the options.
    pub fn new(options: &Options<'a>) -> Self {
        Self {
            interrupt: options.interrupt,
            max: options.max_samples,
            held: 0,
            read: 0,
            // Asked before anything else, too.
            work: PATIENCE,
        }
    }

    /// Work on some samples was or will be done.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when the query is to stop.
    pub fn work(&mut self, samples: usize) -> Result<(), Error> {
        self.work = self.work.saturating_add(samples);
        if self.work >= PATIENCE {
            self.work = 0;
            if (self.interrupt)() {
                return Err(Error::TimedOut);
            }
        }
        Ok(())
    }

    /// Samples are held in memory from now on, until [`Self::hold_only`].
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub fn hold(&mut self, samples: usize) -> Result<(), Error> {
        self.held = self.held.saturating_add(samples as u64);
        self.check(0)
    }

    /// Samples are held besides, for a moment.
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub fn check(&self, besides: usize) -> Result<(), Error> {
        if self.held.saturating_add(besides as u64) > self.max {
            return Err(Error::TooManySamples);
        }
        Ok(())
    }

    /// How many are held.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// No more are held than these and those.
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub fn hold_only(&mut self, before: u64, samples: usize) -> Result<(), Error> {
        self.held = before;
        self.hold(samples)
    }

    /// Samples came from the store.
    pub fn count_read(&mut self, samples: usize) {
        self.read += samples as u64;
    }

    /// How many came from the store.
    pub fn read(&self) -> u64 {
        self.read
    }
}

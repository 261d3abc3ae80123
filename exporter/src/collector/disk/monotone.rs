//! Counters that only grow, out of counters that wrap and stumble.
//!
//! The kernel keeps milliseconds in 32 bits, so they wrap after 49.7 days of accumulated time, and it
//! adds up per-CPU parts without a lock, so that a sum can step back a little. Neither is a reset, and
//! Prometheus would take both for one.

use crate::device::diskstats::Counters;

const WRAP: u64 = 1 << 32;

/// A counter of 32 bits, extended to 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extended {
    last: u64,
    wraps: u64,
}

impl Extended {
    fn start(raw: u64) -> Self {
        Self {
            last: raw,
            wraps: 0,
        }
    }

    fn follow(&mut self, raw: u64) -> u64 {
        if raw >= WRAP || self.last >= WRAP {
            // A kernel that counts in 64 bits does not wrap.
            self.last = self.last.max(raw);
        } else {
            // The shorter way round decides: forward, over a wrap perhaps, or a little back.
            let forward = raw.wrapping_sub(self.last) & (WRAP - 1);
            if forward < WRAP / 2 {
                self.wraps += u64::from(raw < self.last);
                self.last = raw;
            }
        }
        self.last + self.wraps * WRAP
    }
}

/// The history of one device's counters.
#[derive(Clone, Debug)]
pub struct Monotone {
    shown: Counters,
    /// read, write, io, weighted io, discard, flush.
    times: [Extended; 6],
}

impl Monotone {
    /// From a first reading, which is shown as it is.
    pub fn start(raw: &Counters) -> Self {
        Self {
            shown: *raw,
            times: times(raw).map(Extended::start),
        }
    }

    /// Takes the next reading and returns what to show. Starts anew when the device was replaced: its
    /// requests are less than half of what they were.
    pub fn follow(&mut self, raw: &Counters) -> Counters {
        let requests = |c: &Counters| c.reads.saturating_add(c.writes);
        if requests(raw) < requests(&self.shown) / 2 {
            *self = Self::start(raw);
            return self.shown;
        }
        let mut next = *raw;
        let before = &self.shown;
        for (value, previous) in [
            (&mut next.reads, before.reads),
            (&mut next.reads_merged, before.reads_merged),
            (&mut next.sectors_read, before.sectors_read),
            (&mut next.writes, before.writes),
            (&mut next.writes_merged, before.writes_merged),
            (&mut next.sectors_written, before.sectors_written),
        ] {
            *value = (*value).max(previous);
        }
        if let (Some(now), Some(then)) = (&mut next.discard, &before.discard) {
            now.discards = now.discards.max(then.discards);
            now.merged = now.merged.max(then.merged);
            now.sectors = now.sectors.max(then.sectors);
        }
        if let (Some(now), Some(then)) = (&mut next.flush, &before.flush) {
            now.flushes = now.flushes.max(then.flushes);
        }
        let mut extended = [0; 6];
        for ((out, time), raw) in extended.iter_mut().zip(&mut self.times).zip(times(raw)) {
            *out = time.follow(raw);
        }
        let [read, write, io, weighted, discard, flush] = extended;
        (next.read_ms, next.write_ms, next.io_ms, next.weighted_io_ms) =
            (read, write, io, weighted);
        if let Some(discards) = &mut next.discard {
            discards.ms = discard;
        }
        if let Some(flushes) = &mut next.flush {
            flushes.ms = flush;
        }
        self.shown = next;
        next
    }
}

fn times(c: &Counters) -> [u64; 6] {
    [
        c.read_ms,
        c.write_ms,
        c.io_ms,
        c.weighted_io_ms,
        c.discard.map_or(0, |d| d.ms),
        c.flush.map_or(0, |f| f.ms),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(reads: u64, io_ms: u64) -> Counters {
        Counters {
            reads,
            io_ms,
            ..Counters::default()
        }
    }

    #[test]
    fn a_wrap_goes_on_growing() {
        let mut disk = Monotone::start(&at(1000, WRAP - 10));
        assert_eq!(disk.follow(&at(1001, 5)).io_ms, WRAP + 5);
        assert_eq!(disk.follow(&at(1002, 7)).io_ms, WRAP + 7);
    }

    #[test]
    fn a_step_back_is_held() {
        let mut disk = Monotone::start(&at(1000, 500));
        let shown = disk.follow(&at(999, 498));
        assert_eq!((shown.reads, shown.io_ms), (1000, 500));
        assert_eq!(disk.follow(&at(1001, 503)).io_ms, 503);
    }

    #[test]
    fn another_disk_starts_anew() {
        let mut disk = Monotone::start(&at(1000, WRAP - 10));
        disk.follow(&at(1001, 5));
        let shown = disk.follow(&at(3, 2));
        assert_eq!((shown.reads, shown.io_ms), (3, 2));
    }

    proptest! {
        #[test]
        fn any_steps_are_followed_exactly(start in 0..WRAP, steps in proptest::collection::vec(0..WRAP / 2, 0..20)) {
            let mut disk = Monotone::start(&at(10, start));
            let mut truth = start;
            for step in steps {
                truth += step;
                prop_assert_eq!(disk.follow(&at(10, truth % WRAP)).io_ms, truth);
            }
        }
    }
}

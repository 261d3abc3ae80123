//! What to think of a clock that jumps.
//!
//! Prometheus believes its clock: after one that ran hours ahead it refuses all samples as out of order until
//! time has caught up, and what was older than its retention by the wrong time is gone. Here:
//!
//! - **Ahead by more than ten minutes at once** (a *leap*): samples are taken in, for it may be right: a host that
//!   slept, or a sidecar that was down. But nothing is dropped for its age by the new time until the leap has
//!   lasted an hour; until then ages are counted as if there had been none.
//! - **Back from a leap within that hour**: the samples of the excursion are thrown away, and all is as before.
//! - **Back otherwise**: samples that are older than their series' last are refused until time has caught up, as in
//!   Prometheus. But when the window's newest sample lies more than ten minutes ahead and the clock stays so for
//!   ten minutes, the clock is believed: samples from its time on are thrown away. Going blind for hours
//!   would be worse.
//! - A sample more than ten minutes ahead of the clock is refused, as in Prometheus.

use tidegauge_promql::Timestamp;

/// A jump by more than this is a leap; a sample further ahead of the clock than this is refused (Prometheus,
/// `scrape.go`, `maxAheadTime`). In milliseconds.
pub(super) const AHEAD: i64 = 10 * 60 * 1_000;

/// How long a leap must last before ages are counted by it.
const BELIEVED: i64 = 60 * 60 * 1_000;

/// How long the clock must have been behind the samples before it is believed.
const PATIENCE: i64 = 10 * 60 * 1_000;

/// More leaps than this within an hour: the oldest are believed.
const MOST_LEAPS: usize = 16;

/// Follows the clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Timekeeper {
    /// The time that was seen last.
    seen: Option<Timestamp>,
    /// Leaps that are not yet believed, in their order.
    leaps: Vec<Leap>,
    /// Since when the clock is behind the samples.
    behind: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Leap {
    from: Timestamp,
    to: Timestamp,
}

impl Timekeeper {
    /// Sees the time, given that of the newest sample. `Some`: samples from that time on are to be thrown away.
    pub(super) fn observe(
        &mut self,
        now: Timestamp,
        newest: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let seen = self.seen.replace(now);
        let known = match (seen, newest) {
            (Some(seen), Some(newest)) => seen.max(newest.min(now)),
            (known, other) => known.or(other)?,
        };
        if now.saturating_sub(known) > AHEAD {
            if self.leaps.len() == MOST_LEAPS {
                self.leaps.remove(0);
            }
            self.leaps.push(Leap {
                from: known,
                to: now,
            });
        }
        let mut discard = None;
        while let Some(leap) = self
            .leaps
            .pop_if(|leap| now < leap.to.saturating_sub(AHEAD))
        {
            discard = Some(leap.to);
        }
        self.leaps
            .retain(|leap| now.saturating_sub(leap.to) < BELIEVED);
        if discard.is_some() {
            // Waiting began by the time of the excursion, which says nothing any more.
            self.behind = None;
            return discard;
        }
        self.still_behind(now, seen, newest)
    }

    fn still_behind(
        &mut self,
        now: Timestamp,
        seen: Option<Timestamp>,
        newest: Option<Timestamp>,
    ) -> Option<Timestamp> {
        // Once it waits it waits to the end, or it would start to when most of the time has passed.
        let enough = if self.behind.is_some() { 0 } else { AHEAD };
        if newest.is_none_or(|newest| newest.saturating_sub(now) <= enough) {
            self.behind = None;
            return None;
        }
        let jumped = seen.is_none_or(|seen| now < seen || now.saturating_sub(seen) > AHEAD);
        let since = *self.behind.get_or_insert(now);
        if jumped {
            self.behind = Some(now);
            return None;
        }
        if now.saturating_sub(since) < PATIENCE {
            return None;
        }
        self.behind = None;
        Some(now)
    }

    /// The time by which ages are counted.
    pub(super) fn good(&self, now: Timestamp) -> Timestamp {
        self.leaps.iter().fold(now, |good, leap| {
            good.saturating_sub(leap.to.saturating_sub(leap.from))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;
    const START: Timestamp = 1_790_000_000_000;

    #[test]
    fn a_leap_holds_ages_for_an_hour() {
        let mut keeper = Timekeeper::default();
        assert_eq!(keeper.observe(START, None), None);
        let there = START + 300 * MINUTE;
        assert_eq!(keeper.observe(there, Some(START)), None);
        assert_eq!(keeper.good(there), START);
        let later = there + 59 * MINUTE;
        for minute in 0..59 {
            let now = there + minute * MINUTE;
            assert_eq!(keeper.observe(now, Some(now)), None);
        }
        assert_eq!(keeper.good(later), START + 59 * MINUTE);
        let later = later + 2 * MINUTE;
        assert_eq!(keeper.observe(later, Some(later)), None);
        assert_eq!(keeper.good(later), later);
    }

    #[test]
    fn back_from_a_leap_its_samples_go() {
        let mut keeper = Timekeeper::default();
        keeper.observe(START, None);
        let there = START + 300 * MINUTE;
        keeper.observe(there, Some(START));
        keeper.observe(there + 20 * MINUTE, Some(there + 20 * MINUTE));
        let back = START + 20 * MINUTE;
        assert_eq!(keeper.observe(back, Some(there + 20 * MINUTE)), Some(there));
        assert_eq!(keeper.good(back), back);
    }

    #[test]
    fn after_an_outage_ages_wait_too() {
        let mut keeper = Timekeeper::default();
        let now = START + 600 * MINUTE;
        assert_eq!(keeper.observe(now, Some(START)), None);
        assert_eq!(keeper.good(now), START);
    }

    #[test]
    fn a_clock_that_stays_behind_is_believed() {
        let mut keeper = Timekeeper::default();
        keeper.observe(START, Some(START));
        let behind = START - 300 * MINUTE;
        for minute in 0..10 {
            let now = behind + minute * MINUTE;
            assert_eq!(keeper.observe(now, Some(START)), None);
        }
        let now = behind + 10 * MINUTE;
        assert_eq!(keeper.observe(now, Some(START)), Some(now));
    }

    #[test]
    fn a_little_behind_is_waited_for() {
        let mut keeper = Timekeeper::default();
        keeper.observe(START, Some(START));
        for minute in 0..9 {
            let now = START - 9 * MINUTE + minute * MINUTE;
            assert_eq!(keeper.observe(now, Some(START)), None);
        }
    }

    #[test]
    fn waiting_that_began_in_an_excursion_ends_with_it() {
        let mut keeper = Timekeeper::default();
        // An hour ahead from the first, then a day, and back from there by a little, which is waited for.
        let (first, far) = (START + 60 * MINUTE, START + 1440 * MINUTE);
        assert_eq!(keeper.observe(first, None), None);
        assert_eq!(keeper.observe(far, Some(first)), None);
        assert_eq!(keeper.observe(far + MINUTE, Some(far)), None);
        let back = far - 10 * MINUTE;
        assert_eq!(keeper.observe(back, Some(far + MINUTE)), None);
        // Right again: the day goes at once, the hour after ten minutes.
        assert_eq!(keeper.observe(START, Some(far + MINUTE)), Some(far));
        let thrown: Vec<i64> = (1..=12)
            .filter(|minute| {
                let now = START + minute * MINUTE;
                keeper.observe(now, Some(first)).is_some()
            })
            .collect();
        assert_eq!(thrown, [11]);
    }

    proptest! {
        /// However the clock jumps: soon after it is right again samples are taken in again.
        #[test]
        fn never_blind_for_long(errors in proptest::collection::vec((-2_000i64..2_000, 1i64..90), 0..6)) {
            let mut keeper = Timekeeper::default();
            // The times of the samples of one series.
            let (mut truth, mut taken) = (START, Vec::<i64>::new());
            let mut blind = 0;
            for (error, minutes) in errors.into_iter().chain([(0, 120)]) {
                for _ in 0..minutes {
                    truth += MINUTE;
                    let now = truth + error * MINUTE;
                    if let Some(from) = keeper.observe(now, taken.last().copied()) {
                        taken.retain(|time| *time < from);
                    }
                    if taken.last().is_none_or(|newest| *newest < now) {
                        taken.push(now);
                        blind = 0;
                    } else {
                        blind += 1;
                    }
                    // Ten minutes are let pass; one more each until it is seen and until the next sample.
                    prop_assert!(blind <= 12, "blind for {blind} minutes");
                    prop_assert!(keeper.good(now) <= now);
                }
                blind = 0;
            }
        }
    }
}

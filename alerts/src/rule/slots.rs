//! When a group is evaluated: at the same moments of every interval, spread over it by a hash of the group's name
//! (Prometheus, `EvalTimestamp`).

use std::time::Duration;

use tidegauge_promql::Timestamp;
use twox_hash::XxHash64;

use super::evaluate::ms;

/// The moments of a group. Times and durations in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    interval: i64,
    offset: i64,
}

impl Slots {
    /// Those of a group of a file.
    pub fn of(file: &str, group: &str, interval: Duration) -> Self {
        let interval = ms(interval).max(1);
        let seed = XxHash64::oneshot(0, file.as_bytes());
        let hash = XxHash64::oneshot(seed, group.as_bytes());
        let offset = hash % interval.unsigned_abs();
        Self {
            interval,
            offset: i64::try_from(offset).unwrap_or(0),
        }
    }

    /// The last moment that is not after a time.
    pub fn at_or_before(self, now: Timestamp) -> Timestamp {
        now - (now - self.offset).rem_euclid(self.interval)
    }

    /// The first moment after a time.
    pub fn after(self, now: Timestamp) -> Timestamp {
        self.at_or_before(now) + self.interval
    }

    /// What to do at a time, when the last evaluation was for `last`.
    pub fn due(self, last: Option<Timestamp>, now: Timestamp) -> Slot {
        let at = self.at_or_before(now);
        match last {
            None => Slot::Due { at, missed: 0 },
            // The timer was a little early, or the clock was put back a little.
            Some(last) if at <= last && last - at <= self.interval => Slot::Wait,
            Some(last) => {
                let missed = (at - last) / self.interval - 1;
                Slot::Due {
                    at,
                    missed: u64::try_from(missed).unwrap_or(0),
                }
            }
        }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The moment that comes is not there yet.
    Wait,
    /// Evaluate for a moment; so many before it went by, and are not made up for.
    Due {
        /// The moment.
        at: Timestamp,
        /// How many went by.
        missed: u64,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn moments_are_an_interval_apart(name in "[a-z]{0,8}", seconds in 1u64..5_000, now in -10_000_000i64..4_000_000_000_000) {
            let slots = Slots::of("f.yml", &name, Duration::from_secs(seconds));
            let (before, after) = (slots.at_or_before(now), slots.after(now));
            prop_assert!(before <= now && now < after && after - before == slots.interval);
            prop_assert_eq!(slots.at_or_before(before), before);
            prop_assert_eq!(slots.due(None, now), Slot::Due { at: before, missed: 0 });
            prop_assert_eq!(slots.due(Some(before), now), Slot::Wait);
            prop_assert_eq!(slots.due(Some(before), after - 1), Slot::Wait);
            prop_assert_eq!(slots.due(Some(before), after), Slot::Due { at: after, missed: 0 });
            let late = after + 3 * slots.interval;
            prop_assert_eq!(slots.due(Some(before), late), Slot::Due { at: late, missed: 3 });
            // Put back by seconds: wait. Put back by more than an interval: go on with what the clock says.
            prop_assert_eq!(slots.due(Some(before), before - 1), Slot::Wait);
            let back = before - 5 * slots.interval;
            prop_assert_eq!(slots.due(Some(before), back), Slot::Due { at: back, missed: 0 });
        }
    }
}

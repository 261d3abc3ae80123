//! When a target is scraped.

use std::time::Duration;

use tidegauge_promql::Timestamp;

/// Samples of a scrape that begins so little after its time are given that time, in milliseconds. Times
/// that are apart by the interval exactly take far less room in the store. (Prometheus does so up to 2 ms;
/// here one thread serves all, and what is measured is read within tens of milliseconds anyway.)
const TOLERANCE: Timestamp = 20;

/// Instants of the wall clock, an interval apart, at the target's own offset. Missed ones are passed over.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Timestamp,
    offset: Timestamp,
    due: Option<Timestamp>,
}

impl Schedule {
    /// `offset` is within the interval, from multiples of the interval since 1970.
    pub fn new(interval: Duration, offset: Duration) -> Self {
        let millis = |d: Duration| Timestamp::try_from(d.as_millis()).unwrap_or(Timestamp::MAX);
        Self {
            interval: millis(interval).max(1),
            offset: millis(offset),
            due: None,
        }
    }

    /// How long to wait for the next scrape.
    pub fn wait(&mut self, now: Timestamp) -> Duration {
        let due = match self.due {
            // With the clock set by more than an interval what was due says nothing.
            Some(due) if now.abs_diff(due) <= self.interval.unsigned_abs() => due,
            _ => self.after(now),
        };
        self.due = Some(due);
        Duration::from_millis(u64::try_from(due.saturating_sub(now)).unwrap_or(0))
    }

    /// A scrape begins: the time of its samples.
    pub fn begin(&mut self, now: Timestamp) -> Timestamp {
        let due = self.due.unwrap_or(now);
        let late = now.saturating_sub(due);
        let next = due.saturating_add(self.interval);
        self.due = Some(if late >= 0 && next > now {
            next
        } else {
            self.after(now)
        });
        let tolerance = TOLERANCE.min(self.interval / 100);
        if (0..=tolerance).contains(&late) {
            due
        } else {
            now
        }
    }

    fn after(&self, now: Timestamp) -> Timestamp {
        let since = now.saturating_sub(self.offset).rem_euclid(self.interval);
        now.saturating_sub(since).saturating_add(self.interval)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(Duration::from_secs(15), Duration::from_secs(4))
    }

    #[test]
    fn at_its_offset_and_an_interval_apart() {
        let mut schedule = schedule();
        assert_eq!(schedule.wait(1_000), Duration::from_secs(3));
        assert_eq!(schedule.begin(4_003), 4_000);
        assert_eq!(schedule.wait(4_500), Duration::from_millis(14_500));
        // Too late to be called in time, in time to keep the pace.
        assert_eq!(schedule.begin(19_100), 19_100);
        assert_eq!(schedule.wait(29_000), Duration::from_secs(5));
        // A whole interval was missed.
        assert_eq!(schedule.begin(60_000), 60_000);
        assert_eq!(schedule.wait(60_000), Duration::from_secs(4));
    }

    #[test]
    fn a_clock_that_jumps_is_followed() {
        let mut schedule = schedule();
        schedule.wait(1_000);
        schedule.begin(4_000);
        let day = 86_400_000;
        assert_eq!(schedule.wait(4_500 + day), Duration::from_millis(14_500));
        assert_eq!(schedule.begin(19_000), 19_000);
        assert_eq!(schedule.wait(19_000), Duration::from_secs(15));
    }

    proptest! {
        #[test]
        fn whatever_the_clock_says(
            interval in 1u64..10_000_000,
            offset in 0u64..10_000_000,
            steps in proptest::collection::vec(prop_oneof![any::<i64>(), -100_000i64..100_000], 1..20),
        ) {
            let mut schedule = Schedule::new(
                Duration::from_millis(interval),
                Duration::from_millis(offset % interval),
            );
            for now in steps {
                let wait = schedule.wait(now);
                prop_assert!(wait <= Duration::from_millis(interval));
                let then = now.saturating_add(i64::try_from(wait.as_millis()).unwrap());
                prop_assert!(schedule.begin(then) <= then);
                // The next one is later.
                prop_assert!(then == i64::MAX || schedule.wait(then) > Duration::ZERO);
            }
        }
    }
}

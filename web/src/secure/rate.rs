//! A token bucket: how often may be asked. Time is passed in.

use std::time::Duration;

use super::config::RateLimit;

/// A bucket that is full at first. Instead of tokens it keeps the time at which it will be full again.
#[derive(Debug)]
pub struct Bucket {
    limit: RateLimit,
    /// Since the same beginning as the `now` of [`Bucket::take`].
    full_at: Duration,
}

impl Bucket {
    /// A full one.
    pub fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            full_at: Duration::ZERO,
        }
    }

    /// What it keeps to.
    pub fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes a token, or tells how long until there is one. `now` is the time since some beginning.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let RateLimit { interval, burst } = self.limit;
        let full_at = self.full_at.max(now);
        // With one token left it is full again after that of all the others.
        let latest = now.saturating_add(interval.saturating_mul(burst.saturating_sub(1)));
        match full_at.checked_sub(latest) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.full_at = full_at.saturating_add(interval);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(millis: u64, burst: u32) -> Bucket {
        Bucket::new(RateLimit {
            interval: Duration::from_millis(millis),
            burst,
        })
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_then_one_for_each_interval() {
        let mut bucket = bucket(1000, 3);
        for _ in 0..3 {
            assert_eq!(bucket.take(at(5_000)), Ok(()));
        }
        assert_eq!(bucket.take(at(5_000)), Err(at(1000)));
        assert_eq!(bucket.take(at(5_400)), Err(at(600)));
        assert_eq!(bucket.take(at(6_000)), Ok(()));
        assert_eq!(bucket.take(at(6_000)), Err(at(1000)));
        // Two intervals, two tokens.
        assert_eq!(bucket.take(at(8_000)), Ok(()));
        assert_eq!(bucket.take(at(8_000)), Ok(()));
        assert_eq!(bucket.take(at(8_000)), Err(at(1000)));
    }

    #[test]
    fn it_never_holds_more_than_the_burst() {
        let mut bucket = bucket(10, 2);
        let later = at(1_000_000);
        assert_eq!(bucket.take(later), Ok(()));
        assert_eq!(bucket.take(later), Ok(()));
        assert_eq!(bucket.take(later), Err(at(10)));
    }

    #[test]
    fn refusals_cost_no_tokens_and_the_longest_times_are_no_panic() {
        let mut first = bucket(100, 1);
        assert_eq!(first.take(at(0)), Ok(()));
        for _ in 0..10 {
            assert_eq!(first.take(at(50)), Err(at(50)));
        }
        assert_eq!(first.take(at(100)), Ok(()));
        let mut longest = Bucket::new(RateLimit {
            interval: Duration::MAX,
            burst: u32::MAX,
        });
        assert_eq!(longest.take(Duration::MAX), Ok(()));
        let _ = longest.take(Duration::MAX);
    }
}

//! The times at which an expression is evaluated.

use crate::sample::Timestamp;

/// Evenly spaced times, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// The first one.
    pub first: Timestamp,
    /// From one to the next, in milliseconds; at least 1.
    pub every: i64,
    /// How many; at least 1.
    pub count: usize,
}

impl Steps {
    /// One time.
    pub fn single(at: Timestamp) -> Self {
        Self {
            first: at,
            every: 1,
            count: 1,
        }
    }

    /// From one time up to another; none if that is earlier or the distance is no distance.
    pub fn between(from: Timestamp, to: Timestamp, every: i64) -> Option<Self> {
        if to < from || every < 1 {
            return None;
        }
        let whole = (i128::from(to) - i128::from(from)) / i128::from(every);
        Some(Self {
            first: from,
            every,
            count: usize::try_from(whole).map_or(usize::MAX, |whole| whole.saturating_add(1)),
        })
    }

    /// The time of a step.
    pub fn at(self, step: usize) -> Timestamp {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.first.saturating_add(self.every.saturating_mul(step))
    }

    /// The last one.
    pub fn last(self) -> Timestamp {
        self.at(self.count - 1)
    }

    /// Whether it is one time only.
    pub fn is_single(self) -> bool {
        self.count == 1
    }

    /// All of them.
    pub fn times(self) -> impl Iterator<Item = Timestamp> {
        (0..self.count).map(move |step| self.at(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_the_last_that_fits() {
        let steps = Steps::between(10, 39, 10).unwrap();
        assert_eq!(steps.times().collect::<Vec<_>>(), [10, 20, 30]);
        assert_eq!(steps.last(), 30);
        assert_eq!(Steps::between(10, 9, 10), None);
        assert_eq!(Steps::between(10, 20, 0), None);
        assert_eq!(Steps::between(10, 10, 5).map(|s| s.count), Some(1));
        assert!(Steps::between(i64::MIN, i64::MAX, 1).is_some());
    }
}

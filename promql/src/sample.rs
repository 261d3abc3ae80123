//! Values with their times.

use std::time::Duration;

/// Milliseconds since 1970-01-01 UTC, as Prometheus counts them.
pub type Timestamp = i64;

/// Milliseconds of a duration; of one longer than any time can be away, the longest that is dealt with.
pub(crate) fn millis(duration: Duration) -> i64 {
    /// A quarter of what there is, so that sums of some of them, and of times, fit.
    const LONGEST: i64 = i64::MAX / 4;
    i64::try_from(duration.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, in milliseconds.
    pub time: Timestamp,
    /// What.
    pub value: f64,
}

/// The bits of the NaN that says "this series ended here" (Prometheus, `model/value`, `StaleNaN`).
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that says that a series has ended.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// Whether a value is the mark of an ended series, and no other NaN.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// Samples of one series in columns: times ascending, none twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// When, in milliseconds; ascending.
    pub times: Vec<Timestamp>,
    /// What, as many as times.
    pub values: Vec<f64>,
}

impl Samples {
    /// None, with room for some.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            times: Vec::with_capacity(capacity),
            values: Vec::with_capacity(capacity),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Adds one at the end.
    pub fn push(&mut self, sample: Sample) {
        self.times.push(sample.time);
        self.values.push(sample.value);
    }

    /// The latest.
    pub fn last(&self) -> Option<Sample> {
        let time = *self.times.last()?;
        let value = *self.values.last()?;
        Some(Sample { time, value })
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        self.times
            .iter()
            .zip(&self.values)
            .map(|(&time, &value)| Sample { time, value })
    }
}

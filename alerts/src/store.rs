//! What feeds and rules write samples to and queries read from.

use tidegauge_promql::{Labels, Sample, Storage};

/// Takes in samples. Whatever is refused is counted in the answer and never stops the rest.
pub trait Append {
    /// Appends a batch, in any order of series, of times as they come.
    fn append(&self, batch: &[(Labels, Sample)]) -> Appended;

    /// The store's own copy of these labels, where it has the series and a copy. Who keeps that one instead takes no
    /// memory for them.
    fn copy_of(&self, _labels: &Labels) -> Option<Labels> {
        None
    }
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Taken in, the very same sample once more included.
    pub added: u64,
    /// Refused for a time before the series' last one.
    pub out_of_order: u64,
    /// Refused for another value at the series' last time.
    pub duplicate: u64,
    /// Refused for there is no room for another series, or none in bytes.
    pub over_limit: u64,
}

/// Both sides of a store.
pub trait Store: Storage + Append + Send + Sync {}

impl<S: Storage + Append + Send + Sync> Store for S {}

impl Append for tidegauge_promql::MemoryStorage {
    fn append(&self, batch: &[(Labels, Sample)]) -> Appended {
        let mut sum = Appended::default();
        for (labels, sample) in batch {
            match Self::append(self, labels, *sample) {
                true => sum.added += 1,
                false => sum.out_of_order += 1,
            }
        }
        sum
    }
}

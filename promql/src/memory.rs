//! A store of series in plain memory, for tests and for what lives only as long as a command.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};

use crate::labels::Labels;
use crate::sample::{Sample, Samples, Timestamp};
use crate::storage::{Series, Storage, StorageError};

/// Series in memory, uncompressed, unbounded. Shared freely: appending takes a lock.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    series: RwLock<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_labels: HashMap<Labels, Arc<MemorySeries>>,
    by_name: HashMap<String, Vec<Arc<MemorySeries>>>,
}

#[derive(Debug)]
struct MemorySeries {
    labels: Labels,
    samples: RwLock<Samples>,
}

impl MemoryStorage {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample. A time that is not later than the series' last one is refused with `false`, but for
    /// the very same sample.
    pub fn append(&self, labels: &Labels, sample: Sample) -> bool {
        let known = {
            let index = self.series.read().unwrap_or_else(PoisonError::into_inner);
            index.by_labels.get(labels).cloned()
        };
        let series = known.unwrap_or_else(|| self.create(labels));
        let mut samples = series
            .samples
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match samples.last() {
            Some(last) if last.time > sample.time => false,
            Some(last) if last.time == sample.time => {
                last.value.to_bits() == sample.value.to_bits()
            }
            _ => {
                samples.push(sample);
                true
            }
        }
    }

    fn create(&self, labels: &Labels) -> Arc<MemorySeries> {
        let mut index = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = index.by_labels.get(labels) {
            return Arc::clone(known);
        }
        let series = Arc::new(MemorySeries {
            labels: labels.clone(),
            samples: RwLock::default(),
        });
        index.by_labels.insert(labels.clone(), Arc::clone(&series));
        index
            .by_name
            .entry(labels.name().to_owned())
            .or_default()
            .push(Arc::clone(&series));
        series
    }
}

impl Storage for MemoryStorage {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let index = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let name = matchers
            .iter()
            .find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
        let candidates: Box<dyn Iterator<Item = &Arc<MemorySeries>>> = match name {
            Some(name) => Box::new(index.by_name.get(&name.value).into_iter().flatten()),
            None => Box::new(index.by_labels.values()),
        };
        Ok(candidates
            .filter(|series| series.labels.matches(matchers) && series.reaches(from, to))
            .map(|series| Arc::clone(series) as Arc<dyn Series>)
            .collect())
    }
}

impl MemorySeries {
    fn reaches(&self, from: Timestamp, to: Timestamp) -> bool {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (samples.times.first(), samples.times.last());
        first.is_some_and(|first| *first <= to) && last.is_some_and(|last| *last >= from)
    }
}

impl Series for MemorySeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, from: Timestamp, to: Timestamp, into: &mut Samples) {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        let start = samples.times.partition_point(|time| *time < from);
        let end = samples.times.partition_point(|time| *time <= to).max(start);
        into.times.extend_from_slice(&samples.times[start..end]);
        into.values.extend_from_slice(&samples.values[start..end]);
    }

    fn last(&self, from: Timestamp, to: Timestamp) -> Option<Sample> {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        let end = samples.times.partition_point(|time| *time <= to);
        let index = end.checked_sub(1)?;
        let (time, value) = (samples.times[index], samples.values[index]);
        (time >= from).then_some(Sample { time, value })
    }
}

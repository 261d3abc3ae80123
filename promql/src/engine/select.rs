//! Instant selectors: the latest sample of each series, if it is not too old.

use std::sync::Arc;

use crate::error::Error;
use crate::plan::Select;
use crate::sample::{Sample, Samples, Timestamp, is_stale};
use crate::storage::Series;

use super::names::Head;
use super::table::{ABSENT, Table};
use super::{Engine, Steps};

impl Engine<'_> {
    /// The values that a selector finds.
    pub(super) fn select(&mut self, select: &Select, steps: Steps) -> Result<Table, Error> {
        self.latest(select, steps, |sample| sample.value)
    }

    /// The times of the samples that a selector finds, in seconds.
    pub(super) fn sample_times(&mut self, select: &Select, steps: Steps) -> Result<Table, Error> {
        let table = self.latest(select, steps, |sample| sample.time as f64 / 1000.0)?;
        self.nameless(table, super::Same::Unite)
    }

    fn latest(
        &mut self,
        select: &Select,
        steps: Steps,
        value: impl Fn(Sample) -> f64,
    ) -> Result<Table, Error> {
        if let Some(at) = self.fixed(select.at) {
            let once = self.latest_once(select, at.saturating_sub(select.offset), value)?;
            self.budget
                .check(once.cells().saturating_mul(steps.count))?;
            return Ok(once.spread(steps.count));
        }
        let first = steps.first.saturating_sub(select.offset);
        if steps.is_single() {
            return self.latest_once(select, first, value);
        }
        let last = steps.last().saturating_sub(select.offset);
        let lookback = self.lookback;
        let from = after(first, lookback);
        let series = self.storage.select(&select.matchers, from, last)?;
        let mut table = Table::new(steps.count);
        let mut samples = Samples::default();
        for series in &series {
            self.read(series, from, last, &mut samples)?;
            let mut next = 0;
            let times = steps.times().map(|time| time.saturating_sub(select.offset));
            let row = times.map(|time| {
                while samples.times.get(next).is_some_and(|t| *t <= time) {
                    next += 1;
                }
                let Some(index) = next.checked_sub(1) else {
                    return ABSENT;
                };
                let (found, found_value) = (samples.times[index], samples.values[index]);
                if found < after(time, lookback) || is_stale(found_value) {
                    return ABSENT;
                }
                value(Sample {
                    time: found,
                    value: found_value,
                })
            });
            let before = table.cells();
            table.push(Head::new(series.labels().clone()), row);
            self.budget.hold(table.cells() - before)?;
        }
        Ok(table)
    }

    fn latest_once(
        &mut self,
        select: &Select,
        time: Timestamp,
        value: impl Fn(Sample) -> f64,
    ) -> Result<Table, Error> {
        let from = after(time, self.lookback);
        let series = self.storage.select(&select.matchers, from, time)?;
        self.budget.check(series.len())?;
        let mut table = Table::with_capacity(1, series.len());
        for series in &series {
            self.budget.work(1)?;
            if let Some(sample) = series.current(from, time) {
                self.budget.count_read(1);
                let head = Head::new(series.labels().clone());
                table.push(head, std::iter::once(value(sample)));
            }
        }
        Ok(table)
    }

    /// The samples of a series.
    pub(super) fn read(
        &mut self,
        series: &Arc<dyn Series>,
        from: Timestamp,
        to: Timestamp,
        into: &mut Samples,
    ) -> Result<(), Error> {
        into.clear();
        series.read(from, to, into);
        self.budget.count_read(into.len());
        self.budget.check(into.len())?;
        self.budget.work(into.len())
    }
}

/// The first time that is less than a distance ago: what is exactly so long ago is too old.
fn after(time: Timestamp, distance: i64) -> Timestamp {
    time.saturating_sub(distance).saturating_add(1)
}

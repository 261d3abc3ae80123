//! Range selectors and subqueries: windows that slide over samples which are read once.

use crate::error::Error;
use crate::labels::Labels;
use crate::plan::{Range, Source, VectorNode};
use crate::sample::{Sample, Samples, Timestamp, is_stale};
use crate::value::{MatrixSeries, Value};

use super::names::{Head, Same, unite_by};
use super::table::is_present;
use super::{Engine, Steps};

/// Where the windows of a range lie, step by step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    steps: Steps,
    /// The same window at all steps.
    fixed: Option<Timestamp>,
    offset: i64,
    range: i64,
}

/// Left edge, exclusive, and right edge, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edges {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Windows {
    /// The edges at a step.
    pub fn edges(self, step: usize) -> Edges {
        let time = self.fixed.unwrap_or_else(|| self.steps.at(step));
        let to = time.saturating_sub(self.offset);
        Edges {
            from: to.saturating_sub(self.range),
            to,
        }
    }

    /// From the first left edge to the last right one.
    fn all(self) -> Edges {
        Edges {
            from: self.edges(0).from,
            to: self.edges(self.steps.count - 1).to,
        }
    }
}

/// Which samples lie in a window; moves forward only.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slide {
    start: usize,
    end: usize,
}

impl Slide {
    /// The samples in the next window, whose edges are not before those of the last one.
    pub fn to(&mut self, times: &[Timestamp], edges: Edges) -> std::ops::Range<usize> {
        while times.get(self.end).is_some_and(|time| *time <= edges.to) {
            self.end += 1;
        }
        while times
            .get(self.start)
            .is_some_and(|time| *time <= edges.from)
        {
            self.start += 1;
        }
        self.start..self.end.max(self.start)
    }
}

impl Engine<'_> {
    /// Where the windows of a range lie.
    pub(super) fn windows(&self, range: &Range, steps: Steps) -> Windows {
        Windows {
            steps,
            fixed: self.fixed(range.at),
            offset: range.offset,
            range: range.range,
        }
    }

    /// Visits each series of a range with all samples that any of its windows holds, marks of staleness
    /// taken out.
    pub(super) fn each_series(
        &mut self,
        range: &Range,
        windows: Windows,
        mut visit: impl FnMut(&mut Self, Head, &Samples) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let all = windows.all();
        let mut samples = Samples::default();
        match &range.source {
            Source::Stored(matchers) => {
                let from = all.from.saturating_add(1);
                for series in self.storage.select(matchers, from, all.to)? {
                    self.read(&series, from, all.to, &mut samples)?;
                    drop_stale(&mut samples);
                    if !samples.is_empty() {
                        visit(self, Head::new(series.labels().clone()), &samples)?;
                    }
                }
            }
            Source::Subquery { inner, step } => {
                let step = step.unwrap_or(self.default_step);
                let Some((table, inner_steps)) = self.subquery(inner, step, all)? else {
                    return Ok(());
                };
                for (head, row) in table.iter() {
                    samples.clear();
                    for (time, &value) in inner_steps.times().zip(row) {
                        if is_present(value) {
                            samples.push(Sample { time, value });
                        }
                    }
                    self.budget.work(row.len())?;
                    visit(self, head.clone(), &samples)?;
                }
            }
        }
        Ok(())
    }

    /// Evaluates what is inside a subquery at each multiple of the step between the edges.
    fn subquery(
        &mut self,
        inner: &VectorNode,
        step: i64,
        edges: Edges,
    ) -> Result<Option<(super::Table, Steps)>, Error> {
        let first = edges
            .from
            .div_euclid(step)
            .saturating_add(1)
            .saturating_mul(step);
        let Some(steps) = Steps::between(first, edges.to, step) else {
            return Ok(None);
        };
        self.budget.check(steps.count)?;
        let table = self.table(inner, steps)?;
        Ok(Some((table, steps)))
    }

    /// A range that is the whole of a query: its samples with their own times.
    pub(super) fn matrix(&mut self, range: &Range) -> Result<Value, Error> {
        let windows = self.windows(range, self.query);
        let edges = windows.edges(0);
        let mut heads: Vec<Head> = Vec::new();
        let mut found: Vec<Samples> = Vec::new();
        self.each_series(range, windows, |engine, head, samples| {
            let range = Slide::default().to(&samples.times, edges);
            if !range.is_empty() {
                engine.budget.hold(range.len())?;
                heads.push(head);
                found.push(Samples {
                    times: samples.times[range.clone()].to_vec(),
                    values: samples.values[range].to_vec(),
                });
            }
            Ok(())
        })?;
        refuse_same(&heads)?;
        let series = heads.into_iter().zip(found);
        let mut series: Vec<MatrixSeries> = series
            .map(|(head, samples)| MatrixSeries {
                labels: head.into_labels(),
                samples,
            })
            .collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Value::Matrix(series))
    }
}

/// Refuses rows that have the same labels at the end of the query.
fn refuse_same(heads: &[Head]) -> Result<(), Error> {
    let mut table = super::Table::with_capacity(1, heads.len());
    for head in heads {
        table.push(head.clone(), [0.0]);
    }
    let labels = |head: &Head| -> Labels { head.clone().into_labels() };
    unite_by(table, Same::Refuse, labels).map(drop)
}

fn drop_stale(samples: &mut Samples) {
    if !samples.values.iter().copied().any(is_stale) {
        return;
    }
    let Samples { times, values } = samples;
    let mut kept = 0;
    for index in 0..values.len() {
        if !is_stale(values[index]) {
            times[kept] = times[index];
            values[kept] = values[index];
            kept += 1;
        }
    }
    times.truncate(kept);
    values.truncate(kept);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_slide_as_if_each_was_sought_anew(
            mut times in proptest::collection::btree_set(-50_i64..50, 0..30),
            first in -60_i64..60, every in 1_i64..9, count in 1_usize..20, range in 1_i64..40, offset in -20_i64..20,
        ) {
            let times: Vec<i64> = std::mem::take(&mut times).into_iter().collect();
            let steps = Steps { first, every, count };
            let windows = Windows { steps, fixed: None, offset, range };
            let mut slide = Slide::default();
            for step in 0..count {
                let edges = windows.edges(step);
                let naive: Vec<i64> = times
                    .iter()
                    .copied()
                    .filter(|t| *t > steps.at(step) - offset - range && *t <= steps.at(step) - offset)
                    .collect();
                prop_assert_eq!(&times[slide.to(&times, edges)], &naive);
            }
        }
    }

    #[test]
    fn stale_marks_go() {
        let stale = crate::sample::STALE;
        let mut samples = Samples {
            times: vec![1, 2, 3, 4],
            values: vec![stale, 1.0, stale, f64::NAN],
        };
        drop_stale(&mut samples);
        assert_eq!(samples.times, [2, 4]);
        assert!(samples.values[1].is_nan());
    }
}

//! Functions of classic histograms: of series that differ in nothing but `le`.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::engine::names::{Names, Same, unite_by};
use crate::engine::table::{ABSENT, Scalars, Table, is_present};
use crate::engine::{Engine, Head, Steps};
use crate::error::Error;
use crate::functions::buckets::{Bucket, fraction, quantile};
use crate::labels::Labels;
use crate::number::general;
use crate::plan::{Histogram, Wanted};

/// The label with a bucket's upper bound.
const BOUND: &str = "le";

/// One number of each histogram at each step.
enum Number {
    Quantile(Scalars),
    Fraction { lower: Scalars, upper: Scalars },
}

/// A histogram: what it is called, and its buckets' bounds and rows.
struct Rows {
    head: Head,
    buckets: Vec<(f64, usize)>,
}

impl Engine<'_> {
    /// Quantiles or fractions of each histogram at each step.
    pub(in crate::engine) fn histogram(
        &mut self,
        call: &Histogram,
        steps: Steps,
    ) -> Result<Table, Error> {
        let mut label = None;
        let mut numbers = Vec::new();
        match &call.wanted {
            Wanted::Quantile(node) => numbers.push(Number::Quantile(self.scalars(node, steps)?)),
            Wanted::Fraction { lower, upper } => {
                let (lower, upper) = (self.scalars(lower, steps)?, self.scalars(upper, steps)?);
                numbers.push(Number::Fraction { lower, upper });
            }
            Wanted::Quantiles {
                label: name,
                quantiles,
            } => {
                label = Some(name);
                for node in quantiles {
                    numbers.push(Number::Quantile(self.scalars(node, steps)?));
                }
            }
        }
        let table = self.table(&call.vector, steps)?;
        self.budget.hold(table.cells())?;
        let histograms = self.histograms(&table);
        let mut results = Table::new(steps.count);
        for number in &numbers {
            if let Number::Quantile(q) = number {
                for &q in q.distinct() {
                    self.notes.check_quantile(q);
                }
            }
            for histogram in &histograms {
                self.budget
                    .work(histogram.buckets.len().saturating_mul(steps.count))?;
                let row = self.row(&table, histogram, number);
                match (label, number) {
                    (Some(label), Number::Quantile(q)) => {
                        self.push_labelled(&mut results, histogram, label, q, &row);
                    }
                    _ => results.push(histogram.head.clone(), row),
                }
                self.budget.check(results.cells())?;
            }
        }
        let names = self.names;
        unite_by(results, Same::Unite, |head| head.labels(names))
    }

    /// Brings the buckets of each histogram together; complains of rows that are none.
    fn histograms(&mut self, table: &Table) -> Vec<Rows> {
        let mut histograms: Vec<Rows> = Vec::new();
        let mut known: HashMap<Labels, usize, RandomState> = HashMap::default();
        for (row, (head, values)) in table.iter().enumerate() {
            if !values.iter().copied().any(is_present) {
                continue;
            }
            let bound = head.label(self.names, BOUND);
            let upper = match bound.parse::<f64>() {
                Ok(upper) if !upper.is_nan() => upper,
                _ => {
                    self.notes.warn(format!(
                        "PromQL warning: bucket label \"le\" is missing or has a malformed value of {bound:?}{}",
                        self.of_metric(head)
                    ));
                    continue;
                }
            };
            let labels = head.labels(self.names).keep(|name| name != BOUND);
            let index = *known.entry(labels).or_insert_with_key(|labels| {
                histograms.push(Rows {
                    head: Head::new(labels.clone()).nameless(true),
                    buckets: Vec::new(),
                });
                histograms.len() - 1
            });
            histograms[index].buckets.push((upper, row));
        }
        histograms
    }

    fn row(&mut self, table: &Table, histogram: &Rows, number: &Number) -> Vec<f64> {
        let mut forced = false;
        let mut buckets: Vec<Bucket> = Vec::new();
        let row = (0..table.steps()).map(|step| {
            buckets.clear();
            buckets.extend(histogram.buckets.iter().filter_map(|&(upper, row)| {
                let count = table.row(row)[step];
                is_present(count).then_some(Bucket { upper, count })
            }));
            if buckets.is_empty() {
                return ABSENT;
            }
            match number {
                Number::Quantile(q) => {
                    let found = quantile(q.at(step), &mut buckets);
                    forced |= found.forced_monotonic;
                    found.value
                }
                Number::Fraction { lower, upper } => {
                    fraction(lower.at(step), upper.at(step), &mut buckets)
                }
            }
        });
        let row = row.collect();
        if forced {
            self.notes.info(format!(
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}",
                self.of_metric(&histogram.head)
            ));
        }
        row
    }

    /// Adds a row for each quantile that is wanted at any step, told by the label.
    fn push_labelled(
        &self,
        results: &mut Table,
        histogram: &Rows,
        label: &str,
        quantiles: &Scalars,
        row: &[f64],
    ) {
        let mut distinct: Vec<f64> = Vec::new();
        for &quantile in quantiles.distinct() {
            if distinct
                .iter()
                .all(|known| known.to_bits() != quantile.to_bits())
            {
                distinct.push(quantile);
            }
        }
        for quantile in distinct {
            let labels = histogram.head.labels(self.names);
            let head = Head::new(labels.with(label, &decimal(quantile))).nameless(true);
            let row = row.iter().enumerate().map(|(step, &value)| {
                let wanted = quantiles.at(step).to_bits() == quantile.to_bits();
                if wanted { value } else { ABSENT }
            });
            results.push(head, row);
        }
    }

    /// Upstream tells the metric only where its name is still known.
    fn of_metric(&self, head: &Head) -> String {
        match head.label(self.names, "__name__") {
            name if self.names == Names::AtEnd && !name.is_empty() => {
                format!(" for metric name {name:?}")
            }
            _ => String::new(),
        }
    }
}

/// As OpenMetrics writes numbers in labels: whole ones with `.0`.
fn decimal(number: f64) -> String {
    let text = general(number);
    let whole = text.chars().all(|c| c.is_ascii_digit() || c == '-');
    if whole { format!("{text}.0") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_labels() {
        let texts = [1.0, 0.25, -1.0, 1e9, f64::INFINITY].map(decimal);
        assert_eq!(texts, ["1.0", "0.25", "-1.0", "1e+09", "+Inf"]);
    }
}

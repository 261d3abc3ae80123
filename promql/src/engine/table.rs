//! What a part of an expression evaluates to: values of series over all steps at once.

use crate::labels::Labels;
use crate::sample::{STALE, is_stale};

use super::names::Head;

/// Stands for "no value at this step". No result can have it by itself: selectors leave out marks of
/// staleness, and arithmetic on a NaN never makes this one, whose quiet bit is not set.
pub(crate) const ABSENT: f64 = STALE;

/// Whether there is a value.
pub(crate) fn is_present(value: f64) -> bool {
    !is_stale(value)
}

/// Series as rows, steps as columns; all values lie in one buffer.
#[derive(Debug)]
pub(crate) struct Table {
    /// What each row is called.
    pub heads: Vec<Head>,
    /// Row after row.
    values: Vec<f64>,
    steps: usize,
}

impl Table {
    /// No rows yet.
    pub fn new(steps: usize) -> Self {
        Self::with_capacity(steps, 0)
    }

    /// No rows yet, with room for some.
    pub fn with_capacity(steps: usize, rows: usize) -> Self {
        Self {
            heads: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows.saturating_mul(steps)),
            steps: steps.max(1),
        }
    }

    /// How many columns.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// How many values there is room for.
    pub fn cells(&self) -> usize {
        self.values.len()
    }

    /// The values of a row.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.steps..(index + 1) * self.steps]
    }

    /// The values of a row, to be changed.
    pub fn row_mut(&mut self, index: usize) -> &mut [f64] {
        &mut self.values[index * self.steps..(index + 1) * self.steps]
    }

    /// Heads and values, row by row.
    pub fn iter(&self) -> impl Iterator<Item = (&Head, &[f64])> {
        self.heads.iter().zip(self.values.chunks_exact(self.steps))
    }

    /// All values, row after row, to be changed.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// Adds a row with a value for each step; none without a single value.
    pub fn push(&mut self, head: Head, row: impl IntoIterator<Item = f64>) {
        let before = self.values.len();
        self.values.extend(row);
        self.values.resize(before + self.steps, ABSENT);
        if self.values[before..].iter().copied().any(is_present) {
            self.heads.push(head);
        } else {
            self.values.truncate(before);
        }
    }

    /// Adds a row, were it without a single value.
    pub fn push_whole(&mut self, head: Head, row: impl IntoIterator<Item = f64>) {
        let before = self.values.len();
        self.values.extend(row);
        self.values.resize(before + self.steps, ABSENT);
        self.heads.push(head);
    }

    /// Takes out rows without a single value.
    pub fn drop_empty(&mut self) {
        let steps = self.steps;
        let mut kept = 0;
        for index in 0..self.heads.len() {
            let row = index * steps..(index + 1) * steps;
            if !self.values[row.clone()].iter().copied().any(is_present) {
                continue;
            }
            if kept != index {
                self.values.copy_within(row, kept * steps);
                self.heads.swap(kept, index);
            }
            kept += 1;
        }
        self.heads.truncate(kept);
        self.values.truncate(kept * steps);
    }

    /// The rows in another order; those that are not named are left out.
    pub fn pick(self, order: &[usize]) -> Self {
        let mut picked = Self::with_capacity(self.steps, order.len());
        for &index in order {
            picked.heads.push(self.heads[index].clone());
            picked.values.extend_from_slice(self.row(index));
        }
        picked
    }

    /// The one column of a table of one step, over many of them.
    pub fn spread(self, steps: usize) -> Self {
        if steps == self.steps {
            return self;
        }
        let values = self.values.iter();
        Self {
            values: values
                .flat_map(|&v| std::iter::repeat_n(v, steps))
                .collect(),
            heads: self.heads,
            steps,
        }
    }

    /// Whether any row has a value, step by step.
    pub fn any_present(&self) -> Vec<bool> {
        let mut present = vec![false; self.steps];
        for row in self.values.chunks_exact(self.steps) {
            for (seen, &value) in present.iter_mut().zip(row) {
                *seen |= is_present(value);
            }
        }
        present
    }

    /// One row without labels.
    pub fn of_scalars(scalars: &Scalars, steps: usize) -> Self {
        let mut table = Self::with_capacity(steps, 1);
        let head = Head::new(Labels::empty());
        table.push(head, (0..steps).map(|step| scalars.at(step)));
        table
    }
}

/// A number for each step.
#[derive(Clone, Debug)]
pub(crate) enum Scalars {
    /// The same for all.
    Same(f64),
    /// Each its own.
    Each(Vec<f64>),
}

impl Scalars {
    /// The number at a step.
    pub fn at(&self, step: usize) -> f64 {
        match self {
            Self::Same(number) => *number,
            Self::Each(numbers) => numbers.get(step).copied().unwrap_or(f64::NAN),
        }
    }

    /// All that occur, at least once each.
    pub fn distinct(&self) -> &[f64] {
        match self {
            Self::Same(number) => std::slice::from_ref(number),
            Self::Each(numbers) => numbers,
        }
    }

    /// Each changed.
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Same(number) => Self::Same(change(number)),
            Self::Each(numbers) => Self::Each(numbers.into_iter().map(change).collect()),
        }
    }

    /// Two by two.
    pub fn zip(self, other: Self, steps: usize, join: impl Fn(f64, f64) -> f64) -> Self {
        if let (Self::Same(left), Self::Same(right)) = (&self, &other) {
            return Self::Same(join(*left, *right));
        }
        let each = (0..steps).map(|step| join(self.at(step), other.at(step)));
        Self::Each(each.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_arithmetic_makes_the_absent_value() {
        let quiet = ABSENT + 1.0;
        assert!(quiet.is_nan() && is_present(quiet));
        assert!(is_present(-ABSENT) && is_present(f64::NAN));
    }

    #[test]
    fn empty_rows_go() {
        let head = |name: &str| Head::new(Labels::new([("__name__", name)]));
        let mut table = Table::new(2);
        table.push(head("a"), [1.0, 2.0]);
        table.push(head("b"), []);
        table.push(head("c"), [3.0]);
        table.push(head("d"), [ABSENT, 4.0]);
        assert_eq!(table.len(), 3);
        table.row_mut(1)[0] = ABSENT;
        table.drop_empty();
        let names: Vec<_> = table
            .heads
            .iter()
            .map(|h| h.label(Names::AtOnce, "__name__").to_owned())
            .collect();
        assert_eq!(names, ["a", "d"]);
        assert_eq!(table.row(1)[1], 4.0);
        assert!(!is_present(table.row(1)[0]));
        assert_eq!(table.cells(), 4);
    }

    use super::super::names::Names;
}

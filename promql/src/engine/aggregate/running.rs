//! Aggregations that take in one value after the other.

use crate::engine::table::{ABSENT, Table, is_present};
use crate::functions::sum::{KahanMean, KahanSum};
use crate::plan::Aggregation;

use super::Groups;

/// The value of each group at each step.
pub(super) fn aggregate(kind: &Aggregation, table: &Table, groups: Groups) -> Table {
    match kind {
        Aggregation::Sum => run::<Sum>(table, groups),
        Aggregation::Average => run::<Average>(table, groups),
        Aggregation::Min => run::<Extreme<false>>(table, groups),
        Aggregation::Max => run::<Extreme<true>>(table, groups),
        Aggregation::Group => run::<Present>(table, groups),
        Aggregation::StandardDeviation => run::<Spread<true>>(table, groups),
        Aggregation::Variance => run::<Spread<false>>(table, groups),
        _ => run::<Count>(table, groups),
    }
}

trait Running {
    /// Of the first value.
    fn new(value: f64) -> Self;
    /// Takes in another.
    fn add(&mut self, value: f64);
    /// Of all so far.
    fn result(&self) -> f64;
}

fn run<R: Running>(table: &Table, groups: Groups) -> Table {
    let steps = table.steps();
    let mut states: Vec<Option<R>> = Vec::new();
    states.resize_with(groups.heads.len() * steps, || None);
    for ((_, row), &group) in table.iter().zip(&groups.ordinals) {
        let states = &mut states[group * steps..(group + 1) * steps];
        for (state, &value) in states.iter_mut().zip(row) {
            if !is_present(value) {
                continue;
            }
            match state {
                Some(state) => state.add(value),
                None => *state = Some(R::new(value)),
            }
        }
    }
    let mut results = Table::with_capacity(steps, groups.heads.len());
    for (head, states) in groups.heads.into_iter().zip(states.chunks_exact(steps)) {
        let row = states
            .iter()
            .map(|state| state.as_ref().map_or(ABSENT, R::result));
        results.push(head, row);
    }
    results
}

struct Count(f64);

impl Running for Count {
    fn new(_: f64) -> Self {
        Self(1.0)
    }

    fn add(&mut self, _: f64) {
        self.0 += 1.0;
    }

    fn result(&self) -> f64 {
        self.0
    }
}

struct Present;

impl Running for Present {
    fn new(_: f64) -> Self {
        Self
    }

    fn add(&mut self, _: f64) {}

    fn result(&self) -> f64 {
        1.0
    }
}

/// The largest or smallest; NaN only if there is nothing else.
struct Extreme<const MAX: bool>(f64);

impl<const MAX: bool> Running for Extreme<MAX> {
    fn new(value: f64) -> Self {
        Self(value)
    }

    fn add(&mut self, value: f64) {
        let better = if MAX { self.0 < value } else { self.0 > value };
        if better || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn result(&self) -> f64 {
        self.0
    }
}

/// Welford's method, as upstream computes it.
struct Spread<const ROOT: bool> {
    count: f64,
    mean: f64,
    squares: f64,
}

impl<const ROOT: bool> Running for Spread<ROOT> {
    fn new(value: f64) -> Self {
        Self {
            count: 1.0,
            mean: value,
            squares: if value.is_finite() { 0.0 } else { f64::NAN },
        }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn result(&self) -> f64 {
        let variance = self.squares / self.count;
        if ROOT { variance.sqrt() } else { variance }
    }
}

#[derive(Default)]
struct Sum(KahanSum);

impl Running for Sum {
    fn new(value: f64) -> Self {
        let mut sum = Self::default();
        sum.add(value);
        sum
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(&self) -> f64 {
        self.0.value()
    }
}

#[derive(Default)]
struct Average(KahanMean);

impl Running for Average {
    fn new(value: f64) -> Self {
        let mut mean = Self::default();
        mean.add(value);
        mean
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(&self) -> f64 {
        self.0.value()
    }
}

//! `and`, `or`, `unless`.

use crate::engine::names::{Same, unite_by};
use crate::engine::table::{ABSENT, Table, is_present};
use crate::engine::{Engine, Steps};
use crate::error::Error;
use crate::plan::{Set, SetOperator};

use super::Ordinals;

impl Engine<'_> {
    /// What one side has, by what the other has at the same step.
    pub(in crate::engine) fn set(&mut self, set: &Set, steps: Steps) -> Result<Table, Error> {
        let mut left = self.table(&set.left, steps)?;
        self.budget.hold(left.cells())?;
        let mut right = self.table(&set.right, steps)?;
        let mut ordinals = Ordinals::new(&set.grouping, self.names);
        let left_groups = ordinals.of_all(&left.heads);
        let right_groups = ordinals.of_all(&right.heads);
        self.budget
            .check(ordinals.len().saturating_mul(steps.count))?;
        match set.operator {
            SetOperator::And | SetOperator::Unless => {
                let seen = Seen::new(&right, &right_groups, ordinals.len());
                seen.keep(&mut left, &left_groups, set.operator == SetOperator::And);
                Ok(left)
            }
            SetOperator::Or => {
                let seen = Seen::new(&left, &left_groups, ordinals.len());
                seen.keep(&mut right, &right_groups, false);
                if right.len() == 0 {
                    return Ok(left);
                }
                for (head, row) in right.iter() {
                    left.push(head.clone(), row.iter().copied());
                }
                let names = self.names;
                unite_by(left, Same::Unite, |head| head.labels(names))
            }
        }
    }
}

/// Which groups have a value, step by step.
struct Seen {
    steps: usize,
    present: Vec<bool>,
}

impl Seen {
    fn new(table: &Table, groups: &[usize], count: usize) -> Self {
        let steps = table.steps();
        let mut present = vec![false; count * steps];
        for ((_, row), &group) in table.iter().zip(groups) {
            let seen = &mut present[group * steps..(group + 1) * steps];
            for (seen, &value) in seen.iter_mut().zip(row) {
                *seen |= is_present(value);
            }
        }
        Self { steps, present }
    }

    /// Takes out the values whose group is not seen at their step, or those whose group is.
    fn keep(&self, table: &mut Table, groups: &[usize], seen: bool) {
        let rows = table.values_mut().chunks_exact_mut(self.steps);
        for (row, &group) in rows.zip(groups) {
            let present = &self.present[group * self.steps..(group + 1) * self.steps];
            for (value, &present) in row.iter_mut().zip(present) {
                if present != seen {
                    *value = ABSENT;
                }
            }
        }
        table.drop_empty();
    }
}

//! `topk` and `bottomk`.

use std::cmp::Ordering;

use crate::engine::Engine;
use crate::engine::table::{ABSENT, Scalars, Table, is_present};
use crate::error::Error;

use super::Groups;
use super::limit::whole_counts;

impl Engine<'_> {
    /// The k largest or smallest of each group at each step; NaN only where there is nothing else. At a
    /// single step they are in order.
    pub(super) fn rank(
        &mut self,
        mut table: Table,
        groups: &Groups,
        k: &Scalars,
        largest: bool,
    ) -> Result<Table, Error> {
        let steps = table.steps();
        let Some(counts) = whole_counts(k, table.len())? else {
            return Ok(Table::new(steps));
        };
        let mut order = Vec::new();
        let mut candidates: Vec<usize> = Vec::new();
        for rows in groups.rows().iter() {
            self.budget.work(rows.len().saturating_mul(steps))?;
            for step in 0..steps {
                let present = |row: &usize| is_present(table.row(*row)[step]);
                candidates.clear();
                candidates.extend(rows.iter().copied().filter(present));
                let k = counts(step);
                let by_rank = |a: &usize, b: &usize| {
                    let (left, right) = (table.row(*a)[step], table.row(*b)[step]);
                    // Equal ones by their labels, so that the answer is always the same.
                    rank(left, right, largest)
                        .then_with(|| self.by_labels(&table.heads[*a], &table.heads[*b]))
                };
                if k == 0 {
                    for &row in &candidates {
                        table.row_mut(row)[step] = ABSENT;
                    }
                    continue;
                }
                if k < candidates.len() {
                    candidates.select_nth_unstable_by(k - 1, by_rank);
                }
                let chosen = k.min(candidates.len());
                if steps == 1 {
                    candidates[..chosen].sort_unstable_by(by_rank);
                    order.extend_from_slice(&candidates[..chosen]);
                    continue;
                }
                for &row in &candidates[chosen..] {
                    table.row_mut(row)[step] = ABSENT;
                }
            }
        }
        if steps == 1 {
            return Ok(table.pick(&order));
        }
        table.drop_empty();
        Ok(table)
    }
}

fn rank(left: f64, right: f64, largest: bool) -> Ordering {
    let by_value = match largest {
        true => right.partial_cmp(&left),
        false => left.partial_cmp(&right),
    };
    by_value.unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_comes_last_either_way() {
        for largest in [true, false] {
            let mut values = [1.0, f64::NAN, 3.0, 2.0];
            values.sort_by(|a, b| rank(*a, *b, largest));
            assert!(values[3].is_nan());
            assert_eq!(values[0], if largest { 3.0 } else { 1.0 });
        }
    }
}

//! `sort`, `sort_by_label` and their opposites. They order the answer of a query at one time.

use std::cmp::Ordering;

use crate::engine::table::Table;
use crate::engine::{Engine, Steps};
use crate::error::Error;
use crate::plan::{Order, VectorNode};

impl Engine<'_> {
    /// The rows in order; over a range as they are, with a warning.
    pub(in crate::engine) fn sort(
        &mut self,
        vector: &VectorNode,
        order: &Order,
        steps: Steps,
    ) -> Result<Table, Error> {
        let table = self.table(vector, steps)?;
        if !steps.is_single() {
            self.notes.warn(
                "PromQL warning: sort is ineffective for range queries since results are always ordered by labels",
            );
            return Ok(table);
        }
        let direct = |ordering: Ordering| match order.descending {
            true => ordering.reverse(),
            false => ordering,
        };
        let mut rows: Vec<usize> = (0..table.len()).collect();
        match &order.labels {
            None => rows.sort_by(|a, b| {
                let (left, right) = (table.row(*a)[0], table.row(*b)[0]);
                let by_value = left.partial_cmp(&right).map(direct);
                // NaN last, whatever the direction.
                by_value.unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
            }),
            Some(labels) => rows.sort_by(|a, b| {
                let (left, right) = (&table.heads[*a], &table.heads[*b]);
                let by_label = |name: &String| {
                    let (left, right) =
                        (left.label(self.names, name), right.label(self.names, name));
                    natural(left, right)
                };
                let different = labels.iter().map(by_label).find(|order| order.is_ne());
                direct(
                    different.unwrap_or_else(|| left.iter(self.names).cmp(right.iter(self.names))),
                )
            }),
        }
        Ok(table.pick(&rows))
    }
}

/// Digits as numbers, anything else as text, piece by piece.
fn natural(left: &str, right: &str) -> Ordering {
    let (mut left_rest, mut right_rest) = (left, right);
    loop {
        let (a, b) = (piece(&mut left_rest), piece(&mut right_rest));
        if a.is_empty() || b.is_empty() {
            // The shorter one first; of texts that read the same, like 1 and 01, any order that is an order.
            return a.len().cmp(&b.len()).then_with(|| left.cmp(right));
        }
        let ordering = match (a.parse::<i64>(), b.parse::<i64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

/// The digits, or the other characters, at the beginning.
fn piece<'a>(rest: &mut &'a str) -> &'a str {
    let digits = rest.starts_with(|c: char| c.is_ascii_digit());
    let end = rest.find(|c: char| c.is_ascii_digit() != digits);
    let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after;
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_order() {
        let mut names = ["sda10", "sda2", "sda", "", "4m1000", "4m600", "4m5", "b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["", "4m5", "4m600", "4m1000", "b", "sda", "sda2", "sda10"]
        );
        assert_ne!(natural("1", "01"), Ordering::Equal);
    }
}

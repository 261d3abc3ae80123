//! `count_values`.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::engine::names::{Same, unite_by};
use crate::engine::table::{ABSENT, Table, is_present};
use crate::engine::{Engine, Head};
use crate::error::Error;
use crate::number::plain;
use crate::plan::Grouping;

use super::Groups;

impl Engine<'_> {
    /// How often each value occurs in each group, the value being told by a label.
    pub(super) fn count_values(
        &mut self,
        label: &str,
        grouping: &Grouping,
        table: &Table,
    ) -> Result<Table, Error> {
        if label.is_empty() {
            return Err(Error::Execution(format!("invalid label name {label:?}")));
        }
        // The label takes the place of one of that name, unless that is grouped away.
        let (groups, told) = match grouping {
            Grouping::Only(wanted) => {
                let others = wanted.iter().filter(|name| *name != label);
                let others = Grouping::Only(others.cloned().collect());
                (Groups::new(table, &others, self.names), true)
            }
            Grouping::Without(names) => {
                let more = names.iter().cloned().chain([label.to_owned()]);
                let more = Grouping::Without(more.collect());
                (Groups::new(table, &more, self.names), grouping.takes(label))
            }
        };
        let steps = table.steps();
        let mut counts = Table::new(steps);
        let mut known: HashMap<(usize, u64), usize, RandomState> = HashMap::default();
        for ((_, row), &group) in table.iter().zip(&groups.ordinals) {
            self.budget.work(steps)?;
            for (step, &value) in row.iter().enumerate().filter(|(_, v)| is_present(**v)) {
                let bits = if value.is_nan() { f64::NAN } else { value }.to_bits();
                let index = *known.entry((group, bits)).or_insert_with(|| {
                    let labels = groups.heads[group].labels(self.names);
                    let labels = match told {
                        true => labels.with(label, &plain(value)),
                        false => labels,
                    };
                    counts.push_whole(Head::new(labels), []);
                    counts.len() - 1
                });
                self.budget.check(counts.cells())?;
                let count = &mut counts.row_mut(index)[step];
                *count = if is_present(*count) {
                    *count + 1.0
                } else {
                    1.0
                };
            }
        }
        match told {
            true => unite_by(counts, Same::Unite, |head| head.labels(self.names)),
            false => Ok(sum_all(counts)),
        }
    }
}

/// Of rows that lost what told them apart, the sums.
fn sum_all(counts: Table) -> Table {
    let steps = counts.steps();
    let mut sums: Vec<(Head, Vec<f64>)> = Vec::new();
    for (head, row) in counts.iter() {
        let names = crate::engine::Names::AtEnd;
        let labels = head.labels(names);
        let known = sums
            .iter()
            .position(|(head, _)| head.labels(names) == labels);
        let index = known.unwrap_or_else(|| {
            sums.push((head.clone(), vec![ABSENT; steps]));
            sums.len() - 1
        });
        for (sum, &count) in sums[index].1.iter_mut().zip(row) {
            *sum = match (is_present(*sum), is_present(count)) {
                (true, true) => *sum + count,
                (false, true) => count,
                _ => *sum,
            };
        }
    }
    let mut table = Table::with_capacity(steps, sums.len());
    for (head, row) in sums {
        table.push(head, row);
    }
    table
}

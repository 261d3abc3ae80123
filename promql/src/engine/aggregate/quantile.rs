//! `quantile`.

use crate::engine::Engine;
use crate::engine::table::{ABSENT, Scalars, Table, is_present};
use crate::error::Error;
use crate::functions::quantile::quantile_of;

use super::Groups;

impl Engine<'_> {
    /// The quantile of each group at each step.
    pub(super) fn quantile(
        &mut self,
        table: &Table,
        groups: Groups,
        quantile: &Scalars,
    ) -> Result<Table, Error> {
        for &quantile in quantile.distinct() {
            self.notes.check_quantile(quantile);
        }
        let rows = groups.rows();
        let steps = table.steps();
        let mut results = Table::with_capacity(steps, groups.heads.len());
        let mut values = Vec::new();
        for (head, rows) in groups.heads.into_iter().zip(rows.iter()) {
            self.budget.work(rows.len().saturating_mul(steps))?;
            let row = (0..steps).map(|step| {
                values.clear();
                values.extend(rows.iter().map(|row| table.row(*row)[step]));
                values.retain(|value| is_present(*value));
                match values.is_empty() {
                    true => ABSENT,
                    false => quantile_of(quantile.at(step), &mut values),
                }
            });
            results.push(head, row);
        }
        Ok(results)
    }
}

//! `timestamp` of what is not stored.

use crate::engine::names::Same;
use crate::engine::table::{Table, is_present};
use crate::engine::{Engine, Steps};
use crate::error::Error;
use crate::plan::VectorNode;

impl Engine<'_> {
    /// The time of evaluation, in seconds, of each value.
    pub(in crate::engine) fn step_times(
        &mut self,
        vector: &VectorNode,
        steps: Steps,
    ) -> Result<Table, Error> {
        let mut table = self.table(vector, steps)?;
        for row in table.values_mut().chunks_exact_mut(steps.count) {
            for (value, time) in row.iter_mut().zip(steps.times()) {
                if is_present(*value) {
                    *value = time as f64 / 1000.0;
                }
            }
        }
        self.nameless(table, Same::Unite)
    }
}

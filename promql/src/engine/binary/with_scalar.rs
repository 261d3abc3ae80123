//! Operators between a vector and a scalar.

use crate::engine::names::Same;
use crate::engine::table::{ABSENT, Table, is_present};
use crate::engine::{Engine, Steps};
use crate::error::Error;
use crate::plan::WithScalar;

impl Engine<'_> {
    /// Each value with the scalar of its step. A comparison keeps the vector's value, on whichever side.
    pub(in crate::engine) fn with_scalar(
        &mut self,
        node: &WithScalar,
        steps: Steps,
    ) -> Result<Table, Error> {
        let mut table = self.table(&node.vector, steps)?;
        let scalars = self.scalars(&node.scalar, steps)?;
        let operator = node.operator;
        let filters = operator.compares() && !node.as_bool;
        for row in table.values_mut().chunks_exact_mut(steps.count) {
            for (step, value) in row.iter_mut().enumerate() {
                if !is_present(*value) {
                    continue;
                }
                let scalar = scalars.at(step);
                let (left, right) = match node.scalar_left {
                    true => (scalar, *value),
                    false => (*value, scalar),
                };
                if !filters {
                    *value = operator.apply(left, right);
                } else if !operator.holds(left, right) {
                    *value = ABSENT;
                }
            }
        }
        if filters {
            table.drop_empty();
            return Ok(table);
        }
        self.nameless(table, Same::Unite)
    }
}

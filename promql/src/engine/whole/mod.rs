//! Functions that need whole vectors, labels, or no series at all.

mod absent;
mod histogram;
mod labels;
mod sort;
mod times;

use super::table::{Table, is_present};

/// The value of the only member at each step; NaN of none and of several.
pub(super) fn scalar(table: &Table) -> Vec<f64> {
    let mut numbers = vec![f64::NAN; table.steps()];
    let mut found = vec![0_u8; table.steps()];
    for (_, row) in table.iter() {
        for ((number, found), &value) in numbers.iter_mut().zip(&mut found).zip(row) {
            if is_present(value) {
                *number = if *found == 0 { value } else { f64::NAN };
                *found = 1;
            }
        }
    }
    numbers
}

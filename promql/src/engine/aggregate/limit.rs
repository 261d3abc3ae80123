//! `limitk` and `limit_ratio`: some of the series, chosen by their labels.

use std::cmp::Ordering;

use twox_hash::XxHash64;

use crate::engine::table::{ABSENT, Scalars, Table, is_present};
use crate::engine::{Engine, Head};
use crate::error::Error;
use crate::labels::Labels;
use crate::number::general;

use super::Groups;

impl Engine<'_> {
    pub(super) fn by_labels(&self, a: &Head, b: &Head) -> Ordering {
        a.iter(self.names).cmp(b.iter(self.names))
    }

    /// Some k of each group at each step: those whose labels come first. (Upstream takes those that its store
    /// happens to give first.)
    pub(super) fn limit(
        &mut self,
        mut table: Table,
        groups: &Groups,
        k: &Scalars,
    ) -> Result<Table, Error> {
        let steps = table.steps();
        let Some(counts) = whole_counts(k, table.len())? else {
            return Ok(Table::new(steps));
        };
        for rows in groups.rows().iter() {
            self.budget.work(rows.len().saturating_mul(steps))?;
            let mut rows = rows.to_vec();
            rows.sort_unstable_by(|a, b| self.by_labels(&table.heads[*a], &table.heads[*b]));
            let mut left: Vec<usize> = (0..steps).map(&counts).collect();
            for row in rows {
                for (value, left) in table.row_mut(row).iter_mut().zip(&mut left) {
                    if !is_present(*value) {
                        continue;
                    }
                    match left.checked_sub(1) {
                        Some(less) => *left = less,
                        None => *value = ABSENT,
                    }
                }
            }
        }
        table.drop_empty();
        Ok(table)
    }

    /// About that part of all series, or, of a negative ratio, those that the rest of it would not choose.
    pub(super) fn limit_ratio(
        &mut self,
        mut table: Table,
        ratio: &Scalars,
    ) -> Result<Table, Error> {
        let steps = table.steps();
        let (smallest, largest) = bounds(ratio);
        if largest == 0.0 && smallest == 0.0 {
            return Ok(Table::new(steps));
        }
        if ratio.distinct().iter().any(|ratio| ratio.is_nan()) {
            return Err(Error::Execution("Ratio value is NaN".into()));
        }
        for (bad, cap) in [(largest, 1.0), (smallest, -1.0)] {
            if bad.abs() > 1.0 && bad.signum() == cap {
                self.notes.warn(format!(
                    "PromQL warning: ratio value should be between -1 and 1, got {}, capping to {cap}",
                    general(bad)
                ));
            }
        }
        for row in 0..table.len() {
            self.budget.work(steps)?;
            let place = place(&table.heads[row].labels(self.names));
            for (step, value) in table.row_mut(row).iter_mut().enumerate() {
                let ratio = ratio.at(step).clamp(-1.0, 1.0);
                let chosen = match ratio >= 0.0 {
                    true => place < ratio,
                    false => place >= 1.0 + ratio,
                };
                if !chosen {
                    *value = ABSENT;
                }
            }
        }
        table.drop_empty();
        Ok(table)
    }
}

/// How many to take at each step; none if that is nothing at any. A count is never above the number of rows.
pub(super) fn whole_counts(
    k: &Scalars,
    rows: usize,
) -> Result<Option<impl Fn(usize) -> usize>, Error> {
    /// The largest and smallest numbers that upstream takes for a count.
    const LARGEST: f64 = 9_223_372_036_854_774_784.0;
    const SMALLEST: f64 = -9_223_372_036_854_775_808.0;
    let (smallest, largest) = bounds(k);
    if largest < 1.0 {
        return Ok(None);
    }
    let error = |text: String| Err(Error::Execution(text));
    if k.distinct().iter().any(|k| k.is_nan()) {
        return error("Parameter value is NaN".into());
    }
    if smallest <= SMALLEST {
        return error(format!(
            "Scalar value {} underflows int64",
            general(smallest)
        ));
    }
    if largest >= LARGEST {
        return error(format!("Scalar value {} overflows int64", general(largest)));
    }
    // Cut off towards zero; below it there is no count.
    Ok(Some(move |step| (k.at(step).max(0.0) as usize).min(rows)))
}

/// Smallest and largest; of NaN, NaN.
fn bounds(scalars: &Scalars) -> (f64, f64) {
    let numbers = scalars.distinct();
    if numbers.iter().any(|number| number.is_nan()) {
        return (f64::NAN, f64::NAN);
    }
    let smallest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (smallest, largest)
}

/// Where labels lie between 0 and 1, evenly: their hash, as upstream computes it (`labels.Hash`, with
/// labels in one text, each preceded by its length in a byte or, from 255 on, in 255 and three bytes).
fn place(labels: &Labels) -> f64 {
    let mut bytes = Vec::with_capacity(labels.heap_bytes());
    for (name, value) in labels.iter() {
        for text in [name, value] {
            match u8::try_from(text.len()) {
                Ok(length) if length < u8::MAX => bytes.push(length),
                _ => {
                    bytes.push(u8::MAX);
                    bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
                }
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    XxHash64::oneshot(0, &bytes) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_evenly() {
        let place = |i: usize| place(&Labels::new([("a", i.to_string())]));
        let low = (0..1000).filter(|i| place(*i) < 0.25).count();
        assert!((200..300).contains(&low), "{low}");
    }

    #[test]
    fn counts_are_cut_and_checked() {
        let k = Scalars::Each(vec![2.9, -1.0, 7.0]);
        let counts = whole_counts(&k, 5).unwrap().unwrap();
        assert_eq!([counts(0), counts(1), counts(2)], [2, 0, 5]);
        assert!(whole_counts(&Scalars::Same(0.9), 5).unwrap().is_none());
        for bad in [f64::NAN, f64::INFINITY, 1e19] {
            assert!(whole_counts(&Scalars::Same(bad), 5).is_err());
        }
        assert!(whole_counts(&Scalars::Each(vec![1.0, -1e19]), 5).is_err());
    }
}

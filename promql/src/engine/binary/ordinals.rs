//! Rows by the labels that decide what they match or which group they are in.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::engine::{Head, Names};
use crate::plan::Grouping;

/// Numbers groups in the order in which they are first seen.
pub(in crate::engine) struct Ordinals<'a> {
    grouping: &'a Grouping,
    names: Names,
    known: HashMap<Box<[u8]>, usize, RandomState>,
    key: Vec<u8>,
}

impl<'a> Ordinals<'a> {
    /// None known yet.
    pub fn new(grouping: &'a Grouping, names: Names) -> Self {
        Self {
            grouping,
            names,
            known: HashMap::default(),
            key: Vec::new(),
        }
    }

    /// The number of a row's group.
    pub fn of(&mut self, head: &Head) -> usize {
        self.key.clear();
        self.grouping.write_key(head, self.names, &mut self.key);
        if let Some(&ordinal) = self.known.get(self.key.as_slice()) {
            return ordinal;
        }
        let ordinal = self.known.len();
        self.known.insert(self.key.as_slice().into(), ordinal);
        ordinal
    }

    /// The number of each row's group.
    pub fn of_all(&mut self, heads: &[Head]) -> Vec<usize> {
        heads.iter().map(|head| self.of(head)).collect()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }
}

/// The rows of each group, in their order.
pub(in crate::engine) struct Chains {
    starts: Vec<usize>,
    rows: Vec<usize>,
}

impl Chains {
    /// Of the group of each row.
    pub fn new(ordinals: &[usize], groups: usize) -> Self {
        let mut starts = vec![0; groups + 1];
        for &ordinal in ordinals {
            starts[ordinal + 1] += 1;
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut rows = vec![0; ordinals.len()];
        let mut next = starts.clone();
        for (row, &ordinal) in ordinals.iter().enumerate() {
            rows[next[ordinal]] = row;
            next[ordinal] += 1;
        }
        Self { starts, rows }
    }

    /// The rows of a group.
    pub fn rows(&self, group: usize) -> &[usize] {
        &self.rows[self.starts[group]..self.starts[group + 1]]
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// All groups' rows.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.len()).map(|group| self.rows(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_in_order() {
        let chains = Chains::new(&[0, 2, 0, 2, 2], 4);
        let rows: Vec<&[usize]> = chains.iter().collect();
        assert_eq!(rows, [&[0, 2][..], &[], &[1, 3, 4], &[]]);
    }
}

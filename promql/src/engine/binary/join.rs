//! Arithmetic and comparison between two vectors. Which rows belong together is found once, by their labels;
//! where only one row of each side does, which is nearly always, nothing is left to be looked for at each step.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::engine::names::same_labels;
use crate::engine::table::{ABSENT, Table, is_present};
use crate::engine::{Engine, Steps};
use crate::error::Error;
use crate::labels::Labels;
use crate::plan::{Card, Join};

use super::result::Namer;
use super::{Chains, Ordinals};

impl Engine<'_> {
    /// Joins what matches.
    pub(in crate::engine) fn join(&mut self, join: &Join, steps: Steps) -> Result<Table, Error> {
        let left = self.table(&join.left, steps)?;
        self.budget.hold(left.cells())?;
        let right = self.table(&join.right, steps)?;
        self.budget.hold(right.cells())?;
        let mut ordinals = Ordinals::new(&join.grouping, self.names);
        let swapped = matches!(join.card, Card::ManyRight(_));
        let (many, one) = if swapped {
            (right, left)
        } else {
            (left, right)
        };
        let many_groups = ordinals.of_all(&many.heads);
        let one_groups = ordinals.of_all(&one.heads);
        let pairing = Pairing {
            many_rows: Chains::new(&many_groups, ordinals.len()),
            one_rows: Chains::new(&one_groups, ordinals.len()),
            namer: Namer::new(join, self.names),
            join,
            swapped,
            // Not swapped with the sides: upstream's way, be it meant or not (fill-modifier.test has it).
            fill_many: join.fill_left,
            fill_one: join.fill_right,
            many,
            one,
        };
        pairing.check()?;
        let pairs = pairing.pairs();
        self.budget.check(pairs.len().saturating_mul(steps.count))?;
        pairing.results(&pairs)
    }
}

/// Two rows that match, or one that matches nothing and is filled up.
#[derive(Clone, Copy)]
struct Pair {
    group: usize,
    many: Option<usize>,
    one: Option<usize>,
}

struct Pairing<'a> {
    join: &'a Join,
    namer: Namer<'a>,
    /// The side of which several rows may match one, and the other.
    many: Table,
    one: Table,
    /// Whether the first is the right side.
    swapped: bool,
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    many_rows: Chains,
    one_rows: Chains,
}

impl Pairing<'_> {
    fn fills(&self) -> bool {
        self.fill_many.is_some() || self.fill_one.is_some()
    }

    /// Looks for matches that are not allowed.
    fn check(&self) -> Result<(), Error> {
        let mut live: Option<Vec<bool>> = None;
        for rows in self.one_rows.iter().filter(|rows| rows.len() > 1) {
            // Where one side has nothing at all, nothing is matched and nothing is wrong.
            let live = live.get_or_insert_with(|| match self.fills() {
                true => vec![true; self.one.steps()],
                false => self.many.any_present(),
            });
            if let Some((first, second)) = overlap(&self.one, rows, live) {
                let heads = &self.one.heads;
                return Err(self.namer.duplicate(&heads[first], &heads[second]));
            }
        }
        if !matches!(self.join.card, Card::OneToOne) {
            return Ok(());
        }
        for group in 0..self.many_rows.len() {
            let rows = self.many_rows.rows(group);
            if rows.len() > 1 && overlap(&self.many, rows, &self.matched(group)).is_some() {
                return Err(self.namer.several());
            }
        }
        Ok(())
    }

    /// At which steps a row of the side of many has something to match with.
    fn matched(&self, group: usize) -> Vec<bool> {
        if self.fill_one.is_some() {
            return vec![true; self.one.steps()];
        }
        present(&self.one, self.one_rows.rows(group))
    }

    fn pairs(&self) -> Vec<Pair> {
        let mut pairs = Vec::with_capacity(self.many.len().max(self.one.len()));
        for group in 0..self.many_rows.len() {
            let (many_rows, one_rows) = (self.many_rows.rows(group), self.one_rows.rows(group));
            for &many in many_rows {
                let many = Some(many);
                for &one in one_rows {
                    let one = Some(one);
                    pairs.push(Pair { group, many, one });
                }
                if self.fill_one.is_some() {
                    pairs.push(Pair {
                        group,
                        many,
                        one: None,
                    });
                }
            }
            if self.fill_many.is_some() {
                for &one in one_rows {
                    let one = Some(one);
                    pairs.push(Pair {
                        group,
                        many: None,
                        one,
                    });
                }
            }
        }
        pairs
    }

    fn results(&self, pairs: &[Pair]) -> Result<Table, Error> {
        let steps = self.many.steps();
        let mut results = Table::with_capacity(steps, pairs.len());
        let mut operands = vec![(ABSENT, ABSENT); steps];
        // Results of the same labels become one row.
        let mut known: HashMap<Labels, Known, RandomState> = HashMap::default();
        let collide = self.may_collide();
        for pair in pairs {
            self.operands(*pair, &mut operands);
            if operands.iter().all(|(many, _)| !is_present(*many)) {
                continue;
            }
            let heads = (
                pair.many.map(|many| &self.many.heads[many]),
                pair.one.map(|one| &self.one.heads[one]),
            );
            let head = self.namer.head(heads.0, heads.1);
            let row = operands.iter().map(|&(many, one)| self.result(many, one));
            if !collide {
                results.push(head, row);
                continue;
            }
            let labels = self.namer.labels(&head);
            match known.get_mut(&labels) {
                None => {
                    let known_row = Known::new(results.len(), pair.group, &operands);
                    results.push_whole(head, row);
                    known.insert(labels, known_row);
                }
                Some(known_row) => {
                    if known_row.group == pair.group && known_row.overlaps(&operands) {
                        return Err(self.namer.several());
                    }
                    known_row.add(pair.group, &operands);
                    let index = known_row.row;
                    for (into, value) in results.row_mut(index).iter_mut().zip(row) {
                        if is_present(value) && is_present(*into) {
                            return Err(same_labels());
                        }
                        if is_present(value) {
                            *into = value;
                        }
                    }
                }
            }
        }
        results.drop_empty();
        Ok(results)
    }

    /// Whether results may have the same labels. One-to-one they are those of the match, and a group has one
    /// result unless it has several rows on a side. Otherwise they are those of the side of many, which differ
    /// unless a name or a replaced label was all that told them apart.
    fn may_collide(&self) -> bool {
        let several = |chains: &Chains| chains.iter().any(|rows| rows.len() > 1);
        match &self.join.card {
            Card::OneToOne => self.fills() || several(&self.many_rows) || several(&self.one_rows),
            Card::ManyLeft(include) | Card::ManyRight(include) => {
                self.fills()
                    || !include.is_empty()
                    || several(&self.one_rows)
                    || self.namer.may_confuse(&self.many.heads)
            }
        }
    }

    /// The operands step by step; both absent where the pair does not match.
    fn operands(&self, pair: Pair, operands: &mut [(f64, f64)]) {
        let many = pair.many.map(|row| self.many.row(row));
        let one = pair.one.map(|row| self.one.row(row));
        match (many, one) {
            (Some(many), Some(one)) => {
                for ((operands, &many), &one) in operands.iter_mut().zip(many).zip(one) {
                    *operands = match is_present(many) && is_present(one) {
                        true => (many, one),
                        false => (ABSENT, ABSENT),
                    };
                }
            }
            (Some(many), None) => {
                let found = present(&self.one, self.one_rows.rows(pair.group));
                let fill = self.fill_one.unwrap_or(ABSENT);
                for ((operands, &many), found) in operands.iter_mut().zip(many).zip(found) {
                    *operands = match is_present(many) && !found {
                        true => (many, fill),
                        false => (ABSENT, ABSENT),
                    };
                }
            }
            (None, Some(one)) => {
                let found = present(&self.many, self.many_rows.rows(pair.group));
                let fill = self.fill_many.unwrap_or(ABSENT);
                for ((operands, &one), found) in operands.iter_mut().zip(one).zip(found) {
                    *operands = match is_present(one) && !found {
                        true => (fill, one),
                        false => (ABSENT, ABSENT),
                    };
                }
            }
            (None, None) => operands.fill((ABSENT, ABSENT)),
        }
    }

    fn result(&self, many: f64, one: f64) -> f64 {
        if !is_present(many) {
            return ABSENT;
        }
        let (left, right) = if self.swapped {
            (one, many)
        } else {
            (many, one)
        };
        let operator = self.join.operator;
        if !operator.compares() || self.join.as_bool {
            operator.apply(left, right)
        } else if operator.holds(left, right) {
            left
        } else {
            ABSENT
        }
    }
}

/// A result that is there already, and where its operands matched, be the result kept or not.
struct Known {
    row: usize,
    group: usize,
    matched: Vec<bool>,
}

impl Known {
    fn new(row: usize, group: usize, operands: &[(f64, f64)]) -> Self {
        Self {
            row,
            group,
            matched: operands.iter().map(|(many, _)| is_present(*many)).collect(),
        }
    }

    fn overlaps(&self, operands: &[(f64, f64)]) -> bool {
        let both = self.matched.iter().zip(operands);
        both.into_iter()
            .any(|(matched, (many, _))| *matched && is_present(*many))
    }

    fn add(&mut self, group: usize, operands: &[(f64, f64)]) {
        if self.group != group {
            self.group = group;
            self.matched.fill(false);
        }
        for (matched, (many, _)) in self.matched.iter_mut().zip(operands) {
            *matched |= is_present(*many);
        }
    }
}

/// Two rows that have a value at the same of some steps.
fn overlap(table: &Table, rows: &[usize], steps: &[bool]) -> Option<(usize, usize)> {
    for (step, _) in steps.iter().enumerate().filter(|(_, wanted)| **wanted) {
        let mut present = rows.iter().filter(|row| is_present(table.row(**row)[step]));
        if let (Some(&first), Some(&second)) = (present.next(), present.next()) {
            return Some((first, second));
        }
    }
    None
}

/// At which steps any of the rows has a value.
fn present(table: &Table, rows: &[usize]) -> Vec<bool> {
    let mut present = vec![false; table.steps()];
    for &row in rows {
        for (present, &value) in present.iter_mut().zip(table.row(row)) {
            *present |= is_present(value);
        }
    }
    present
}

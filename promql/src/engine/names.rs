//! Rows by their labels, and when the metric's name goes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use crate::error::Error;
use crate::labels::Labels;

use super::table::{Table, is_present};

/// When the name goes of what is no longer the metric that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Where it stops being that metric: Prometheus's default.
    AtOnce,
    /// At the end of the query: Prometheus's feature `promql-delayed-name-removal`.
    AtEnd,
}

/// The labels of a row.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    labels: Labels,
    /// Whether the name goes. With [`Names::AtOnce`] it counts as gone, though it still stands in `labels`:
    /// most operators never look at it, and making new labels is what costs most in a query of one step.
    nameless: bool,
}

/// The labels that go with the metric's name (upstream: `schema.IsMetadataLabel`).
pub(crate) const METADATA: [&str; 3] = ["__name__", "__type__", "__unit__"];

/// Whether a label goes with the metric's name.
pub(crate) fn is_metadata(name: &str) -> bool {
    METADATA.contains(&name)
}

impl Head {
    /// With these labels.
    pub fn new(labels: Labels) -> Self {
        Self {
            labels,
            nameless: false,
        }
    }

    /// With the name to go, or not.
    #[must_use]
    pub fn nameless(mut self, nameless: bool) -> Self {
        self.nameless = nameless;
        self
    }

    /// Whether the name goes.
    pub fn is_nameless(&self) -> bool {
        self.nameless
    }

    /// Says that the name goes.
    pub fn lose_name(&mut self) {
        self.nameless = true;
    }

    fn hides(&self, names: Names) -> bool {
        self.nameless && names == Names::AtOnce
    }

    /// The value of a label, as operators see it.
    pub fn label(&self, names: Names, name: &str) -> &str {
        if self.hides(names) && is_metadata(name) {
            return "";
        }
        self.labels.get(name)
    }

    /// The labels, as operators see them.
    pub fn labels(&self, names: Names) -> Labels {
        if self.hides(names) {
            return self.labels.keep(|name| !is_metadata(name));
        }
        self.labels.clone()
    }

    /// The labels, as they are at the end of the query.
    pub fn into_labels(self) -> Labels {
        if self.nameless {
            return self.labels.keep(|name| !is_metadata(name));
        }
        self.labels
    }

    /// Names and values, as operators see them.
    pub fn iter(&self, names: Names) -> impl Iterator<Item = (&str, &str)> {
        let hides = self.hides(names);
        let seen = move |(name, _): &(&str, &str)| !hides || !is_metadata(name);
        self.labels.iter().filter(seen)
    }
}

/// What to do with rows of the same labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Same {
    /// They are an error even where they have no step in common: upstream's way for functions over ranges.
    Refuse,
    /// They become one row; two values at one step are an error.
    Unite,
}

/// Brings rows together that have the same labels, as operators see them.
///
/// # Errors
/// As [`Same`] says, in Prometheus's words.
pub(crate) fn unite(table: Table, names: Names, same: Same) -> Result<Table, Error> {
    if names == Names::AtEnd || differ_without_names(&table) {
        return Ok(table);
    }
    unite_by(table, same, |head| head.labels(names))
}

/// As [`unite`], by the labels at the end of the query, and for labels that were made anew.
pub(crate) fn unite_by(
    table: Table,
    same: Same,
    labels: impl Fn(&Head) -> Labels,
) -> Result<Table, Error> {
    if table.len() < 2 {
        return Ok(table);
    }
    let mut first: HashMap<Labels, usize, RandomState> =
        HashMap::with_capacity_and_hasher(table.len(), RandomState::default());
    let mut table = table;
    let mut united = false;
    for index in 0..table.len() {
        match first.entry(labels(&table.heads[index])) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            Entry::Occupied(_) if same == Same::Refuse => return Err(same_labels()),
            Entry::Occupied(entry) => {
                merge_rows(&mut table, *entry.get(), index)?;
                united = true;
            }
        }
    }
    if united {
        table.drop_empty();
    }
    Ok(table)
}

fn merge_rows(table: &mut Table, into: usize, from: usize) -> Result<(), Error> {
    for step in 0..table.steps() {
        let value = table.row(from)[step];
        if !is_present(value) {
            continue;
        }
        if is_present(table.row(into)[step]) {
            return Err(same_labels());
        }
        table.row_mut(into)[step] = value;
        table.row_mut(from)[step] = super::table::ABSENT;
    }
    Ok(())
}

/// Whether rows surely have different labels even when names are gone: all had one name, or none lost it.
/// Labels as they were stored are all different.
fn differ_without_names(table: &Table) -> bool {
    if table.heads.iter().all(|head| !head.nameless) {
        return true;
    }
    let Some(first) = table.heads.first() else {
        return true;
    };
    let metadata = METADATA.map(|name| (name, first.labels.get(name)));
    let alike = |head: &Head| {
        metadata
            .iter()
            .all(|(name, value)| head.labels.get(name) == *value)
    };
    let nameless = first.nameless;
    table
        .heads
        .iter()
        .all(|head| head.nameless == nameless && alike(head))
}

/// Two members of a vector with the same labels.
pub(crate) fn same_labels() -> Error {
    Error::Execution("vector cannot contain metrics with the same labelset".into())
}

#[cfg(test)]
mod tests {
    use super::super::table::ABSENT;
    use super::*;

    fn table(rows: &[(&str, [f64; 2])]) -> Table {
        let mut table = Table::new(2);
        for (name, row) in rows {
            let labels = Labels::new([("__name__", *name), ("a", "b")]);
            table.push(Head::new(labels).nameless(true), *row);
        }
        table
    }

    #[test]
    fn rows_that_only_the_name_told_apart() {
        let apart = [("x", [1.0, ABSENT]), ("y", [ABSENT, 2.0])];
        let united = unite(table(&apart), Names::AtOnce, Same::Unite).unwrap();
        assert_eq!(united.len(), 1);
        assert_eq!(united.row(0), [1.0, 2.0]);
        assert!(unite(table(&apart), Names::AtOnce, Same::Refuse).is_err());
        assert_eq!(
            unite(table(&apart), Names::AtEnd, Same::Refuse)
                .unwrap()
                .len(),
            2
        );
        let overlap = [("x", [1.0, ABSENT]), ("y", [3.0, 2.0])];
        assert!(unite(table(&overlap), Names::AtOnce, Same::Unite).is_err());
    }

    #[test]
    fn hidden_only_where_it_goes_at_once() {
        let head = Head::new(Labels::new([("__name__", "x"), ("a", "b")])).nameless(true);
        assert_eq!(head.label(Names::AtOnce, "__name__"), "");
        assert_eq!(head.label(Names::AtEnd, "__name__"), "x");
        assert_eq!(head.iter(Names::AtOnce).count(), 1);
        assert_eq!(head.labels(Names::AtEnd).len(), 2);
        assert_eq!(head.into_labels().to_string(), r#"{a="b"}"#);
    }
}

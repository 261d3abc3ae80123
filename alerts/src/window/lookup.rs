//! What labels there are, for who explores.

use std::collections::BTreeSet;
use std::ops::Range;

use tidegauge_promql::{Labels, Matcher, Series as _, Timestamp};

use super::Window;
use super::series::Recent;

/// Series that are looked at under one lock: appending does not wait for more.
const AT_ONCE: usize = 2_048;

/// A sorted list, perhaps cut to the length that was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The first of them, sorted, each once.
    pub items: Vec<T>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Window {
    /// The names of labels of the series that all matchers of at least one set match, and that have a
    /// sample in `[from, to]`. No set at all: all series. At most `limit`; 0: all.
    pub fn label_names(
        &self,
        any_of: &[Vec<Matcher>],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Listed<String> {
        let mut names = BTreeSet::new();
        self.look(any_of, from, to, |series| {
            for (name, _) in series.labels().iter() {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        });
        cut(names, limit)
    }

    /// The values of a label; otherwise as [`label_names`](Self::label_names).
    pub fn label_values(
        &self,
        name: &str,
        any_of: &[Vec<Matcher>],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Listed<String> {
        let mut values = BTreeSet::new();
        self.look(any_of, from, to, |series| {
            let value = series.labels().get(name);
            if !value.is_empty() && !values.contains(value) {
                values.insert(value.to_owned());
            }
        });
        cut(values, limit)
    }

    /// The labels of series; otherwise as [`label_names`](Self::label_names).
    pub fn series(
        &self,
        any_of: &[Vec<Matcher>],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Listed<Labels> {
        let mut found = BTreeSet::new();
        self.look(any_of, from, to, |series| {
            found.insert(series.labels().clone());
        });
        cut(found, limit)
    }

    fn look(
        &self,
        any_of: &[Vec<Matcher>],
        from: Timestamp,
        to: Timestamp,
        mut found: impl FnMut(&Recent),
    ) {
        let mut places: Range<usize> = 0..AT_ONCE;
        loop {
            let state = self.read();
            for series in state.index.range(places.clone()) {
                let wanted = any_of.is_empty()
                    || any_of
                        .iter()
                        .any(|matchers| series.labels().matches(matchers));
                if wanted && series.reaches(from, to) {
                    found(series);
                }
            }
            if places.end >= state.index.places() {
                return;
            }
            places = places.end..places.end + AT_ONCE;
        }
    }
}

fn cut<T>(found: BTreeSet<T>, limit: usize) -> Listed<T> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    Listed {
        truncated: found.len() > limit,
        items: found.into_iter().take(limit).collect(),
    }
}

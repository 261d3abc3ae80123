//! The labels that a series has in the store: those it is exposed with, joined with its target's.

use std::borrow::Cow;

use tidegauge_model::exposition::Kind;
use tidegauge_promql::{Labels, METRIC_NAME};

use super::float::openmetrics_float;

/// What an exposed label is renamed with when the target has one of its name.
const EXPORTED: &str = "exported_";

/// Joins the labels of samples with those of their target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Joiner {
    target: Labels,
    honor: bool,
}

/// A name of a label that is there twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated(pub String);

impl Joiner {
    /// `honor`: where both have a label, the exposed one counts.
    pub fn new(target: Labels, honor: bool) -> Self {
        Self { target, honor }
    }

    /// As Prometheus joins them. A label of the target hides an exposed one, which goes on as
    /// `exported_<name>`; with `honor` it is the other way round, and an exposed empty value takes the
    /// target's label away.
    pub fn join<N: AsRef<str>, V: AsRef<str>>(
        &self,
        metric: &str,
        exposed: &[(N, V)],
    ) -> Result<Labels, Repeated> {
        let exposed: Vec<(&str, &str)> = exposed
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        if let Some(name) = repeated(&exposed) {
            return Err(Repeated(name.to_owned()));
        }
        let exposed_value = |name: &str| {
            exposed
                .iter()
                .find_map(|&(n, value)| (n == name).then_some(value))
        };
        let name = std::iter::once((METRIC_NAME, metric));
        if self.honor {
            let own = self
                .target
                .iter()
                .filter(|(name, _)| exposed_value(name).is_none());
            return Ok(Labels::new(name.chain(own).chain(exposed.iter().copied())));
        }
        let mut hidden: Vec<(&str, &str)> = self
            .target
            .iter()
            .filter_map(|(name, _)| Some((name, exposed_value(name)?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        // Of equal names the last one counts, which is the target's.
        let joined = name
            .chain(exposed.iter().copied())
            .chain(self.target.iter());
        if hidden.is_empty() {
            return Ok(Labels::new(joined));
        }
        let mut all: Vec<(Cow<'_, str>, &str)> = joined
            .map(|(name, value)| (Cow::Borrowed(name), value))
            .collect();
        // The shortest first, so that of `a` and `exported_a` both find the name that Prometheus gives them.
        hidden.sort_by_key(|(name, _)| name.len());
        for (name, value) in hidden {
            let mut renamed = format!("{EXPORTED}{name}");
            while all.iter().any(|(n, v)| *n == renamed && !v.is_empty()) {
                renamed.insert_str(0, EXPORTED);
            }
            all.push((Cow::Owned(renamed), value));
        }
        Ok(Labels::new(all))
    }

    /// Labels of a series about the target itself.
    pub fn of_target(&self, metric: &str) -> Labels {
        self.target.with(METRIC_NAME, metric)
    }
}

fn repeated<'a>(exposed: &[(&'a str, &str)]) -> Option<&'a str> {
    let mut names: Vec<&str> = exposed.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    // The metric's name is a label already.
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    let name = names.iter().find(|name| **name == METRIC_NAME);
    twice.map(|pair| pair[0]).or(name.copied())
}

/// Bounds of buckets and quantiles in the form that Prometheus 3 stores: `le="1"` becomes `le="1.0"`.
/// `kind` is what the last `# TYPE` said.
pub(super) fn normalize_bounds(kind: Option<Kind>, labels: &mut [(Cow<'_, str>, Cow<'_, str>)]) {
    let wanted = match kind {
        Some(Kind::Histogram) => "le",
        Some(Kind::Summary) => "quantile",
        _ => return,
    };
    for (name, value) in labels {
        if *name == wanted
            && let Some(number) = tidegauge_model::exposition::parse_value(value)
        {
            let normal = openmetrics_float(number);
            if *normal != **value {
                *value = Cow::Owned(normal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(honor: bool, exposed: &[(&str, &str)]) -> String {
        let target = Labels::new([("instance", "h:1"), ("job", "j"), ("exported_job", "e")]);
        let joined = Joiner::new(target, honor).join("m", exposed);
        joined.map_or_else(|repeated| repeated.0, |labels| labels.to_string())
    }

    #[test]
    fn the_targets_labels_hide_exposed_ones() {
        let exposed = [
            ("job", "x"),
            ("exported_job", "y"),
            ("a", "b"),
            ("instance", ""),
        ];
        assert_eq!(
            join(false, &exposed),
            r#"m{a="b", exported_exported_exported_job="y", exported_exported_job="x", exported_job="e", instance="h:1", job="j"}"#
        );
        assert_eq!(
            join(true, &exposed),
            r#"m{a="b", exported_job="y", job="x"}"#
        );
        assert_eq!(join(true, &[]), join(false, &[]));
    }

    #[test]
    fn a_name_that_is_there_twice_is_told() {
        assert_eq!(join(false, &[("a", "1"), ("b", "1"), ("a", "1")]), "a");
        assert_eq!(join(true, &[("__name__", "x")]), "__name__");
    }

    #[test]
    fn bounds_are_written_as_openmetrics_has_them() {
        let mut labels = [
            ("le".into(), "1".into()),
            ("quantile".into(), "0.50".into()),
        ];
        normalize_bounds(Some(Kind::Histogram), &mut labels);
        assert_eq!(labels[0].1, "1.0");
        assert_eq!(labels[1].1, "0.50");
        normalize_bounds(Some(Kind::Summary), &mut labels);
        assert_eq!(labels[1].1, "0.5");
        labels[0].1 = "1".into();
        normalize_bounds(Some(Kind::GaugeHistogram), &mut labels);
        assert_eq!(labels[0].1, "1");
    }

    proptest! {
        /// Nothing is lost: each exposed value that counts is there, under its name or a longer one.
        #[test]
        fn no_value_is_lost(
            exposed in proptest::collection::btree_map("(exported_){0,2}(job|a)", "[a-z]{0,2}", 0..5),
        ) {
            let target = Labels::new([("job", "T"), ("exported_job", "T")]);
            let exposed: Vec<(String, String)> = exposed.into_iter().collect();
            let labels = Joiner::new(target, false).join("m", &exposed).unwrap();
            prop_assert_eq!(labels.get("job"), "T");
            let mut ours: Vec<&str> = exposed
                .iter()
                .map(|(_, v)| v.as_str())
                .filter(|v| !v.is_empty())
                .collect();
            let mut theirs: Vec<&str> = labels
                .iter()
                .filter(|(name, value)| *name != METRIC_NAME && *value != "T")
                .map(|(_, value)| value)
                .collect();
            ours.sort_unstable();
            theirs.sort_unstable();
            prop_assert_eq!(ours, theirs);
        }
    }
}

//! Metric families and samples: what collectors produce and the exposition writes.
//!
//! Built for one pass of tens of thousands of samples: label sets are rendered once per device or
//! filesystem and shared by every sample of it, family descriptions are static.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The type of a metric family as Prometheus knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A value that only grows, but for a restart. Its name ends in `_total`.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Always 1; its labels carry text. Its name ends in `_info`.
    Info,
}

/// The static description of a metric family. The name is the sample's whole name: with `_total`
/// on counters and `_info` on infos.
#[derive(Debug, PartialEq, Eq)]
pub struct FamilySpec {
    /// Whole sample name, base unit last: `tidegauge_filesystem_size_bytes`.
    pub name: &'static str,
    /// One sentence for `# HELP`.
    pub help: &'static str,
    /// Counter, gauge or info.
    pub kind: MetricKind,
    /// Names of the labels its samples carry, for the generated documentation.
    pub labels: &'static [&'static str],
    /// Where it is read from, for the generated documentation; empty: as its collector.
    pub source: &'static str,
    /// Rights that it needs, for the generated documentation; empty: as its collector.
    pub rights: &'static str,
}

impl FamilySpec {
    /// Describes a counter; `name` ends in `_total`.
    pub const fn counter(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            help,
            kind: MetricKind::Counter,
            labels,
            source: "",
            rights: "",
        }
    }

    /// Describes a gauge.
    pub const fn gauge(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            help,
            kind: MetricKind::Gauge,
            labels,
            source: "",
            rights: "",
        }
    }

    /// Says where it is read from, where that is not its collector's source.
    #[must_use]
    pub const fn from(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// Says which rights it needs, where those are not its collector's: `none`, `CAP_SYS_ADMIN`.
    #[must_use]
    pub const fn with_rights(mut self, rights: &'static str) -> Self {
        self.rights = rights;
        self
    }

    /// The unit of its values, as its name tells.
    pub fn unit(&self) -> &'static str {
        let stem = self.name.trim_end_matches("_total");
        let units = ["seconds", "bytes", "celsius", "ratio", "sectors"];
        match units.iter().find(|unit| stem.ends_with(*unit)) {
            Some(unit) => unit,
            None if self.kind == MetricKind::Info || stem.ends_with("_info") => "1",
            None => "",
        }
    }

    /// Describes an info family; `name` ends in `_info`.
    pub const fn info(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            help,
            kind: MetricKind::Info,
            labels,
            source: "",
            rights: "",
        }
    }
}

/// A set of labels, rendered once in the exposition's own form (`tier="hot",device="sda"`, escaped)
/// and cheap to clone. Order is the order of insertion; names are not checked for repetition.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// No labels.
    pub fn none() -> Self {
        Self(Arc::from(""))
    }

    /// Renders the given names and values. Names must be valid label names; values are any text.
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        let mut text =
            String::with_capacity(pairs.iter().map(|(n, v)| n.len() + v.len() + 4).sum());
        for (name, value) in pairs {
            push_label(&mut text, name, value);
        }
        Self(Arc::from(text))
    }

    /// The same labels with one more at the end.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut text = String::with_capacity(self.0.len() + name.len() + value.len() + 4);
        text.push_str(&self.0);
        push_label(&mut text, name, value);
        Self(Arc::from(text))
    }

    /// The rendered form, without braces; empty when there are no labels.
    pub fn rendered(&self) -> &str {
        &self.0
    }

    /// Whether both are one and the same text in memory, which is cheaper to tell than whether they are equal.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Names and unescaped values, in order.
    pub fn iter(&self) -> LabelIter<'_> {
        LabelIter { rest: &self.0 }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.0)
    }
}

fn push_label(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    escape_into(text, value);
    text.push('"');
}

/// Appends `value` with backslash, quote and newline escaped, as both text formats want it
/// (Prometheus exposition formats, "text format details").
fn escape_into(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// Iterates a [`Labels`]' names and values; see [`Labels::iter`].
#[derive(Debug)]
pub struct LabelIter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for LabelIter<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, after) = self.rest.split_once("=\"")?;
        let bytes = after.as_bytes();
        let mut end = 0;
        let mut escaped = false;
        while end < bytes.len() && bytes[end] != b'"' {
            if bytes[end] == b'\\' {
                escaped = true;
                end += 1;
            }
            end += 1;
        }
        let raw = after.get(..end)?;
        self.rest = after.get(end + 1..)?.trim_start_matches(',');
        let value = if escaped {
            Cow::Owned(unescape(raw))
        } else {
            Cow::Borrowed(raw)
        };
        Some((name, value))
    }
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some(other)) => out.push(other),
            _ => out.push(c),
        }
    }
    out
}

/// A sample's value. Integers are kept as such so that byte counters lose no digit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// An unsigned integer, written with all its digits.
    U64(u64),
    /// Anything else.
    F64(f64),
}

impl Value {
    /// As Prometheus will read it.
    pub fn as_f64(self) -> f64 {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "Prometheus holds f64; so it will there"
            )]
            Self::U64(v) => v as f64,
            Self::F64(v) => v,
        }
    }
}

impl From<u64> for Value {
    fn from(v: u64) -> Self {
        Self::U64(v)
    }
}

impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Self::U64(v.into())
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::U64(v.into())
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::F64(v)
    }
}

/// One sample of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels, shared with the other samples of the same thing.
    pub labels: Labels,
    /// Its value.
    pub value: Value,
}

/// A family with its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// What it is.
    pub spec: &'static FamilySpec,
    /// Its samples; no two have the same labels.
    pub samples: Vec<Sample>,
}

impl Family {
    /// A family without samples yet.
    pub fn new(spec: &'static FamilySpec) -> Self {
        Self {
            spec,
            samples: Vec::new(),
        }
    }

    /// A family with room for `n` samples.
    pub fn with_capacity(spec: &'static FamilySpec, n: usize) -> Self {
        Self {
            spec,
            samples: Vec::with_capacity(n),
        }
    }

    /// Adds a sample.
    pub fn push(&mut self, labels: &Labels, value: impl Into<Value>) {
        self.samples.push(Sample {
            labels: labels.clone(),
            value: value.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_render_escaped() {
        let labels = Labels::new(&[("mountpoint", "/a\"b\\c\nd"), ("tier", "")]);
        assert_eq!(labels.rendered(), r#"mountpoint="/a\"b\\c\nd",tier="""#);
    }

    proptest! {
        #[test]
        fn any_value_survives_rendering(a in ".*", b in "(?s).*") {
            let labels = Labels::new(&[("a", &a)]).with("b", &b);
            let back: Vec<_> = labels.iter().collect();
            prop_assert_eq!(back.len(), 2);
            prop_assert_eq!(back[0].1.as_ref(), a.as_str());
            prop_assert_eq!(back[1].1.as_ref(), b.as_str());
        }
    }
}

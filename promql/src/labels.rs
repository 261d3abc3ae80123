//! The labels of a series.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use promql_parser::label::{METRIC_NAME, Matcher};

use crate::quoted::quote;

/// A set of labels: names and values, sorted by name, no name twice, no empty value (in Prometheus's
/// model a label with an empty value is no label). The metric's name is the label `__name__`.
///
/// One shared buffer, so that a copy costs a counter, and equality and hash go over bytes that lie
/// together. Each text is preceded by its length in bytes, itself written as one character.
/// The order is that of Prometheus: by name, then value, label by label; fewer labels first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// No labels.
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// Of names and values in any order. Empty values are left out; of a name given twice the last
    /// value counts.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs: Vec<(N, V)> = pairs.into_iter().collect();
        let mut sorted: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        // Stable: of equal names the last one given stays last.
        sorted.sort_by_key(|(name, _)| *name);
        let mut text = String::with_capacity(
            sorted
                .iter()
                .map(|(name, value)| name.len() + value.len() + 4)
                .sum(),
        );
        for (index, (name, value)) in sorted.iter().enumerate() {
            let overwritten = sorted.get(index + 1).is_some_and(|(next, _)| next == name);
            if !overwritten && !value.is_empty() {
                push(&mut text, name);
                push(&mut text, value);
            }
        }
        Self(Arc::from(text))
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// The value of a label; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        for (label, value) in self.iter() {
            match label.cmp(name) {
                Ordering::Less => {}
                Ordering::Equal => return value,
                Ordering::Greater => break,
            }
        }
        ""
    }

    /// The metric's name; empty where there is none.
    pub fn name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Those whose name is wanted.
    #[must_use]
    pub fn keep(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let mut text = String::with_capacity(self.0.len());
        for (name, value) in self.iter().filter(|(name, _)| wanted(name)) {
            push(&mut text, name);
            push(&mut text, value);
        }
        if text.len() == self.0.len() {
            return self.clone();
        }
        Self(Arc::from(text))
    }

    /// All but the metric's name.
    #[must_use]
    pub fn without_name(&self) -> Self {
        self.keep(|name| name != METRIC_NAME)
    }

    /// With a label set, or taken away by an empty value.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self::new(self.iter().chain(std::iter::once((name, value))))
    }

    /// Whether all matchers match; a label that is not there has the empty value.
    pub fn matches(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().all(|m| m.is_match(self.get(&m.name)))
    }

    /// Whether both are one copy: then they are equal, and nothing had to be read to know.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Bytes that it takes in memory.
    pub fn heap_bytes(&self) -> usize {
        self.0.len() + 2 * size_of::<usize>()
    }
}

/// Appends a text after its length as a character. Lengths from U+D800 on are moved behind the
/// surrogates, which are no characters; no text comes near the end of Unicode, what is longer is cut.
fn push(buffer: &mut String, text: &str) {
    let longest = char::MAX as usize - SURROGATES;
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let code = if end < FIRST_SURROGATE {
        end
    } else {
        end + SURROGATES
    };
    let length = u32::try_from(code).ok().and_then(char::from_u32);
    buffer.push(length.unwrap_or_default());
    buffer.push_str(&text[..end]);
}

const FIRST_SURROGATE: usize = 0xD800;
const SURROGATES: usize = 0x800;

fn pull<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let mut chars = rest.chars();
    let code = chars.next()? as usize;
    let length = if code < FIRST_SURROGATE {
        code
    } else {
        code - SURROGATES
    };
    let after = chars.as_str();
    let text = after.get(..length)?;
    *rest = after.get(length..)?;
    Some(text)
}

/// Names and values of [`Labels`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((pull(&mut self.rest)?, pull(&mut self.rest)?))
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// As Prometheus writes metrics: `up{job="a"}`, and names that are no words in quotes, the metric's within the braces:
/// `{"a b", job="a"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        let mut separator = "{";
        if is_word(name, ":") {
            f.write_str(name)?;
        } else if !name.is_empty() {
            write!(f, "{separator}{}", quote(name))?;
            separator = ", ";
        }
        for (name, value) in self.iter().filter(|(name, _)| *name != METRIC_NAME) {
            write!(f, "{separator}{}", pair(name, value))?;
            separator = ", ";
        }
        match separator {
            "{" if name.is_empty() => f.write_str("{}"),
            "{" => Ok(()),
            _ => f.write_str("}"),
        }
    }
}

/// A label as Prometheus writes it: `job="a"`, and a name that is no word in quotes.
pub(crate) fn pair(name: &str, value: &str) -> String {
    match is_word(name, "") {
        true => format!("{name}={}", quote(value)),
        false => format!("{}={}", quote(name), quote(value)),
    }
}

/// Whether a name needs no quotes: ASCII letters, `_` and what else is allowed, digits after the first.
fn is_word(name: &str, also: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || also.contains(c))
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sorted_without_empty_ones() {
        let labels = Labels::new([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(labels.get("b"), "3");
        assert_eq!(labels.get("c"), "");
        assert_eq!(labels.with("a", ""), Labels::new([("b", "3")]));
    }

    #[test]
    fn written_as_prometheus_does() {
        let labels = Labels::new([("__name__", "up"), ("job", "a\"b")]);
        assert_eq!(labels.to_string(), r#"up{job="a\"b"}"#);
        assert_eq!(labels.without_name().to_string(), r#"{job="a\"b"}"#);
        assert_eq!(Labels::empty().to_string(), "{}");
        let labels = Labels::new([("__name__", "a b"), ("c.d", "\u{1}\u{7f}é"), ("x", "y")]);
        let written = r#"{"a b", "c.d"="\x01\x7fé", x="y"}"#;
        assert_eq!(labels.to_string(), written);
        assert_eq!(crate::script::parse_metric(written).as_ref(), Ok(&labels));
        let name = Labels::new([("__name__", "9:a")]);
        assert_eq!(name.to_string(), r#"{"9:a"}"#);
        assert_eq!(Labels::new([("__name__", "a:b9")]).to_string(), "a:b9");
    }

    #[test]
    fn texts_of_any_length() {
        for length in [127, 128, 0xD7FF, 0xD800, 0xDFFF, 0x1_0000] {
            let text = "x".repeat(length);
            let labels = Labels::new([("a", text.as_str()), ("b", "c")]);
            assert_eq!(
                labels.iter().collect::<Vec<_>>(),
                [("a", text.as_str()), ("b", "c")]
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(pairs in proptest::collection::vec((".+", ".*"), 0..4), metric in ".*") {
            let metric = (METRIC_NAME.to_owned(), metric);
            let labels = Labels::new(pairs.into_iter().chain([metric]));
            prop_assert_eq!(crate::script::parse_metric(&labels.to_string()), Ok(labels));
        }

        #[test]
        fn as_a_sorted_map(pairs in proptest::collection::btree_map(".{1,9}", ".{1,9}", 0..6)) {
            let labels = Labels::new(&pairs);
            let back: std::collections::BTreeMap<String, String> = labels
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            prop_assert_eq!(back, pairs);
        }
    }
}

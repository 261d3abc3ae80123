//! A YAML text as a tree of nodes that know their places, so that all mistakes in it can be told at once.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::problem::Problem;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub place: Location,
    /// What it holds.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, as after `key:`.
    Null,
    /// A text, a number, true or false, as it is written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in their order; a key may be there twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    /// Where it begins.
    pub place: Location,
    /// As written.
    pub text: String,
}

impl Node {
    /// Parses a text.
    ///
    /// # Errors
    /// When it is no YAML.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // Comments only are an empty document, which is no mistake.
        let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(is_blank) {
            return Ok(Self {
                place: Location::UNKNOWN,
                value: Value::Null,
            });
        }
        let options = serde_saphyr::options! {
            with_snippet: false,
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
        };
        match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
            Ok(root) => Ok(node(root, text)),
            Err(error) => {
                let place = error.location().unwrap_or(Location::UNKNOWN);
                let said = error.to_string();
                // The place is told once, before the message.
                let said = said.split(" at line ").next().unwrap_or_default();
                Err(Problem::at(
                    place,
                    format!("this is not YAML: {said}"),
                    "look at the indentation and the quotes",
                ))
            }
        }
    }

    /// In words, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

enum Raw {
    Null,
    Text(String),
    /// What YAML takes for a number or a truth value. Its text is in the source, for `1.0` is not `1` as a label.
    Plain(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(spanned: Spanned<Raw>, source: &str) -> Node {
    let place = spanned.defined;
    let value = match spanned.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(text),
        Raw::Plain(text) => Value::Scalar(written(place, source).unwrap_or(text)),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, source)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = Key {
                        place: key.defined,
                        text: key.value,
                    };
                    (key, node(value, source))
                })
                .collect(),
        ),
    };
    Node { place, value }
}

/// The text of a plain scalar as it stands in the source.
fn written(place: Location, source: &str) -> Option<String> {
    let start = usize::try_from(place.span().byte_offset()?).ok()?;
    let length = usize::try_from(place.span().byte_len()?).ok()?;
    let text = source.get(start..start.checked_add(length)?)?.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
    (!text.is_empty() && text.chars().all(is_plain)).then(|| text.to_owned())
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list or a map")
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_owned()))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(v.to_string()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(v.to_string()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Raw, E> {
        Ok(Raw::Plain(v.to_string()))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Raw, E> {
        Ok(Raw::Plain(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(v.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_as_written() {
        let text = "a: 1.0\nb: 0x10\nc: yes\nd: '1.0'\ne: 1e3\nf: true\ng: ~\nh: 007\n";
        let node = Node::parse(text).unwrap();
        let Value::Map(entries) = node.value else {
            panic!("no map");
        };
        let written: Vec<Option<String>> = entries
            .iter()
            .map(|(_, node)| match &node.value {
                Value::Scalar(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        let written: Vec<Option<&str>> = written.iter().map(Option::as_deref).collect();
        assert_eq!(
            written,
            [
                Some("1.0"),
                Some("0x10"),
                Some("yes"),
                Some("1.0"),
                Some("1e3"),
                Some("true"),
                None,
                Some("007")
            ]
        );
    }
}

//! A YAML text as a tree of nodes that know their places, so that all mistakes in it can be told at once.
//!
//! There is no `Debug`: keys and hashes of passwords lie in here.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use crate::problem::Problem;

/// A value and its place.
pub struct Node {
    /// Where it begins.
    pub place: Location,
    /// What it holds.
    pub value: Value,
}

/// What a node holds.
pub enum Value {
    /// Nothing, as after `key:`.
    Null,
    /// A text, a number, true or false, as text.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in their order; a key may be there twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
pub struct Key {
    /// Where it begins.
    pub place: Location,
    /// As written.
    pub text: String,
}

impl Node {
    /// Parses a text. What the parser says of a text that is no YAML never quotes it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // Comments only are an empty document, which is no mistake.
        if text
            .lines()
            .all(|line| line.trim_start().starts_with('#') || line.trim().is_empty())
        {
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
        match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options) {
            Ok(root) => Ok(root.into()),
            Err(error) => {
                let place = error.location().unwrap_or(Location::UNKNOWN);
                let said = error.to_string();
                // The place is told once, before the message.
                let said = said.split(" at line ").next().unwrap_or_default();
                Err(Problem::at_location(
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

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self {
            place: spanned.defined,
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list or a map")
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_owned()))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let key = Key {
                place: key.defined,
                text: key.value,
            };
            entries.push((key, access.next_value::<Spanned<Value>>()?.into()));
        }
        Ok(Value::Map(entries))
    }
}

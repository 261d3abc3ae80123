//! Reads the fields of a YAML map, and collects every mistake in them.

use std::time::Duration;

use serde_saphyr::Location;
use tidegauge_model::units::parse_duration;

use super::problem::Problem;
use super::yaml::{Key, Node, Value};

/// The mistakes found, and where the reader is.
#[derive(Debug, Default)]
pub struct Mistakes {
    /// All of them.
    pub found: Vec<Problem>,
    /// The group and rule, in words.
    pub within: String,
}

impl Mistakes {
    /// Adds one.
    pub fn add(&mut self, place: Location, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::at(place, message, hint).within(&self.within);
        self.found.push(problem);
    }
}

/// The fields of a map, each of them once and known.
pub struct Fields<'a> {
    /// Where the map begins.
    pub place: Location,
    entries: Vec<(&'a Key, &'a Node)>,
    is_map: bool,
}

impl<'a> Fields<'a> {
    /// The entries of a map; nothing is a map without entries. Unknown and repeated keys are mistakes.
    pub fn of(node: &'a Node, what: &str, known: &[&str], mistakes: &mut Mistakes) -> Self {
        let place = node.place;
        let mut entries: Vec<(&Key, &Node)> = Vec::new();
        let found: &[(Key, Node)] = match &node.value {
            Value::Map(found) => found,
            Value::Null => &[],
            _ => {
                let message = format!("{what} must be a map, not {}", node.kind());
                mistakes.add(place, message, "write `key: value` lines");
                &[]
            }
        };
        for (key, value) in found {
            if !known.contains(&key.text.as_str()) {
                let hint = nearest(&key.text, known.iter().copied()).map_or_else(
                    || known.join(", "),
                    |name| format!("did you mean `{name}`?"),
                );
                mistakes.add(
                    key.place,
                    format!("unknown key `{}` in {what}", key.text),
                    hint,
                );
            } else if entries.iter().any(|(other, _)| other.text == key.text) {
                let message = format!("`{}` is there twice in {what}", key.text);
                mistakes.add(key.place, message, "leave one of them");
            } else {
                entries.push((key, value));
            }
        }
        let is_map = matches!(node.value, Value::Map(_) | Value::Null);
        Self {
            place,
            entries,
            is_map,
        }
    }

    /// Whether there is no map at all, which was told.
    pub fn is_none_at_all(&self) -> bool {
        !self.is_map
    }

    /// A field that is there and holds something.
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|(key, _)| key.text == name);
        found
            .map(|(_, node)| *node)
            .filter(|node| !matches!(node.value, Value::Null))
    }

    /// A text, with its place.
    pub fn text(&self, name: &str, mistakes: &mut Mistakes) -> Option<(&'a str, Location)> {
        let node = self.get(name)?;
        scalar(node, name, mistakes).map(|text| (text, node.place))
    }

    /// A duration as Prometheus writes it.
    pub fn duration(&self, name: &str, mistakes: &mut Mistakes) -> Option<Duration> {
        let (text, place) = self.text(name, mistakes)?;
        match parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(_) => {
                let message = format!("`{name}`: not a valid duration string: {text:?}");
                mistakes.add(place, message, "such as 30s, 5m, 7d or 1h30m");
                None
            }
        }
    }

    /// A truth value; false where there is none.
    pub fn flag(&self, name: &str, mistakes: &mut Mistakes) -> bool {
        match self.text(name, mistakes) {
            None | Some(("false", _)) => false,
            Some(("true", _)) => true,
            Some((text, place)) => {
                mistakes.add(
                    place,
                    format!("`{name}`: {text:?} is neither true nor false"),
                    "",
                );
                false
            }
        }
    }

    /// A list; empty where there is none.
    pub fn list(&self, name: &str, mistakes: &mut Mistakes) -> &'a [Node] {
        match self.get(name) {
            None => &[],
            Some(node) => match &node.value {
                Value::List(items) => items,
                _ => {
                    let message = format!("`{name}` must be a list, not {}", node.kind());
                    mistakes.add(node.place, message, "begin each entry with `- `");
                    &[]
                }
            },
        }
    }

    /// A map of texts, in the order of its keys, with the places of keys and values.
    pub fn texts(&self, name: &str, mistakes: &mut Mistakes) -> Vec<Entry> {
        let Some(node) = self.get(name) else {
            return Vec::new();
        };
        let Value::Map(entries) = &node.value else {
            let message = format!("`{name}` must be a map, not {}", node.kind());
            mistakes.add(node.place, message, "write `name: value` lines");
            return Vec::new();
        };
        let mut texts: Vec<Entry> = Vec::new();
        for (key, value) in entries {
            if texts.iter().any(|entry| entry.name == key.text) {
                let message = format!("`{}` is there twice in `{name}`", key.text);
                mistakes.add(key.place, message, "leave one of them");
                continue;
            }
            let text = match &value.value {
                Value::Null => "",
                _ => scalar(value, &key.text, mistakes).unwrap_or_default(),
            };
            texts.push(Entry {
                name: key.text.clone(),
                value: text.to_owned(),
                key_place: key.place,
                value_place: value.place,
            });
        }
        texts.sort_by(|a, b| a.name.cmp(&b.name));
        texts
    }
}

/// A text of a map of texts.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its key.
    pub name: String,
    /// It.
    pub value: String,
    /// Where the key is.
    pub key_place: Location,
    /// Where the value is.
    pub value_place: Location,
}

/// The text of a node that must be one.
pub fn scalar<'a>(node: &'a Node, name: &str, mistakes: &mut Mistakes) -> Option<&'a str> {
    match &node.value {
        Value::Scalar(text) => Some(text),
        _ => {
            let message = format!("`{name}` must be a text, not {}", node.kind());
            mistakes.add(
                node.place,
                message,
                "put it into quotes if it has `: ` or begins with `{` or `[`",
            );
            None
        }
    }
}

/// The name that is meant by a misspelt one, if one is near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    scored
        .filter(|(score, _)| *score > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

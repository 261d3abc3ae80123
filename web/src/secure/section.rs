//! Reads values out of nodes and notes what is wrong with them. No message quotes a value that may be
//! secret; which may is known where the value is asked for.

use std::collections::BTreeMap;

use crate::problem::Problem;

use super::node::{Key, Node, Value};

/// What was found while a file was read.
#[derive(Debug, Default)]
pub struct Findings {
    /// The file cannot be used.
    pub problems: Vec<Problem>,
    /// It can, but not all of it is as its author may think.
    pub warnings: Vec<Problem>,
}

/// The values of a section by their keys, those that are there.
pub type Section<'n> = BTreeMap<&'n str, &'n Node>;

impl Findings {
    /// Something is wrong at a node.
    pub fn wrong(&mut self, node: &Node, message: impl Into<String>, hint: impl Into<String>) {
        self.problems
            .push(Problem::at_location(node.place, message, hint));
    }

    /// Something is worth knowing of a node.
    pub fn warn(&mut self, node: &Node, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings
            .push(Problem::at_location(node.place, message, hint));
    }

    /// The keys and values of a map, each key once. Nothing at all is an empty map.
    pub fn entries<'n>(&mut self, node: &'n Node, name: &str) -> Vec<(&'n Key, &'n Node)> {
        let entries = match &node.value {
            Value::Null => return Vec::new(),
            Value::Map(entries) => entries,
            _ => {
                let message = format!("{name} is {}, not a map", node.kind());
                self.wrong(
                    node,
                    message,
                    "write keys and values, each on a line of its own",
                );
                return Vec::new();
            }
        };
        let mut first: BTreeMap<&str, u64> = BTreeMap::new();
        let mut once = Vec::new();
        for (key, value) in entries {
            if let Some(line) = first.get(key.text.as_str()) {
                self.problems.push(Problem::at_location(
                    key.place,
                    format!(
                        "{} is given twice, first in line {line}",
                        showable(&key.text)
                    ),
                    "keep one of them",
                ));
            } else {
                first.insert(&key.text, key.place.line());
                once.push((key, value));
            }
        }
        once
    }

    /// The section of a file: only these keys may be in it. Keys without a value count as absent.
    pub fn section<'n>(&mut self, node: &'n Node, name: &str, known: &[&str]) -> Section<'n> {
        let mut section = Section::new();
        for (key, value) in self.entries(node, name) {
            if !known.contains(&key.text.as_str()) {
                self.problems.push(Problem::at_location(
                    key.place,
                    format!("{name} has no key {}", showable(&key.text)),
                    format!("its keys: {}", known.join(", ")),
                ));
            } else if !matches!(value.value, Value::Null) {
                section.insert(key.text.as_str(), value);
            }
        }
        section
    }

    /// A text, which may be empty.
    pub fn text<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        if let Value::Scalar(text) = &node.value {
            return Some(text);
        }
        let message = format!("{name} is {}, not a text", node.kind());
        self.wrong(node, message, "");
        None
    }

    /// True or false.
    pub fn boolean(&mut self, node: &Node, name: &str) -> Option<bool> {
        let read = self.text(node, name)?.parse().ok();
        if read.is_none() {
            self.wrong(
                node,
                format!("{name} is neither true nor false"),
                "write true or false",
            );
        }
        read
    }

    /// A list of texts, each with its node.
    pub fn texts<'n>(&mut self, node: &'n Node, name: &str) -> Vec<(&'n str, &'n Node)> {
        let Value::List(items) = &node.value else {
            let message = format!("{name} is {}, not a list", node.kind());
            self.wrong(node, message, "write [a, b], or a line with `- ` for each");
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| {
                self.text(item, &format!("an entry of {name}"))
                    .map(|text| (text, item))
            })
            .collect()
    }

    /// One of these names.
    pub fn one_of<T: Copy>(&mut self, node: &Node, name: &str, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, name)?;
        let found = known.iter().find(|(known, _)| *known == text);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            self.wrong(
                node,
                format!("{} is no {name}", showable(text)),
                format!("one of: {}", names.join(", ")),
            );
        }
        found.map(|(_, value)| *value)
    }
}

/// A name for a message, in quotes.
pub fn showable(text: &str) -> String {
    quoted(text).unwrap_or_else(|| "what is written here".to_owned())
}

/// A name in quotes. `None` for what does not look like one: a key or a hash of a password may have
/// slipped to where a name belongs.
pub fn quoted(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.@ ".contains(c);
    (!text.is_empty() && text.len() <= 48 && text.chars().all(plain)).then(|| format!("`{text}`"))
}

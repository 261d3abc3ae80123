//! Why a line could not be read.

use thiserror::Error;

/// A line that is not in the format, with the place in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: found {found}, expected {expected}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// What is there, shortened and quoted.
    pub found: String,
    /// What the format wants there.
    pub expected: &'static str,
}

/// How much of a line an error repeats, in characters.
const SHOWN: usize = 24;

impl ParseError {
    /// An error at a byte of a line, whose rest from there is `rest`.
    pub(super) fn new(line: usize, at: usize, rest: &str, expected: &'static str) -> Self {
        let found = if rest.is_empty() {
            "the end of the line".to_owned()
        } else {
            let shown: String = rest.chars().take(SHOWN).collect();
            let more = if shown.len() < rest.len() { "…" } else { "" };
            format!("{shown:?}{more}")
        };
        Self {
            line,
            column: at + 1,
            found,
            expected,
        }
    }
}

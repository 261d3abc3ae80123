//! Why a line could not be read.

use thiserror::Error;

/// A line that is not in the format, with the place in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: found {found}, expected {expected} ({hint})")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// What is there, shortened and quoted.
    pub found: String,
    /// What the format wants there.
    pub expected: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

/// How much of a line an error repeats, in characters.
const SHOWN: usize = 24;

impl ParseError {
    /// An error at a byte of the line `text`.
    pub(super) fn new(line: usize, at: usize, text: &str, expected: &'static str) -> Self {
        let rest = text.get(at..).unwrap_or_default();
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
            hint: hint(text),
        }
    }

    /// A text of OpenMetrics that stops after `lines` lines without `# EOF`.
    pub fn no_end(lines: usize) -> Self {
        Self {
            line: lines.max(1),
            column: 1,
            found: "the end of the text".to_owned(),
            expected: "'# EOF' as the last line",
            hint: "the text may be cut off; its writer ends a whole one with '# EOF'",
        }
    }

    /// A line that follows `# EOF`; `number` from 1.
    pub fn after_end(number: usize, line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        Self {
            hint: "end the text with '# EOF', without an empty line after it",
            ..Self::new(number, 0, &text, "nothing after '# EOF'")
        }
    }
}

/// What may be wrong with a line that could not be read.
fn hint(text: &str) -> &'static str {
    if text.ends_with('\r') {
        "end lines with a newline alone, without a carriage return"
    } else if text.trim_ascii_start().starts_with('#') {
        "comments are '# HELP name text' and '# TYPE name type', in OpenMetrics also '# UNIT name unit' and '# EOF'"
    } else {
        "a sample is 'name{label=\"value\"} 1', after it a timestamp if any"
    }
}

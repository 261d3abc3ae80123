//! What is wrong with a file that people write: where, what, and what to do.

use std::path::Path;

use serde_saphyr::{Location, Spanned};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; 0 where it concerns the file as a whole.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    /// At the place of a value.
    pub fn at<T>(value: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::at_location(value.defined, message, hint)
    }

    /// At a place in the file.
    pub fn at_location(
        place: Location,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            line: place.line(),
            column: place.column(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Of the file as a whole.
    pub fn of_file(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            line: 0,
            column: 0,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// As one line: `FILE:LINE:COLUMN: message (hint)`. Control characters, which may come from the file
    /// and would write into the terminal or the log, are escaped.
    pub fn show(&self, file: &Path) -> String {
        let mut text = file.display().to_string();
        if self.line > 0 {
            text.push_str(&format!(":{}:{}", self.line, self.column));
        }
        text.push_str(": ");
        text.push_str(&self.message);
        if !self.hint.is_empty() {
            text.push_str(&format!(" ({})", self.hint));
        }
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_control() {
                shown.extend(c.escape_debug());
            } else {
                shown.push(c);
            }
        }
        shown
    }
}

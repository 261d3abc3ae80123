//! What is wrong with a rule file: where, what, and what to do.

use std::path::Path;

use serde_saphyr::Location;

/// One mistake, or one thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; 0 where it concerns the file as a whole.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// The group and rule, in words; may be empty.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    /// At a place in the file.
    pub fn at(place: Location, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            line: place.line(),
            column: place.column(),
            place: String::new(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Within a group or a rule.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        if self.place.is_empty() {
            place.clone_into(&mut self.place);
        }
        self
    }

    /// As one line: `FILE:LINE:COLUMN: group "a", rule 1, "B": message (hint)`. Control characters are escaped.
    pub fn show(&self, file: &Path) -> String {
        let mut text = file.display().to_string();
        if self.line > 0 {
            text.push_str(&format!(":{}:{}", self.line, self.column));
        }
        text.push_str(": ");
        if !self.place.is_empty() {
            text.push_str(&self.place);
            text.push_str(": ");
        }
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

//! What is wrong with a configuration: where, what, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_saphyr::Spanned;

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
        let place = value.defined;
        Self {
            line: place.line(),
            column: place.column(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// As one line: `FILE:LINE:COLUMN: message (hint)`.
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
        text
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is wrong.
    Wrong {
        /// Which.
        path: PathBuf,
        /// Every mistake found.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => write!(
                f,
                "cannot read {}: {source} (name another file with --config, or leave --config out to have the tiers discovered)",
                path.display()
            ),
            Self::Wrong { path, problems } => {
                for (index, problem) in problems.iter().enumerate() {
                    if index > 0 {
                        f.write_str("\n")?;
                    }
                    f.write_str(&problem.show(path))?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

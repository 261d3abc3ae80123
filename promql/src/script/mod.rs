//! Prometheus's language of PromQL tests: scripts that load series and say what expressions come to
//! (upstream's `promql/promqltest/README.md`).
//!
//! ```text
//! load 1m
//!     requests_total{job="a"} 0+10x5
//!
//! eval instant at 5m rate(requests_total[5m])
//!     expect no_info
//!     {job="a"} 0.16666666666666666
//! ```
//!
//! [`Script::parse`] reads one, [`Script::run`] evaluates it and compares everything: values, labels, times, what is
//! missing and what is too much, order where it is asked for, errors, warnings and infos. As upstream does, each
//! instant evaluation is also made with its time written into it by `@` at several other times, and each of these in
//! the middle of a range as well. No files are read: texts come in, reports go out.

mod compare;
mod expect;
mod moments;
mod notation;
mod parse;
mod run;
mod scope;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

pub use notation::{Notation, NotationError, Point, parse_metric, parse_points, parse_series};
pub use scope::OutOfScope;

/// A script that was read.
#[derive(Debug)]
pub struct Script {
    commands: Vec<parse::Command>,
}

/// A script that cannot be read: where, and what is wrong.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// What came of a script.
#[derive(Debug, Default)]
pub struct Report {
    /// Its evaluations in order; and those of its other commands that failed.
    pub evaluations: Vec<Evaluated>,
}

/// What came of one evaluation.
#[derive(Debug)]
pub struct Evaluated {
    /// The line of its command, counted from 1.
    pub line: usize,
    /// The expression.
    pub expression: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of one evaluation.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// All is as it was expected.
    Passed,
    /// Something else came out.
    Failed(Failure),
    /// It is out of scope, for this reason.
    Skipped(OutOfScope),
}

/// How an evaluation differs from what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// How it was asked, where that is not as the script says: at another time, as a range.
    pub asked: Option<String>,
    /// What was wanted.
    pub wanted: String,
    /// What came.
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(asked) = &self.asked {
            writeln!(f, "asked:  {asked}")?;
        }
        write!(f, "wanted: {}\ngot:    {}", self.wanted, self.got)
    }
}

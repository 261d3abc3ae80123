//! Says what is wrong with an exposition: what a reader would refuse, and what breaks the conventions that
//! `promtool check metrics` (Prometheus 3) holds names, types and help texts to, in its words.
//!
//! Where it is stricter than promtool: families that do not stand together, `le` missing on a bucket,
//! the same labels in another order, OpenMetrics at all. `tests/fixtures/lint` has the cases.

mod family;
mod lines;
mod names;
mod sample;
#[cfg(test)]
mod tests;
mod units;

use self::family::Families;
use super::{Format, Parser};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Against convention.
    Warning,
    /// Against the format: a reader may refuse the whole text or lose the sample.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where, from 1. For what is wrong with a family, its first line.
    pub line: usize,
    /// The family or sample, as the text names it, cut where it is overlong; empty when the line cannot
    /// be read.
    pub metric: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: &'static str,
    /// How bad it is.
    pub severity: Severity,
}

/// What is wrong with an exposition, in the order of its lines.
pub fn lint(input: &[u8], format: Format) -> Vec<Finding> {
    let raw: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let mut families = Families::new(format);
    let mut findings = Vec::new();
    for item in Parser::new(input, format) {
        match item {
            Ok((line, event)) => {
                let text = raw.get(line - 1).copied().unwrap_or_default();
                if format == Format::Text004 {
                    findings.extend(lines::check(line, &event, text));
                }
                families.read(line, &event, &mut findings);
            }
            Err(error) => findings.push(Finding {
                line: error.line,
                metric: String::new(),
                problem: format!(
                    "column {}: found {}, expected {}",
                    error.column, error.found, error.expected
                ),
                hint: error.hint,
                severity: Severity::Error,
            }),
        }
    }
    if format == Format::Text004 {
        findings.extend(lines::check_end(&raw));
    }
    families.check_whole(&mut findings);
    for family in families.with_samples() {
        names::check(family, format, &mut findings);
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// A name as findings repeat it. Cut, or a line of many faults and a name of megabytes would multiply.
fn shown(name: &str) -> String {
    const LONGEST: usize = 200;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

//! `tidegauge test rules`: unit tests of rules, with promtool's format, verdicts, words and exit codes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;
use regex::Regex;
use tidegauge_alerts::rule_test;

use crate::failure::{Failure, print};

/// Runs the tests of the files that are named.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let sub = crate::cli::innermost(matches);
    // No log: rules that fail and templates that fail are part of what is told.
    let patterns: Vec<&str> = sub
        .get_many::<String>("run")
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let names = match patterns.is_empty() {
        true => None,
        false => Some(Regex::new(&patterns.join("|")).map_err(|error| {
            Failure::usage(format!("--run: {error}; write a regular expression"))
        })?),
    };
    let mut failed = false;
    for file in sub.get_many::<PathBuf>("file").into_iter().flatten() {
        print(&format!("Unit Testing:  {}\n", file.display()))?;
        let verdict = rule_test::run(file, names.as_ref());
        for warning in &verdict.warnings {
            eprintln!("  WARNING: {warning}");
        }
        if verdict.failures.is_empty() {
            print("  SUCCESS\n")?;
        } else {
            failed = true;
            eprintln!("  FAILED:");
            for failure in &verdict.failures {
                eprintln!("{failure}");
            }
        }
        print("\n")?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

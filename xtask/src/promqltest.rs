//! `cargo xtask promqltest`: runs Prometheus's own scripts of PromQL tests against `promql`.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use tidegauge_promql::script::{Evaluated, Outcome, Script};

/// Runs the files, prints what fails, and counts.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let (options, files): (Vec<&str>, Vec<&str>) =
        arguments.iter().partition(|a| a.starts_with("--"));
    for option in &options {
        ensure!(
            *option == "--verbose",
            "there is no option {option}; there is --verbose"
        );
    }
    ensure!(!files.is_empty(), "promqltest FILE… [--verbose]");
    let tally = run_files(&files, !options.is_empty(), &mut io::stdout().lock())?;
    Ok(tally.exit_code())
}

/// What came of all files.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Files that cannot be read, or are no scripts.
    broken: usize,
}

impl Tally {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self { broken: 1.., .. } => ExitCode::from(2),
            Self { failed: 1.., .. } => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}

fn run_files(files: &[&str], verbose: bool, out: &mut impl Write) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for file in files {
        let script = fs::read_to_string(file)
            .map_err(|error| format!("cannot read {file}: {error}"))
            .and_then(|text| {
                Script::parse(&text)
                    .map_err(|error| format!("{file}:{}: {}", error.line, error.message))
            });
        match script {
            Ok(script) => {
                for evaluated in script.run().evaluations {
                    tally.add(file, &evaluated, verbose, out)?;
                }
            }
            Err(message) => {
                tally.broken += 1;
                writeln!(out, "{message}")?;
            }
        }
    }
    let Tally {
        passed,
        failed,
        skipped,
        ..
    } = tally;
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")?;
    Ok(tally)
}

impl Tally {
    fn add(
        &mut self,
        file: &str,
        evaluated: &Evaluated,
        verbose: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Evaluated {
            line,
            expression,
            outcome,
        } = evaluated;
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(failure) => {
                self.failed += 1;
                let details = failure.to_string().replace('\n', "\n  ");
                writeln!(out, "FAILED {file}:{line}: {expression}\n  {details}")?;
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                if verbose {
                    writeln!(out, "skipped {file}:{line}: {expression}\n  {reason}")?;
                }
            }
        }
        Ok(())
    }
}

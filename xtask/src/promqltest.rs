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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::generate::root;

    /// What is printed, and the exit code.
    fn checked(name: &str, text: &str, verbose: bool) -> (String, String) {
        let folder = root().unwrap().join("target/promqltest");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let file = path.to_str().unwrap();
        let tally = run_files(&[file], verbose, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap().replace(file, name);
        (out, format!("{:?}", tally.exit_code()))
    }

    fn code(code: u8) -> String {
        format!("{:?}", ExitCode::from(code))
    }

    #[test]
    fn all_is_well() {
        let text =
            "load 1m\n a 1\n n {{}}\n\neval instant at 0 a\n a 1\n\neval instant at 0 n\n n {{}}\n";
        let counted = "1 passed, 0 failed, 1 skipped\n";
        assert_eq!(
            checked("right.test", text, false),
            (counted.to_owned(), code(0))
        );
        let (out, _) = checked("right-verbose.test", text, true);
        let skipped = "skipped right-verbose.test:8: n\n  native histograms are expected\n";
        assert_eq!(out, format!("{skipped}{counted}"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = "load 1m\n a 1\n\neval instant at 0 a\n a 2\n\neval instant at 0 a\n a 1\n";
        let out =
            "FAILED wrong.test:4: a\n  wanted: a 2\n  got:    a 1\n1 passed, 1 failed, 0 skipped\n";
        assert_eq!(
            checked("wrong.test", text, false),
            (out.to_owned(), code(1))
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let (out, exit) = checked("broken.test", "load 1m\n a 1\n b {\n", false);
        assert!(out.starts_with("broken.test:3: "), "{out}");
        assert!(out.ends_with("0 passed, 0 failed, 0 skipped\n"), "{out}");
        assert_eq!(exit, code(2));
        let mut out = Vec::new();
        let tally = run_files(&["no-such.test"], false, &mut out).unwrap();
        assert_eq!(format!("{:?}", tally.exit_code()), code(2));
        assert!(
            String::from_utf8(out)
                .unwrap()
                .starts_with("cannot read no-such.test: ")
        );
    }

    #[test]
    fn other_options_are_refused() {
        assert!(run(&["--quiet", "a.test"]).is_err());
        assert!(run(&["--verbose"]).is_err());
    }

    #[test]
    fn prometheus_own_scripts_pass() {
        let folder = root().unwrap().join("../shared/data/promqltest");
        if !folder.is_dir() {
            tidegauge_rig::skip!("missing ../shared/data/promqltest, Prometheus's test scripts");
        }
        let files: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "test"))
            .collect();
        let files: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
        let mut out = Vec::new();
        let tally = run_files(&files, false, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!((tally.failed, tally.broken), (0, 0), "{out}");
        // None may be lost on the way: as many are in scope of the files of 2026-08.
        assert!(tally.passed >= 600, "{out}");
    }
}

//! The command line of tidegauge: one file for each subcommand. It joins the rooms and is used by the
//! program and by `cargo xtask`, which generates man pages and completions from it.

mod alerts;
pub mod builtin_rules;
mod check;
mod check_rules;
pub mod cli;
pub mod config;
mod discover;
mod exporter;
mod failure;
mod host;
mod logging;
mod query;
pub mod reload;
pub mod sidecar;
mod starter;
mod status;
mod systemd;
mod test_rules;

use std::ffi::OsString;
use std::process::ExitCode;

use self::failure::Failure;

/// Runs the program with these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Monitoring systems read its exit code: 2 would be "critical" to them.
    let status_was_asked = args.iter().skip(1).any(|arg| arg == "status");
    let matches = match cli::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are no errors and go to standard output. Nowhere to write is no reason
            // to fail otherwise.
            let _ = error.print();
            let wrong = if status_was_asked { 3 } else { 2 };
            return ExitCode::from(if error.use_stderr() { wrong } else { 0 });
        }
    };
    let result = match matches.subcommand() {
        None | Some(("run", _)) => exporter::run(cli::innermost(&matches), true),
        Some(("exporter", sub)) => exporter::run(sub, false),
        Some(("alerts", sub)) => alerts::run(sub),
        Some(("discover", sub)) => discover::run(sub),
        Some(("status", sub)) => status::run(sub),
        Some(("check", sub)) => check::run(sub),
        Some(("test", sub)) => test_rules::run(sub),
        Some(("query", sub)) => query::run(sub),
        Some((other, _)) => Err(Failure::usage(format!("there is no command `{other}`"))),
    };
    result.unwrap_or_else(|failure| failure.report())
}

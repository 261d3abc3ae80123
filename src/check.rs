//! `tidegauge check`: says what is wrong with files, with line and hint.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;

use crate::config::Config;
use crate::failure::{Failure, print};
use crate::host::Host;
use crate::logging;

/// Runs the check that was asked for.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    logging::start(crate::cli::innermost(matches));
    match matches.subcommand() {
        Some(("config", sub)) => configs(sub),
        _ => Err(Failure::usage("say what to check: config or metrics")),
    }
}

fn configs(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let mut wrong = Vec::new();
    for file in matches.get_many::<PathBuf>("file").into_iter().flatten() {
        let checked = if matches.get_flag("syntax-only") {
            Config::load(file).map(|_| ()).map_err(Failure::from)
        } else {
            Host::load_file(matches, file).and_then(|host| host.conflicts(&host.storage(matches)?))
        };
        match checked {
            Ok(()) => print(&format!("{}: ok\n", file.display()))?,
            Err(failure) => wrong.push(failure),
        }
    }
    Ok(wrong
        .into_iter()
        .fold(ExitCode::SUCCESS, |_, failure| failure.report()))
}

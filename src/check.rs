//! `tidegauge check`: says what is wrong with files, with line and hint.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;
use tidegauge_model::exposition::Format;
use tidegauge_model::exposition::lint::{Finding, lint};

use crate::config::Config;
use crate::failure::{Failure, print};
use crate::host::Host;
use crate::logging;

/// Runs the check that was asked for.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    logging::start(crate::cli::innermost(matches));
    match matches.subcommand() {
        Some(("config", sub)) => configs(sub),
        Some(("metrics", sub)) => metrics(sub),
        _ => Err(Failure::usage("say what to check: config or metrics")),
    }
}

/// Ends with 0 when nothing is wrong, 1 when something is, 2 when a file cannot be read.
fn metrics(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let files: Vec<&PathBuf> = matches.get_many("file").into_iter().flatten().collect();
    let mut texts = Vec::new();
    for file in &files {
        let text = std::fs::read(file)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
        texts.push((file.display().to_string(), text));
    }
    if files.is_empty() {
        let mut text = Vec::new();
        std::io::stdin()
            .read_to_end(&mut text)
            .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
        texts.push(("standard input".to_owned(), text));
    }
    let mut wrong = false;
    for (name, text) in texts {
        let format = match matches.get_one::<String>("format").map(String::as_str) {
            Some("text") => Format::Text004,
            Some("openmetrics") => Format::OpenMetrics100,
            // Only OpenMetrics ends so.
            _ if text.ends_with(b"# EOF\n") || text.ends_with(b"# EOF") => Format::OpenMetrics100,
            _ => Format::Text004,
        };
        for Finding {
            line,
            metric,
            problem,
            hint,
        } in lint(&text, format)
        {
            wrong = true;
            let metric = if metric.is_empty() {
                String::new()
            } else {
                format!("{metric}: ")
            };
            let hint = if hint.is_empty() {
                String::new()
            } else {
                format!(" ({hint})")
            };
            print(&format!("{name}:{line}: {metric}{problem}{hint}\n"))?;
        }
    }
    Ok(ExitCode::from(u8::from(wrong)))
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

//! `tidegauge check`: says what is wrong with files, with line and hint.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;
use tidegauge_model::exposition::{Finding, Format, lint};
use tidegauge_web::secure;

use crate::check_rules;
use crate::config::Config;
use crate::failure::{Failure, print};
use crate::host::Host;
use crate::logging;

/// Runs the check that was asked for.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    logging::start(crate::cli::innermost(matches));
    match matches.subcommand() {
        Some(("config", sub)) => configs(sub),
        Some(("web-config", sub)) => web_configs(sub),
        Some(("metrics", sub)) => metrics(sub),
        Some(("rules", sub)) => check_rules::run(sub),
        _ => Err(Failure::usage(
            "say what to check: config, rules, web-config or metrics",
        )),
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

fn web_configs(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let mut wrong = Vec::new();
    for file in matches.get_many::<PathBuf>("file").into_iter().flatten() {
        match secure::check(file) {
            Ok(warnings) => {
                for mut warning in warnings {
                    warning.message.insert_str(0, "warning: ");
                    print(&format!("{}\n", warning.show(file)))?;
                }
                print(&format!("{}: ok\n", file.display()))?;
            }
            Err(problems) => wrong.push(Failure::wrong(file, problems)),
        }
    }
    Ok(wrong
        .into_iter()
        .fold(ExitCode::SUCCESS, |_, failure| failure.report()))
}

fn metrics(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let files: Vec<&Path> = match matches.get_many::<PathBuf>("file") {
        Some(files) => files.map(PathBuf::as_path).collect(),
        None => vec![Path::new("-")],
    };
    // All are read before anything is said: with one that cannot be, nothing is done.
    let (mut texts, mut unread) = (Vec::new(), Vec::new());
    for file in files {
        match read(file) {
            Ok(text) => texts.push((file, text)),
            Err(error) => unread.push(format!(
                "cannot read {}: {error}; check the name and its rights",
                file.display()
            )),
        }
    }
    if !unread.is_empty() {
        return Err(Failure::usage(unread.join("\n")));
    }
    let mut clean = true;
    for (file, text) in texts {
        let name = match file.to_str() {
            Some("-") => "<stdin>".to_owned(),
            _ => file.display().to_string(),
        };
        let format = match matches.get_one::<String>("format").map(String::as_str) {
            Some("text") => Format::Text004,
            Some("openmetrics") => Format::OpenMetrics100,
            _ => guess(&text),
        };
        let findings = lint(&text, format);
        clean &= findings.is_empty();
        print(&report(&name, &findings))?;
    }
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        Ok(text)
    } else {
        std::fs::read(file)
    }
}

/// The format by the last line, which in OpenMetrics is `# EOF`.
fn guess(text: &[u8]) -> Format {
    let last = text.trim_ascii_end().rsplit(|&byte| byte == b'\n').next();
    if last == Some(b"# EOF") {
        Format::OpenMetrics100
    } else {
        Format::Text004
    }
}

fn report(file: &str, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return format!("{file}: ok\n");
    }
    let mut text = String::new();
    for Finding {
        line,
        metric,
        problem,
        hint,
        ..
    } in findings
    {
        // A name may be anything that is quoted; a line of the report stays one line.
        let metric = match metric.as_str() {
            "" => String::new(),
            name => format!("{}: ", name.escape_debug()),
        };
        let _infallible = writeln!(text, "{file}:{line}: {metric}{problem} ({hint})");
    }
    text
}

//! `tidegauge status`: the tiers at a glance.

mod directories;
mod json;
mod report;
mod table;
mod terminal;

use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use tidegauge_exporter::host::ReadError;
use tidegauge_exporter::host::storage::Storage;
use tidegauge_exporter::host::tiers::tier_states;

use self::report::{Listing, Report};
use self::terminal::{ColorChoice, Look};
use crate::failure::{Failure, print};
use crate::host::Host;
use crate::logging;

/// How long directories may take: when the table is wanted, and when they are.
const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(300);

/// Reads once and prints. Ends as monitoring plugins do: 0 ok, 1 warning, 2 critical, 3 unknown, a
/// wrong configuration included.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    logging::start_quiet(matches);
    let detail = matches.get_flag("directories");
    let limit = matches
        .get_one::<Duration>("directories-deadline")
        .copied()
        .unwrap_or(if detail { LONG } else { SHORT });
    let top = matches.get_one::<u32>("top").copied().unwrap_or_default() as usize;
    let host = Host::load(matches).map_err(Failure::into_unknown)?;
    let storage = host.storage(matches).map_err(Failure::into_unknown)?;
    let report =
        read(&host, &storage, detail.then_some(top), limit).map_err(Failure::into_unknown)?;
    let text = if matches
        .get_one::<String>("output")
        .is_some_and(|o| o == "json")
    {
        json::render(&report)
    } else {
        let choice = match matches.get_one::<String>("color").map(String::as_str) {
            Some("always") => ColorChoice::Always,
            Some("never") => ColorChoice::Never,
            _ => ColorChoice::Auto,
        };
        table::draw(
            &report,
            Look::of_stdout(choice, |name| std::env::var(name).ok()),
        )
    };
    print(&text).map_err(Failure::into_unknown)?;
    Ok(ExitCode::from(report.exit_code()))
}

/// With a number in `top` the lists of the biggest and the coldest directories are of this length.
fn read(
    host: &Host,
    storage: &Storage,
    top: Option<usize>,
    limit: Duration,
) -> Result<Report, Failure> {
    let failed = |error: ReadError| Failure::failed(error.to_string());
    let layout = storage.layout().map_err(failed)?;
    let filesystems = storage.filesystems(layout).map_err(failed)?;
    let states = tier_states(&filesystems);
    let tiers = &host.context.tiers;
    let places = directories::places(tiers, &filesystems, top.is_some());
    let found = directories::measure(host, &places, &filesystems, &states, top.is_some(), limit);
    let mut report = Report::new(tiers, &filesystems, &states, &found);
    report.listing = top.map(|top| Listing::new(tiers, &places, &found, top));
    Ok(report)
}

#[cfg(test)]
mod tests;

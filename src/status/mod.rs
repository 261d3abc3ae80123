//! `tidegauge status`: the tiers at a glance.

mod json;
mod report;
mod table;
mod terminal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use tidegauge_exporter::device::tree;
use tidegauge_exporter::host::ReadError;
use tidegauge_exporter::host::storage::{Filesystems, Storage};
use tidegauge_exporter::host::tiers::{TierState, tier_states};
use tidegauge_model::units::format_duration;

use self::report::Report;
use self::terminal::{ColorChoice, Look};
use crate::failure::{Failure, print};
use crate::host::Host;
use crate::logging;

/// Reads once and prints. Ends as monitoring plugins do: 0 ok, 1 warning, 2 critical, 3 unknown, a
/// wrong configuration included.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    logging::start_quiet(matches);
    let limit = matches
        .get_one::<Duration>("directories-deadline")
        .copied()
        .unwrap_or_default();
    let host = Host::load(matches).map_err(Failure::into_unknown)?;
    let storage = host.storage(matches).map_err(Failure::into_unknown)?;
    let report = read(&host, &storage, limit).map_err(Failure::into_unknown)?;
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

fn read(host: &Host, storage: &Storage, limit: Duration) -> Result<Report, Failure> {
    let failed = |error: ReadError| Failure::failed(error.to_string());
    let layout = storage.layout().map_err(failed)?;
    let filesystems = storage.filesystems(layout).map_err(failed)?;
    let states = tier_states(&filesystems);
    let directories = directories(host, &filesystems, &states, limit);
    Ok(Report::new(
        &host.context.tiers,
        &filesystems,
        &states,
        &directories,
    ))
}

/// Measures the budgeted directories, each on its own thread, all within `limit`. Those of a tier that
/// is down are not looked at: what lies there is another filesystem's, or does not answer.
fn directories(
    host: &Host,
    filesystems: &Filesystems,
    states: &[TierState],
    limit: Duration,
) -> BTreeMap<PathBuf, Result<u64, String>> {
    let (send, receive) = std::sync::mpsc::channel();
    let mut known = BTreeMap::new();
    let mut pending = 0;
    for (tier, state) in host.context.tiers.iter().zip(states) {
        for budget in &tier.directories {
            let mounted = filesystems.layout.table.holding(&budget.path).is_some();
            if !mounted || matches!(state, TierState::Down { .. }) {
                known.insert(budget.path.clone(), Err("its tier is down".to_owned()));
                continue;
            }
            let late = format!("it was not measured within {}", format_duration(limit));
            known.insert(budget.path.clone(), Err(late));
            let (send, path) = (send.clone(), budget.path.clone());
            let walk = move || {
                let used = usage(&path);
                // Too late: nobody waits any more.
                let _ = send.send((path, used));
            };
            match std::thread::Builder::new().name("walk".into()).spawn(walk) {
                Ok(_) => pending += 1,
                Err(error) => {
                    known.insert(
                        budget.path.clone(),
                        Err(format!("cannot start a thread: {error}")),
                    );
                }
            }
        }
    }
    let deadline = std::time::Instant::now() + limit;
    while pending > 0 {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let Ok((path, used)) = receive.recv_timeout(left) else {
            break;
        };
        known.insert(path, used);
        pending -= 1;
    }
    known
}

fn usage(path: &Path) -> Result<u64, String> {
    tree::measure(path)
        .map(|usage| usage.allocated)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;

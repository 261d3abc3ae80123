//! `tidegauge check rules`: says what is wrong or odd in rule files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use tidegauge_alerts::feed;
use tidegauge_alerts::rule::{GroupSpec, Known, parse, warnings};
use tidegauge_exporter::collector::COLLECTORS;
use tidegauge_exporter::sampling::self_metrics;
use tidegauge_model::metric::FamilySpec;
use tidegauge_web::stats;

use crate::failure::{Failure, print};
use crate::{host, reload, sidecar};

/// Checks the files that are named, together: a rule may look at what one of another file records.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for path in matches.get_many::<PathBuf>("file").into_iter().flatten() {
        match read(path) {
            Ok(groups) => right.push((path.clone(), groups)),
            Err(messages) => wrong.extend(messages),
        }
    }
    let families = families();
    let kept = match matches.get_one::<Duration>("kept") {
        Some(kept) => *kept,
        None => host::config(matches)?.1.window.max_range,
    };
    let known = Known {
        families: &families,
        kept: Some(kept),
    };
    let odd = warnings(&right, known);
    for (path, groups) in &right {
        for (_, problem) in odd.iter().filter(|(of, _)| of == path) {
            let mut problem = problem.clone();
            problem.message.insert_str(0, "warning: ");
            print(&format!("{}\n", problem.show(path)))?;
        }
        let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
        let plural = if rules == 1 { "" } else { "s" };
        print(&format!("{}: ok, {rules} rule{plural}\n", path.display()))?;
    }
    if !wrong.is_empty() {
        return Err(Failure::usage(wrong.join("\n")));
    }
    Ok(match matches.get_flag("strict") && !odd.is_empty() {
        true => ExitCode::from(1),
        false => ExitCode::SUCCESS,
    })
}

fn read(path: &Path) -> Result<Vec<GroupSpec>, Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let path = path.display();
        vec![format!(
            "cannot read {path}: {error}; check the name and its rights"
        )]
    })?;
    parse(&text).map_err(|problems| problems.iter().map(|problem| problem.show(path)).collect())
}

/// All that exporter and sidecar may show.
fn families() -> Vec<&'static FamilySpec> {
    let collectors = COLLECTORS.iter().flat_map(|collector| collector.families);
    let own = [
        self_metrics::FAMILIES,
        stats::FAMILIES,
        reload::FAMILIES,
        sidecar::families::FAMILIES,
        feed::FAMILIES,
    ];
    collectors
        .chain(own.into_iter().flatten())
        .copied()
        .collect()
}

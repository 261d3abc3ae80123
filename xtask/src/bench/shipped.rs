//! The rules that ship: their files, and how far back they look.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tidegauge_alerts::rule::{GroupSpec, parse};
use tidegauge_alerts::window::Demand;
use tidegauge_promql::Labels;

/// The rule files that ship, without their tests.
pub fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("rules"))? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".yml") && !name.ends_with(".test.yml") {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), "there are no rules");
    files.sort();
    Ok(files)
}

/// Their groups.
pub fn groups(files: &[PathBuf]) -> Result<Vec<GroupSpec>> {
    let mut groups = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let parsed = parse(&text).map_err(|problems| {
            let shown: Vec<_> = problems.iter().map(|problem| problem.show(file)).collect();
            anyhow!(shown.join("\n"))
        })?;
        groups.extend(parsed);
    }
    Ok(groups)
}

/// What their queries ask for.
pub fn demands(groups: &[GroupSpec]) -> Vec<Demand> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let selectors = rules.flat_map(|rule| rule.query.selectors());
    selectors
        .map(|selector| Demand {
            matchers: selector.matchers.clone(),
            keep: selector.reach,
        })
        .collect()
}

/// How far back a series is looked at; `least` when nothing looks further.
pub fn reach(demands: &[Demand], labels: &Labels, least: Duration) -> Duration {
    let asked = demands
        .iter()
        .filter(|demand| labels.matches(&demand.matchers));
    asked.map(|demand| demand.keep).fold(least, Duration::max)
}

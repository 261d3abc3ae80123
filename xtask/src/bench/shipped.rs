//! The rules that ship: their files, and how far back they look.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tidegauge::builtin_rules::RULE_FILES;
use tidegauge::config::Config;
use tidegauge::sidecar::Plan;
use tidegauge_alerts::window::Demand;
use tidegauge_promql::Labels;

/// The rule files that ship, for a program that has them not built in.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let files = RULE_FILES.iter();
    files.map(|f| root.join("rules").join(f.name)).collect()
}

/// What a sidecar makes of them when its configuration is empty.
pub fn plan() -> Result<Plan> {
    Plan::of(&Config::default(), None).map_err(|failure| anyhow!(failure.to_string()))
}

/// How far back a series is looked at; `least` when nothing looks further.
pub fn reach(demands: &[Demand], labels: &Labels, least: Duration) -> Duration {
    let asked = demands
        .iter()
        .filter(|demand| labels.matches(&demand.matchers));
    asked.map(|demand| demand.keep).fold(least, Duration::max)
}

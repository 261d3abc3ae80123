//! What the sidecar is to do, checked whole before anything of it is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegauge_alerts::feed;
use tidegauge_alerts::rule::{GroupSpec, LOOKBACK, parse};
use tidegauge_alerts::window::{Demand, Settings};
use tidegauge_model::units::format_duration;

use crate::builtin_rules::RULE_FILES;
use crate::config::Config;
use crate::config::sidecar::Global;
use crate::failure::Failure;

/// Groups by the file that they stand in.
pub type Files = Vec<(Arc<str>, Vec<GroupSpec>)>;

/// All that a configuration says of the sidecar.
pub struct Plan {
    /// Groups by file.
    pub groups: Files,
    /// What is scraped.
    pub feeds: feed::Settings,
    /// How much is kept.
    pub window: Settings,
    /// What the rules need to be kept.
    pub demands: Vec<Demand>,
    /// Intervals and external labels.
    pub global: Global,
}

impl Plan {
    /// Of a configuration; reads the rule files. `host` is the exporter of this process.
    pub fn of(config: &Config, host: Option<feed::HostFeed>) -> Result<Self, Failure> {
        let groups = match &config.rules {
            None => built_in(),
            Some(files) => read(files)?,
        };
        let furthest = config.window.max_range;
        let mut too_far = Vec::new();
        let mut demands = Vec::new();
        for (file, rule) in groups
            .iter()
            .flat_map(|(file, groups)| groups.iter().map(move |group| (file, group)))
            .flat_map(|(file, group)| group.rules.iter().map(move |rule| (file, rule)))
        {
            for selector in rule.query.selectors() {
                if selector.reach > furthest.max(LOOKBACK) {
                    too_far.push(format!(
                        "{file}: rule \"{}\" looks back {}, further than window.max_range, {} (shorten its range, or raise the limit)",
                        rule.name,
                        format_duration(selector.reach),
                        format_duration(furthest)
                    ));
                }
                demands.push(Demand {
                    matchers: selector.matchers.clone(),
                    keep: selector.reach,
                });
            }
        }
        if !too_far.is_empty() {
            return Err(Failure::usage(too_far.join("\n")));
        }
        let feeds = feed::Settings {
            host,
            ..config.feeds.clone()
        };
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            groups,
            feeds,
            window: Settings {
                retention: config.window.retention,
                max_bytes: size(config.window.max_bytes),
                max_series: size(config.window.max_series),
            },
            demands,
            global: config.global.clone(),
        })
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        let groups = self.groups.iter().flat_map(|(_, groups)| groups);
        groups.map(|group| group.rules.len()).sum()
    }
}

fn built_in() -> Files {
    let parsed = RULE_FILES.iter().filter_map(|file| {
        // A test reads them all: what ships has no mistake.
        let groups = parse(file.text).ok()?;
        Some((Arc::from(format!("built-in/{}", file.name)), groups))
    });
    parsed.collect()
}

fn read(files: &[PathBuf]) -> Result<Files, Failure> {
    let (mut groups, mut wrong) = (Vec::new(), Vec::new());
    for file in files {
        match read_one(file) {
            Ok(read) => groups.push((Arc::from(file.display().to_string()), read)),
            Err(mistakes) => wrong.push(mistakes),
        }
    }
    if wrong.is_empty() {
        Ok(groups)
    } else {
        Err(Failure::usage(wrong.join("\n")))
    }
}

fn read_one(file: &Path) -> Result<Vec<GroupSpec>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        format!(
            "cannot read {}: {error}; check the name and its rights",
            file.display()
        )
    })?;
    parse(&text).map_err(|problems| {
        let shown: Vec<_> = problems.iter().map(|problem| problem.show(file)).collect();
        shown.join("\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_ships_is_built_in() {
        let plan = Plan::of(&Config::default(), None).unwrap();
        assert_eq!(plan.groups.len(), RULE_FILES.len());
        assert!(plan.rules() > 50 && !plan.demands.is_empty());
    }

    #[test]
    fn a_rule_that_looks_too_far_back_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("a.yml");
        let text = "groups: [{name: g, rules: [{record: a:b, expr: 'rate(a[2h] offset 1h)'}]}]\n";
        std::fs::write(&rules, text).unwrap();
        let mut config = Config::default();
        config.rules = Some(vec![rules.clone()]);
        assert!(Plan::of(&config, None).is_ok());
        config.window.max_range = std::time::Duration::from_secs(3600);
        let error = Plan::of(&config, None).err().unwrap().to_string();
        assert!(error.contains("rule \"a:b\" looks back 3h"), "{error}");
        std::fs::write(&rules, "groups: [{name: g, rules: [{record: 'a b'}]}]\n").unwrap();
        let error = Plan::of(&config, None).err().unwrap().to_string();
        assert!(error.contains("a.yml:1:"), "{error}");
    }
}

//! `tidegauge.yml`: read strictly, every mistake told with its line and a hint.

mod expect;
mod feeds;
mod problem;
mod raw;
pub mod sidecar;
mod tiers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidegauge_alerts::feed;
use tidegauge_exporter::collector::{COLLECTORS, CollectorSpec};
use tidegauge_exporter::settings::Settings;
use tidegauge_model::tier::Tier;

pub use self::problem::{ConfigError, Problem};
use self::raw::{RawCollectors, RawConfig};

/// A configuration file that holds together.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where the sidecar keeps what it must not forget.
    pub state_dir: Option<PathBuf>,
    /// The tiers, hottest first; `None` when they are to be discovered.
    pub tiers: Option<Vec<Tier>>,
    /// Line of each tier, for messages that come later.
    pub tier_lines: Vec<u64>,
    /// What was set for each collector.
    pub collectors: BTreeMap<&'static str, CollectorConfig>,
    /// Intervals and external labels.
    pub global: sidecar::Global,
    /// How much of the past is kept.
    pub window: sidecar::Window,
    /// The rule files; `None` for those that are built in.
    pub rules: Option<Vec<PathBuf>>,
    rule_patterns: Option<Vec<raw::Text>>,
    /// The exporters that the sidecar scrapes.
    pub feeds: feed::Settings,
    /// What is no mistake, and better done in another way.
    pub warnings: Vec<Problem>,
}

/// What was set for one collector.
#[derive(Clone, Debug, Default)]
pub struct CollectorConfig {
    /// `enabled`, where given.
    pub enabled: Option<bool>,
    /// All settings, at their defaults where not given.
    pub settings: Settings,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let wrong = |problems| ConfigError::Wrong {
            path: path.to_owned(),
            problems,
        };
        let mut config = Self::parse(&text).map_err(wrong)?;
        let mut problems = Vec::new();
        let folder = path.parent().unwrap_or(Path::new(""));
        config.rules = config
            .rule_patterns
            .as_ref()
            .map(|patterns| sidecar::rules(patterns, folder, &mut problems));
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(wrong(problems))
        }
    }

    /// Checks the text of a file; every mistake found, in the order of their lines. Files that it names are not
    /// looked for.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let raw: RawConfig = if text
            .lines()
            .all(|line| line.trim_start().starts_with('#') || line.trim().is_empty())
        {
            // A file of comments only says nothing, which is no mistake.
            RawConfig::default()
        } else {
            raw::parse(text).map_err(|problem| vec![problem])?
        };
        let mut problems = Vec::new();
        for (name, section) in raw.later_sections() {
            problems.push(Problem::at(
                section,
                format!(
                    "section `{name}` belongs to the sidecar, which this version does not have"
                ),
                "remove the section; what it asks for would not happen",
            ));
        }
        let state_dir = raw.state_dir.as_ref().and_then(|dir| {
            tiers::absolute(dir)
                .map_err(|problem| problems.push(problem))
                .ok()
        });
        let (tiers, tier_lines) = match &raw.tiers {
            None => (None, Vec::new()),
            Some(list) => {
                let (tiers, lines) = tiers::check(list, &mut problems);
                (Some(tiers), lines)
            }
        };
        let collectors = collectors(&raw.collectors, &mut problems);
        let global = sidecar::global(raw.global.as_ref(), &mut problems);
        let window = sidecar::window(raw.window.as_ref(), &mut problems);
        let mut warnings = Vec::new();
        let mut findings = feeds::Findings {
            problems: &mut problems,
            warnings: &mut warnings,
        };
        let feeds = feeds::check(&raw.feeds, &global, &mut findings);
        if problems.is_empty() {
            Ok(Self {
                state_dir,
                tiers,
                tier_lines,
                collectors,
                global,
                window,
                rules: None,
                rule_patterns: raw.rules,
                feeds,
                warnings,
            })
        } else {
            problems.sort_by_key(|p| (p.line, p.column));
            Err(problems)
        }
    }
}

fn collectors(
    raw: &RawCollectors,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'static str, CollectorConfig> {
    let mut all = BTreeMap::new();
    for (name, section) in raw {
        let Some(spec) = COLLECTORS.iter().find(|c| c.name == name) else {
            let known: Vec<_> = COLLECTORS.iter().map(|c| c.name).collect();
            let hint = format!("known collectors: {}", known.join(", "));
            problems.push(Problem::at(
                section,
                format!("there is no collector `{name}`"),
                hint,
            ));
            continue;
        };
        let mut config = CollectorConfig {
            enabled: None,
            settings: Settings::defaults(spec.settings),
        };
        for (key, value) in &section.value {
            if let Err(problem) = set(spec, &mut config, key, value) {
                problems.push(problem);
            }
        }
        all.insert(spec.name, config);
    }
    all
}

fn set(
    spec: &'static CollectorSpec,
    config: &mut CollectorConfig,
    key: &str,
    value: &raw::Text,
) -> Result<(), Problem> {
    if key == "enabled" {
        let enabled = value.value.0.parse().map_err(|_| {
            Problem::at(
                value,
                format!("`{}` is not true or false", value.value.0),
                "write true or false",
            )
        })?;
        config.enabled = Some(enabled);
        return Ok(());
    }
    let Some(setting) = spec.settings.iter().find(|s| s.key == key) else {
        let known: Vec<_> = ["enabled"]
            .into_iter()
            .chain(spec.settings.iter().map(|s| s.key))
            .collect();
        return Err(Problem::at(
            value,
            format!("collector `{}` has no setting `{key}`", spec.name),
            format!("its settings: {}", known.join(", ")),
        ));
    };
    config
        .settings
        .set(setting, &value.value.0)
        .map_err(|error| Problem::at(value, format!("{}.{key}: {error}", spec.name), setting.help))
}

#[cfg(test)]
mod tests;

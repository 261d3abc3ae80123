//! Checks what a configuration file says of the sidecar: `global`, `window`, `rules`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_saphyr::Spanned;
use tidegauge_model::units::{Bytes, format_duration, parse_duration};

use super::problem::Problem;
use super::raw::{RawGlobal, RawWindow, Text};
use super::tiers::unit;

/// How samples are taken in and rules are evaluated. The keys and defaults of prometheus.yml's `global`, but for the
/// intervals, which are 15 s here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Between two scrapes of a feed that says nothing else.
    pub scrape_interval: Duration,
    /// After which a scrape has failed.
    pub scrape_timeout: Duration,
    /// Between two evaluations of a group that says nothing else.
    pub evaluation_interval: Duration,
    /// Labels that alerts carry to others, and templates see as `$externalLabels`.
    pub external_labels: BTreeMap<String, String>,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            scrape_interval: Duration::from_secs(15),
            scrape_timeout: Duration::from_secs(10),
            evaluation_interval: Duration::from_secs(15),
            external_labels: BTreeMap::new(),
        }
    }
}

/// How much of the past is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// How long every series is kept for queries; rules have theirs kept for as long as they look back.
    pub retention: Duration,
    /// The furthest that a rule may look back.
    pub max_range: Duration,
    /// Most bytes of samples.
    pub max_bytes: u64,
    /// Most series.
    pub max_series: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(30 * 60),
            max_range: Duration::from_secs(7 * 24 * 3600),
            max_bytes: 256 << 20,
            max_series: 1_000_000,
        }
    }
}

/// Checks `global`.
pub fn global(raw: Option<&Spanned<RawGlobal>>, problems: &mut Vec<Problem>) -> Global {
    let default = Global::default();
    let Some(raw) = raw else { return default };
    let mut read = |text: &Option<Text>, default| duration(text.as_ref(), default, problems);
    let scrape_interval = read(&raw.value.scrape_interval, default.scrape_interval);
    let evaluation_interval = read(&raw.value.evaluation_interval, default.evaluation_interval);
    // As Prometheus has it: who shortens the interval only means no time-out beyond it.
    let shortest = default.scrape_timeout.min(scrape_interval);
    let scrape_timeout = read(&raw.value.scrape_timeout, shortest);
    if scrape_timeout > scrape_interval {
        problems.push(Problem::at(
            raw,
            format!(
                "scrape_timeout {} is longer than scrape_interval {}",
                format_duration(scrape_timeout),
                format_duration(scrape_interval)
            ),
            "a scrape must end before the next one begins",
        ));
    }
    let mut external_labels = BTreeMap::new();
    for (name, value) in &raw.value.external_labels {
        if name.is_empty() || name.starts_with("__") {
            problems.push(Problem::at(
                value,
                format!("`{name}` cannot be an external label"),
                "a name that is not empty and does not begin with `__`",
            ));
        }
        external_labels.insert(name.clone(), value.value.0.clone());
    }
    Global {
        scrape_interval,
        scrape_timeout,
        evaluation_interval,
        external_labels,
    }
}

/// Checks `window`.
pub fn window(raw: Option<&Spanned<RawWindow>>, problems: &mut Vec<Problem>) -> Window {
    let default = Window::default();
    let Some(raw) = raw else { return default };
    let raw = &raw.value;
    let mut read = |text: &Option<Text>, default| duration(text.as_ref(), default, problems);
    let retention = read(&raw.retention, default.retention);
    let max_range = read(&raw.max_range, default.max_range);
    let max_bytes = match &raw.max_bytes {
        None => default.max_bytes,
        Some(text) => match Bytes::parse(&text.value.0) {
            Ok(bytes) if bytes.0 > 0 => bytes.0,
            Ok(_) => refuse(text, problems),
            Err(error) => {
                problems.push(unit(text, &error));
                0
            }
        },
    };
    let max_series = match &raw.max_series {
        None => default.max_series,
        Some(text) => match text.value.0.parse() {
            Ok(count) if count > 0 => count,
            _ => refuse(text, problems),
        },
    };
    Window {
        retention,
        max_range,
        max_bytes,
        max_series,
    }
}

fn refuse(text: &Text, problems: &mut Vec<Problem>) -> u64 {
    problems.push(Problem::at(
        text,
        format!("`{}` is no number above nothing", text.value.0),
        "leave it out for the default",
    ));
    0
}

fn duration(text: Option<&Text>, default: Duration, problems: &mut Vec<Problem>) -> Duration {
    let Some(text) = text else { return default };
    match parse_duration(&text.value.0) {
        Ok(duration) if !duration.is_zero() => return duration,
        Ok(_) => problems.push(Problem::at(text, "no time at all", "such as 15s")),
        Err(error) => problems.push(unit(text, &error)),
    }
    default
}

/// The rule files that the patterns name, without tests, sorted, each once; relative patterns start at the
/// configuration's folder.
pub fn rules(patterns: &[Text], folder: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for text in patterns {
        let pattern = folder.join(&text.value.0);
        let found = pattern
            .to_str()
            .ok_or_else(|| "the path of the configuration is no text".to_owned())
            .and_then(|pattern| glob::glob(pattern).map_err(|error| error.to_string()));
        match found {
            Err(error) => problems.push(Problem::at(
                text,
                format!("`{}` is no pattern: {error}", text.value.0),
                "such as /etc/tidegauge/rules/*.yml",
            )),
            Ok(paths) => {
                let before = files.len();
                files.extend(paths.filter_map(Result::ok).filter(|path| !is_test(path)));
                // A pattern that finds nothing may be meant for later; a name is meant now.
                if files.len() == before && !text.value.0.contains(['*', '?', '[']) {
                    problems.push(Problem::at(
                        text,
                        format!("there is no rule file {}", pattern.display()),
                        "check the name; relative names start at the configuration's folder",
                    ));
                }
            }
        }
    }
    files.sort();
    files.dedup();
    files
}

fn is_test(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.ends_with(".test.yml") || name.ends_with(".test.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn problems(text: &str) -> String {
        let problems = Config::parse(text).expect_err("the text is wrong");
        let shown = problems.iter().map(|p| p.show(Path::new("t.yml")));
        shown.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_said_and_what_is_not() {
        let config = Config::parse(
            "global: {scrape_interval: 5s, external_labels: {site: a}}\nwindow: {retention: 2h, max_bytes: 1MiB}\n",
        )
        .unwrap();
        assert_eq!(config.global.scrape_interval, Duration::from_secs(5));
        assert_eq!(config.global.scrape_timeout, Duration::from_secs(5));
        assert_eq!(config.global.external_labels["site"], "a");
        assert_eq!(config.window.retention, Duration::from_secs(7200));
        assert_eq!(config.window.max_bytes, 1 << 20);
        assert_eq!(config.window.max_series, Window::default().max_series);
    }

    #[test]
    fn mistakes_have_their_lines() {
        let text = "global:\n  scrape_timeout: 1m\n  evaluation_interval: 0s\n  external_labels: {__a: b}\nwindow:\n  max_series: 0\n  max_bytes: much\n";
        let said = problems(text);
        for (line, part) in [
            (2, "scrape_timeout 1m is longer than scrape_interval 15s"),
            (3, "no time at all"),
            (4, "`__a` cannot be an external label"),
            (6, "`0` is no number above nothing"),
            (7, "much"),
        ] {
            let found = said
                .lines()
                .any(|l| l.starts_with(&format!("t.yml:{line}:")) && l.contains(part));
            assert!(found, "{line} {part}\n{said}");
        }
    }

    #[test]
    fn rule_files_by_pattern_without_tests() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yml", "a.test.yml"] {
            std::fs::write(folder.path().join(name), "groups: []\n").unwrap();
        }
        let file = folder.path().join("tidegauge.yml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Config::load(&file)
        };
        let config = load("rules: ['[ab]*.yml', a.yml, none/*.yml]\n").unwrap();
        let names: Vec<_> = config.rules.unwrap();
        assert_eq!(
            names,
            ["a.yml", "b.yml"].map(|name| folder.path().join(name))
        );
        assert_eq!(load("state_dir: /s\n").unwrap().rules, None);
        let error = load("state_dir: /s\nrules: [none.yml]\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(":2:") && error.contains("there is no rule file"),
            "{error}"
        );
    }
}

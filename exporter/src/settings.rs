//! The settings of collectors: one table makes flags, configuration keys and documentation.

use std::collections::BTreeMap;
use std::time::Duration;

use regex_lite::Regex;
use thiserror::Error;
use tidegauge_model::units::{UnitError, parse_duration};

/// What kind of value a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A regular expression; empty matches nothing.
    Pattern,
    /// A duration as Prometheus writes it, at least a second.
    Duration,
    /// A whole number from 1 on.
    Count {
        /// The greatest that is taken.
        most: usize,
    },
}

/// One setting of a collector. Its key is that of the configuration file; the flag is
/// `--collector.<collector>.<key with dashes>`.
#[derive(Debug)]
pub struct Setting {
    /// Key, in snake case.
    pub key: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// What it takes.
    pub kind: SettingKind,
    /// Its default, as it would be written.
    pub default: &'static str,
}

/// A value that its setting does not take.
#[derive(Debug, Error)]
pub enum SettingError {
    /// Not a regular expression.
    #[error("`{value}` is not a regular expression: {reason}")]
    Pattern {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] UnitError),
    /// A duration too short.
    #[error("`{0}` is too short: at least 1s")]
    TooShort(String),
    /// Not a number in its range.
    #[error("`{value}` is not a number from 1 to {most}")]
    Count {
        /// What was given.
        value: String,
        /// The greatest that is taken.
        most: usize,
    },
}

#[derive(Clone, Debug)]
enum SettingValue {
    Pattern(Option<Regex>),
    Duration(Duration),
    Count(usize),
}

/// Checked values of a collector's settings.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<&'static str, SettingValue>);

impl Settings {
    /// All at their defaults.
    pub fn defaults(table: &'static [Setting]) -> Self {
        let mut settings = Self::default();
        for setting in table {
            // Defaults are checked by a test; one that were wrong would be as if it were not set.
            let _ = settings.set(setting, setting.default);
        }
        settings
    }

    /// Checks and takes a value.
    pub fn set(&mut self, setting: &'static Setting, value: &str) -> Result<(), SettingError> {
        let checked = match setting.kind {
            SettingKind::Pattern if value.is_empty() => SettingValue::Pattern(None),
            SettingKind::Pattern => {
                SettingValue::Pattern(Some(Regex::new(value).map_err(|e| {
                    SettingError::Pattern {
                        value: value.to_owned(),
                        reason: e.to_string(),
                    }
                })?))
            }
            SettingKind::Duration => {
                let duration = parse_duration(value)?;
                if duration < Duration::from_secs(1) {
                    return Err(SettingError::TooShort(value.to_owned()));
                }
                SettingValue::Duration(duration)
            }
            SettingKind::Count { most } => match value.parse() {
                Ok(count) if (1..=most).contains(&count) => SettingValue::Count(count),
                _ => {
                    return Err(SettingError::Count {
                        value: value.to_owned(),
                        most,
                    });
                }
            },
        };
        self.0.insert(setting.key, checked);
        Ok(())
    }

    /// Whether the pattern of this key matches; `unset` when there is none.
    pub fn matches(&self, key: &str, text: &str, unset: bool) -> bool {
        match self.0.get(key) {
            Some(SettingValue::Pattern(Some(pattern))) => pattern.is_match(text),
            _ => unset,
        }
    }

    /// Whether a name passes the pair of patterns `<stem>_include` and `<stem>_exclude`: it matches
    /// the first, where that is set, and does not match the second.
    pub fn selects(&self, include: &str, exclude: &str, text: &str) -> bool {
        self.matches(include, text, true) && !self.matches(exclude, text, false)
    }

    /// The duration of this key.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        match self.0.get(key) {
            Some(SettingValue::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    /// The number of this key.
    pub fn count(&self, key: &str) -> Option<usize> {
        match self.0.get(key) {
            Some(SettingValue::Count(count)) => Some(*count),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: [Setting; 4] = [
        Setting {
            key: "in",
            help: "",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "out",
            help: "",
            kind: SettingKind::Pattern,
            default: "^loop",
        },
        Setting {
            key: "interval",
            help: "",
            kind: SettingKind::Duration,
            default: "5m",
        },
        Setting {
            key: "threads",
            help: "",
            kind: SettingKind::Count { most: 64 },
            default: "2",
        },
    ];

    #[test]
    fn include_and_exclude() {
        let mut settings = Settings::defaults(&TABLE);
        assert!(settings.selects("in", "out", "sda"));
        assert!(!settings.selects("in", "out", "loop0"));
        settings.set(&TABLE[0], "^sd").unwrap();
        settings.set(&TABLE[1], "").unwrap();
        assert!(settings.selects("in", "out", "sda") && !settings.selects("in", "out", "loop0"));
        assert_eq!(
            settings.duration("interval"),
            Some(Duration::from_secs(300))
        );
        assert_eq!(settings.count("threads"), Some(2));
    }

    #[test]
    fn wrong_values_are_refused_with_the_reason() {
        let mut settings = Settings::default();
        assert!(
            settings
                .set(&TABLE[0], "(")
                .unwrap_err()
                .to_string()
                .starts_with("`(` is not a regular expression")
        );
        assert!(
            settings
                .set(&TABLE[2], "5")
                .unwrap_err()
                .to_string()
                .contains("not a duration")
        );
        assert_eq!(
            settings.set(&TABLE[2], "10ms").unwrap_err().to_string(),
            "`10ms` is too short: at least 1s"
        );
        for value in ["0", "65", "-1", "two", ""] {
            assert_eq!(
                settings.set(&TABLE[3], value).unwrap_err().to_string(),
                format!("`{value}` is not a number from 1 to 64")
            );
        }
    }
}

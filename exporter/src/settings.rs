//! The settings of collectors: one table makes flags, configuration keys and documentation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex_lite::Regex;
use thiserror::Error;
use tidegauge_model::units::{UnitError, parse_duration};

use crate::device::sysctl::{Sysctl, SysctlError};

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
    /// The path of a file, or nothing.
    Path,
    /// Words, parted by commas; may be none.
    Words,
    /// Settings of the kernel with what they should be, parted by commas; may be none.
    Sysctls,
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
    /// Not a setting of the kernel with what it should be.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The same twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// Not a path from the root.
    #[error("`{0}` is not an absolute path")]
    Relative(String),
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
    Path(Option<PathBuf>),
    Words(Vec<String>),
    Sysctls(Vec<Sysctl>),
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
            SettingKind::Path if value.is_empty() => SettingValue::Path(None),
            SettingKind::Path if !value.starts_with('/') => {
                return Err(SettingError::Relative(value.to_owned()));
            }
            SettingKind::Path => SettingValue::Path(Some(value.into())),
            SettingKind::Words => SettingValue::Words(
                value
                    .split(',')
                    .map(str::trim)
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            SettingKind::Sysctls => SettingValue::Sysctls(sysctls(value)?),
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

    /// The path of this key, when one is set.
    pub fn path(&self, key: &str) -> Option<&Path> {
        match self.0.get(key) {
            Some(SettingValue::Path(path)) => path.as_deref(),
            _ => None,
        }
    }

    /// The settings of the kernel that this key names.
    pub fn sysctls(&self, key: &str) -> &[Sysctl] {
        match self.0.get(key) {
            Some(SettingValue::Sysctls(sysctls)) => sysctls,
            _ => &[],
        }
    }

    /// The words of this key.
    pub fn words(&self, key: &str) -> &[String] {
        match self.0.get(key) {
            Some(SettingValue::Words(words)) => words,
            _ => &[],
        }
    }
}

fn sysctls(value: &str) -> Result<Vec<Sysctl>, SettingError> {
    let mut all = Vec::new();
    for line in value.split(',').filter(|line| !line.trim().is_empty()) {
        let sysctl = Sysctl::parse(line)?;
        if all.contains(&sysctl) {
            return Err(SettingError::Twice(sysctl.to_string()));
        }
        all.push(sysctl);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: [Setting; 6] = [
        Setting {
            key: "command",
            help: "",
            kind: SettingKind::Path,
            default: "",
        },
        Setting {
            key: "operations",
            help: "",
            kind: SettingKind::Words,
            default: "READ, WRITE",
        },
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
        settings.set(&TABLE[2], "^sd").unwrap();
        settings.set(&TABLE[3], "").unwrap();
        assert!(settings.selects("in", "out", "sda") && !settings.selects("in", "out", "loop0"));
        assert_eq!(
            settings.duration("interval"),
            Some(Duration::from_secs(300))
        );
        assert_eq!(settings.count("threads"), Some(2));
    }

    #[test]
    fn paths_and_words() {
        let mut settings = Settings::defaults(&TABLE);
        assert_eq!(settings.path("command"), None);
        assert_eq!(settings.words("operations"), ["READ", "WRITE"]);
        settings.set(&TABLE[0], "/usr/sbin/smartctl").unwrap();
        settings.set(&TABLE[1], " ,").unwrap();
        assert_eq!(
            settings.path("command"),
            Some(Path::new("/usr/sbin/smartctl"))
        );
        assert_eq!(settings.words("operations"), [""; 0]);
        assert_eq!(
            settings.set(&TABLE[0], "smartctl").unwrap_err().to_string(),
            "`smartctl` is not an absolute path"
        );
    }

    #[test]
    fn settings_of_the_kernel() {
        static SYSCTL: Setting = Setting {
            key: "sysctl",
            help: "",
            kind: SettingKind::Sysctls,
            default: "",
        };
        let mut settings = Settings::defaults(std::slice::from_ref(&SYSCTL));
        assert!(settings.sysctls("sysctl").is_empty());
        settings.set(&SYSCTL, "vm.a = 1, vm.b>=2,").unwrap();
        let shown: Vec<_> = settings
            .sysctls("sysctl")
            .iter()
            .map(Sysctl::to_string)
            .collect();
        assert_eq!(shown, ["vm.a=1", "vm.b>=2"]);
        let error = settings.set(&SYSCTL, "vm.a=1,vm.a= 1").unwrap_err();
        assert_eq!(error.to_string(), "`vm.a=1` is given twice");
        assert!(settings.set(&SYSCTL, "vm/../../etc/passwd=1").is_err());
    }

    #[test]
    fn wrong_values_are_refused_with_the_reason() {
        let mut settings = Settings::default();
        assert!(
            settings
                .set(&TABLE[2], "(")
                .unwrap_err()
                .to_string()
                .starts_with("`(` is not a regular expression")
        );
        assert!(
            settings
                .set(&TABLE[4], "5")
                .unwrap_err()
                .to_string()
                .contains("not a duration")
        );
        assert_eq!(
            settings.set(&TABLE[4], "10ms").unwrap_err().to_string(),
            "`10ms` is too short: at least 1s"
        );
        for value in ["0", "65", "-1", "two", ""] {
            assert_eq!(
                settings.set(&TABLE[5], value).unwrap_err().to_string(),
                format!("`{value}` is not a number from 1 to 64")
            );
        }
    }
}

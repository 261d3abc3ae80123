//! The file as it is written, before its values are checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::feeds::raw::{RawFeed, instead_of};
use super::problem::Problem;

/// A scalar as its text: `5m`, `true` and `80` alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(pub String);

/// A scalar with its place.
pub type Text = Spanned<Scalar>;

/// Settings by collector and key.
pub type RawCollectors = BTreeMap<String, Spanned<BTreeMap<String, Text>>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    pub state_dir: Option<Text>,
    pub tiers: Option<Spanned<Vec<Spanned<RawTier>>>>,
    #[serde(default)]
    pub collectors: RawCollectors,
    pub global: Option<Spanned<RawGlobal>>,
    pub window: Option<Spanned<RawWindow>>,
    pub rules: Option<Vec<Text>>,
    #[serde(default)]
    pub feeds: Vec<Spanned<RawFeed>>,
    alerting: Option<Spanned<IgnoredAny>>,
    actions: Option<Spanned<IgnoredAny>>,
    layout: Option<Spanned<IgnoredAny>>,
}

/// The section `global`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawGlobal {
    pub scrape_interval: Option<Text>,
    pub scrape_timeout: Option<Text>,
    pub evaluation_interval: Option<Text>,
    #[serde(default)]
    pub external_labels: BTreeMap<String, Text>,
}

/// The section `window`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWindow {
    pub retention: Option<Text>,
    pub max_range: Option<Text>,
    pub max_bytes: Option<Text>,
    pub max_series: Option<Text>,
}

/// One entry of `tiers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTier {
    pub name: Text,
    #[serde(default)]
    pub paths: Vec<Text>,
    #[serde(default)]
    pub devices: Vec<Text>,
    pub thresholds: Option<Spanned<RawThresholds>>,
    #[serde(default)]
    pub require_mount: bool,
    #[serde(default)]
    pub directories: Vec<RawDirectory>,
    #[serde(default)]
    pub expect: RawExpect,
}

/// A tier's `thresholds`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawThresholds {
    pub clear: Option<Text>,
    pub warning: Option<Text>,
    pub critical: Option<Text>,
}

/// A tier's `expect`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExpect {
    pub scheduler: Option<Text>,
    pub read_ahead: Option<Text>,
    pub write_cache: Option<Text>,
    #[serde(default)]
    pub mount_options: Vec<Text>,
    pub trim_within: Option<Text>,
}

/// One entry of a tier's `directories`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDirectory {
    pub path: Text,
    pub budget: Text,
    #[serde(default)]
    pub ages: Vec<Text>,
}

impl RawConfig {
    /// Sections of the contract whose part of the program does not exist yet.
    pub fn later_sections(&self) -> impl Iterator<Item = (&'static str, &Spanned<IgnoredAny>)> {
        [
            ("alerting", &self.alerting),
            ("actions", &self.actions),
            ("layout", &self.layout),
        ]
        .into_iter()
        .filter_map(|(name, section)| Some((name, section.as_ref()?)))
    }
}

/// Parses the text, strictly: unknown and repeated keys are mistakes.
pub fn parse(text: &str) -> Result<RawConfig, Problem> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error
            .location()
            .map_or((0, 0), |place| (place.line(), place.column()));
        let message = error.to_string();
        match unknown_key(&message).and_then(|key| Some((key, instead_of(key)?))) {
            Some((key, hint)) => Problem {
                line,
                column,
                message: format!("Prometheus's `{key}` is not supported"),
                hint: hint.to_owned(),
            },
            None => Problem {
                line,
                column,
                message,
                hint: String::new(),
            },
        }
    })
}

/// The key that serde's message says is unknown.
fn unknown_key(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("unknown field `")?;
    Some(after.split_once('`')?.0)
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;

        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }

            fn visit_str<E>(self, v: &str) -> Result<Scalar, E> {
                Ok(Scalar(v.to_owned()))
            }

            fn visit_bool<E>(self, v: bool) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }

            fn visit_i64<E>(self, v: i64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }

            fn visit_u64<E>(self, v: u64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }

            fn visit_f64<E>(self, v: f64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }
        }

        deserializer.deserialize_any(AnyScalar)
    }
}

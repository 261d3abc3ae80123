//! What the API shows, and who gives it: the window, the feeds and the rules implement these.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegauge_promql::{Labels, Matcher, Storage, StorageError, Timestamp};

/// A store of series that can be looked through. Times are in milliseconds, both ends belong to the range; at
/// most `limit` are given, the first in order. What is given here by default asks for all series that match:
/// a store that knows more cheaply says so.
pub trait Index: Storage + Send + Sync {
    /// The names of labels of the series that all matchers match, sorted.
    ///
    /// # Errors
    /// What the store says.
    fn label_names(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        let mut names = BTreeSet::new();
        for series in self.select(matchers, from, to)? {
            for (name, _) in series.labels().iter() {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        Ok(names.into_iter().take(limit).collect())
    }

    /// The values that a label has in the series that all matchers match, sorted.
    ///
    /// # Errors
    /// What the store says.
    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        let mut values = BTreeSet::new();
        for series in self.select(matchers, from, to)? {
            let value = series.labels().get(name);
            if !value.is_empty() && !values.contains(value) {
                values.insert(value.to_owned());
            }
        }
        Ok(values.into_iter().take(limit).collect())
    }

    /// The series that all matchers match, sorted by labels.
    ///
    /// # Errors
    /// What the store says.
    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Labels>, StorageError> {
        let series = self.select(matchers, from, to)?;
        let mut labels: Vec<_> = series
            .iter()
            .map(|series| series.labels().clone())
            .collect();
        labels.sort_unstable();
        labels.truncate(limit);
        Ok(labels)
    }

    /// The times of the oldest and the newest sample, where that is known.
    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        None
    }
}

impl Index for tidegauge_promql::MemoryStorage {}

/// What the rules are and how they stand.
pub trait Rules: Send + Sync {
    /// All groups, in any order; their rules in the order of the file.
    fn groups(&self) -> Vec<RuleGroup>;
}

/// A group of rules.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// Unique in its file.
    pub name: String,
    /// Path of the file.
    pub file: String,
    /// Between evaluations.
    pub interval: Duration,
    /// Most series that a rule may give; 0 for any number.
    pub limit: u64,
    /// How long the last evaluation took.
    pub evaluation_time: Duration,
    /// When it was; `None` before the first.
    pub last_evaluation: Option<Timestamp>,
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Of the alert, or of the metric that is recorded.
    pub name: String,
    /// Its expression, as a query shows it.
    pub query: String,
    /// Those that it sets, before templates are filled in.
    pub labels: Labels,
    /// Whether it can be evaluated.
    pub health: Health,
    /// Why it could not be evaluated the last time; empty when it could.
    pub last_error: String,
    /// How long its last evaluation took.
    pub evaluation_time: Duration,
    /// When it was; `None` before the first.
    pub last_evaluation: Option<Timestamp>,
    /// What else it has.
    pub kind: RuleKind,
}

/// What kind of rule it is.
#[derive(Clone, Debug)]
pub enum RuleKind {
    /// Records series.
    Recording,
    /// Makes alerts.
    Alerting {
        /// How long its condition must hold.
        hold: Duration,
        /// How long an alert goes on firing without it.
        keep_firing: Duration,
        /// Before templates are filled in.
        annotations: Labels,
        /// Pending and firing ones.
        alerts: Vec<Alert>,
    },
}

/// An alert that is pending or firing.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its identity.
    pub labels: Labels,
    /// With templates filled in.
    pub annotations: Labels,
    /// How it stands.
    pub state: AlertState,
    /// Since when its condition holds.
    pub active_at: Timestamp,
    /// Since when it goes on firing without its condition.
    pub keep_firing_since: Option<Timestamp>,
    /// Of its expression, at the last evaluation.
    pub value: f64,
}

/// How an alert, or a rule with its alerts, stands; the greatest counts for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Its condition does not hold.
    Inactive,
    /// It has not held for long enough.
    Pending,
    /// It has.
    Firing,
}

/// Whether the last attempt went well; of a target, the last scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// There was none yet.
    Unknown,
    /// It did.
    Good,
    /// It did not.
    Bad,
}

/// Where samples come from.
pub trait Targets: Send + Sync {
    /// All targets, in any order.
    fn targets(&self) -> Vec<Target>;

    /// What the targets say of their metrics.
    fn metadata(&self) -> Vec<Metadata>;
}

/// A target that is scraped.
#[derive(Clone, Debug)]
pub struct Target {
    /// Labels as configured, `__address__` among them.
    pub discovered_labels: Labels,
    /// Labels that its samples get.
    pub labels: Labels,
    /// Its job.
    pub scrape_pool: String,
    /// Where it is scraped.
    pub scrape_url: String,
    /// The same, as seen from other hosts.
    pub global_url: String,
    /// Why the last scrape failed; empty when it did not.
    pub last_error: String,
    /// When it was last scraped; `None` before the first time.
    pub last_scrape: Option<Timestamp>,
    /// How long that took.
    pub last_scrape_duration: Duration,
    /// How that went.
    pub health: Health,
    /// Between scrapes.
    pub scrape_interval: Duration,
    /// For a scrape.
    pub scrape_timeout: Duration,
}

/// What a target says of a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metadata {
    /// Name of the family.
    pub metric: String,
    /// As `counter`, `gauge`, `unknown`.
    pub kind: String,
    /// May be empty.
    pub help: String,
    /// May be empty.
    pub unit: String,
}

/// What is known of the program.
pub trait Status: Send + Sync {
    /// Of this program.
    fn version(&self) -> String;

    /// Flags and their values, without whatever may be a secret.
    fn flags(&self) -> BTreeMap<String, String>;

    /// The configuration in use as YAML of prometheus.yml, without secrets.
    fn config(&self) -> String;

    /// The present moment's.
    fn runtime(&self) -> Runtime;
}

/// How the program runs.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// When it was started.
    pub started: Option<Timestamp>,
    /// When the configuration in use was read.
    pub configured: Option<Timestamp>,
    /// Whether the last attempt to read it went well.
    pub reload_succeeded: bool,
    /// Corrupt files of the window that were set aside.
    pub corruptions: u64,
    /// The working folder.
    pub folder: String,
    /// The host.
    pub hostname: String,
    /// Threads.
    pub threads: u64,
    /// Processors that may be used.
    pub processors: u64,
    /// How long samples are kept for queries.
    pub retention: Duration,
}

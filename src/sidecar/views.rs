//! What the API shows of window, rules, feeds and the program.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegauge_alerts::alert::State;
use tidegauge_alerts::api::v1::view::{
    Alert, AlertState, Health, Index, Metadata, Rule, RuleGroup, RuleKind, Rules, Runtime, Status,
    Target, Targets,
};
use tidegauge_alerts::feed::{Feeds, TargetHealth};
use tidegauge_alerts::rule::{self, Manager, RuleView};
use tidegauge_alerts::window::Window;
use tidegauge_promql::{Labels, Matcher, Series, Storage, StorageError, Timestamp};

use super::plan::Plan;
use super::shown;
use crate::reload::Outcome;

/// The window, to be looked through.
pub struct Looked(pub Arc<Window>);

impl Storage for Looked {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        self.0.select(matchers, from, to)
    }
}

/// None of the window's limits is 0, which would mean none.
fn any_of(matchers: &[Matcher]) -> Vec<Vec<Matcher>> {
    match matchers {
        [] => Vec::new(),
        some => vec![some.to_vec()],
    }
}

impl Index for Looked {
    fn label_names(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        Ok(self.0.label_names(&any_of(matchers), from, to, limit).items)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        let listed = self
            .0
            .label_values(name, &any_of(matchers), from, to, limit);
        Ok(listed.items)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Labels>, StorageError> {
        Ok(self.0.series(&any_of(matchers), from, to, limit).items)
    }

    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let stats = self.0.stats();
        stats.oldest.zip(stats.newest)
    }
}

/// The rules as they stand.
pub struct Ruled(pub Arc<Manager>);

impl Rules for Ruled {
    fn groups(&self) -> Vec<RuleGroup> {
        let groups = self.0.view();
        let group = |group: &Arc<rule::GroupView>| RuleGroup {
            name: group.name.clone(),
            file: group.file.to_string(),
            interval: group.interval,
            limit: u64::try_from(group.limit).unwrap_or(u64::MAX),
            evaluation_time: group.evaluation_time,
            last_evaluation: group.last_evaluation,
            rules: group.rules.iter().map(one).collect(),
        };
        groups.iter().map(group).collect()
    }
}

fn one(rule: &RuleView) -> Rule {
    let kind = match &rule.alerting {
        None => RuleKind::Recording,
        Some(alerting) => RuleKind::Alerting {
            hold: alerting.hold,
            keep_firing: alerting.keep_firing_for,
            annotations: Labels::new(&alerting.annotations),
            alerts: alerting.alerts.iter().map(alert).collect(),
        },
    };
    Rule {
        name: rule.name.clone(),
        query: rule.query.clone(),
        labels: rule.labels.clone(),
        health: match rule.health {
            rule::Health::Unknown => Health::Unknown,
            rule::Health::Good => Health::Good,
            rule::Health::Bad => Health::Bad,
        },
        last_error: rule.last_error.clone(),
        evaluation_time: rule.evaluation_time,
        last_evaluation: rule.last_evaluation,
        kind,
    }
}

fn alert(alert: &tidegauge_alerts::alert::Alert) -> Alert {
    Alert {
        labels: alert.labels.clone(),
        annotations: Labels::new(&alert.annotations),
        state: match alert.state {
            State::Inactive => AlertState::Inactive,
            State::Pending => AlertState::Pending,
            State::Firing => AlertState::Firing,
        },
        active_at: alert.active_at,
        keep_firing_since: alert.keep_firing_since,
        value: alert.value,
    }
}

/// The feeds as they stand.
pub struct Fed {
    /// They.
    pub feeds: Arc<Feeds>,
    /// Of this host.
    pub host_name: String,
}

impl Targets for Fed {
    fn targets(&self) -> Vec<Target> {
        let all = self.feeds.targets();
        let one = |target: tidegauge_alerts::feed::TargetStatus| Target {
            global_url: target.global_url(&self.host_name),
            discovered_labels: target.discovered_labels,
            labels: target.labels,
            scrape_pool: target.scrape_pool,
            scrape_url: target.url,
            last_error: target
                .last_error
                .map(|error| error.to_string())
                .unwrap_or_default(),
            last_scrape: target.last_scrape,
            last_scrape_duration: target.last_duration,
            health: match target.health {
                TargetHealth::Unknown => Health::Unknown,
                TargetHealth::Up => Health::Good,
                TargetHealth::Down => Health::Bad,
            },
            scrape_interval: target.interval,
            scrape_timeout: target.timeout,
        };
        all.into_iter().map(one).collect()
    }

    fn metadata(&self) -> Vec<Metadata> {
        let all = self.feeds.metadata();
        let one = |described: tidegauge_alerts::feed::MetricMetadata| Metadata {
            metric: described.metric,
            kind: described.kind.to_owned(),
            help: described.help,
            unit: described.unit,
        };
        all.into_iter()
            .flat_map(|(_, list)| list)
            .map(one)
            .collect()
    }
}

/// The program.
pub struct Program {
    /// Its version.
    pub version: &'static str,
    /// Its flags; none of them holds a secret.
    pub flags: BTreeMap<String, String>,
    /// When it was started, in milliseconds.
    pub started: Timestamp,
    /// Of this host.
    pub host_name: String,
    /// How reading the configuration went.
    pub outcome: Arc<Outcome>,
    /// What of it is in use.
    pub in_use: Arc<Mutex<InUse>>,
    /// For its corruptions.
    pub window: Arc<Window>,
    /// For those of the state of alerts.
    pub manager: Arc<Manager>,
}

/// What of the configuration is shown.
pub struct InUse {
    /// As YAML.
    pub shown: String,
    /// How long samples are kept for queries.
    pub retention: Duration,
}

impl InUse {
    /// Of what is about to be used.
    pub fn of(plan: &Plan) -> Self {
        Self {
            shown: shown::yaml(plan),
            retention: plan.window.retention,
        }
    }
}

impl Program {
    fn in_use(&self) -> MutexGuard<'_, InUse> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status for Program {
    fn version(&self) -> String {
        self.version.to_owned()
    }

    fn flags(&self) -> BTreeMap<String, String> {
        self.flags.clone()
    }

    fn config(&self) -> String {
        self.in_use().shown.clone()
    }

    fn runtime(&self) -> Runtime {
        let folder = std::env::current_dir()
            .map_or_else(|_| String::new(), |path| path.display().to_string());
        let threads = std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Runtime {
            started: Some(self.started),
            configured: self.outcome.taken_at(),
            reload_succeeded: self.outcome.is_successful(),
            corruptions: self.window.stats().disk.map_or(0, |disk| disk.corrupt)
                + self.manager.state_corruptions(),
            folder,
            hostname: self.host_name.clone(),
            threads: number(threads),
            processors: number(processors),
            retention: self.in_use().retention,
        }
    }
}

//! What a target exposes, as far as it tells which alerts may lack data while it is down, or because it could not look.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tidegauge_promql::Labels;

/// Whether a collector's last run succeeded.
const SUCCESS: &str = "tidegauge_collector_success";

/// Of each collector on a timer, from the start on.
const INTERVAL: &str = "tidegauge_collector_interval_seconds";

/// Of each directory that has one, from the start on.
const BUDGET: &str = "tidegauge_directory_budget_bytes";

/// Whether the last reading got all of a directory; absent before the first has ended.
const DIRECTORY: &str = "tidegauge_directory_up";

/// Counts the series of each metric's name, as they come and go.
#[derive(Debug, Default)]
pub(super) struct Exposed {
    names: HashMap<Box<str>, u32>,
    changed: bool,
    told: Told,
}

/// What the last whole scrape told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Names of metrics; `None` before the first whole scrape.
    pub names: Option<Arc<HashSet<Box<str>>>>,
    /// Whether each collector succeeded; one that has not run to its end yet did not.
    pub collectors: Arc<BTreeMap<Box<str>, bool>>,
    /// What could not be read.
    pub unread: Arc<Vec<Unread>>,
}

/// Something that the exporter could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Its metrics are called `tidegauge_<word>_…`.
    pub word: Box<str>,
    /// What of them: the labels that they have in common.
    pub labels: Labels,
}

impl Exposed {
    /// Whether the values of a series are wanted at the end of each scrape.
    pub fn is_watched(labels: &Labels) -> bool {
        let name = labels.name();
        matches!(name, SUCCESS | INTERVAL | BUDGET) || sight(name, labels).is_some()
    }

    pub fn created(&mut self, labels: &Labels) {
        let name = labels.name();
        match self.names.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                self.names.insert(name.into(), 1);
                self.changed = true;
            }
        }
    }

    pub fn gone(&mut self, labels: &Labels) {
        let name = labels.name();
        if let Some(count) = self.names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(name);
                self.changed = true;
            }
        }
    }

    /// A whole scrape has ended, with these samples of watched series.
    pub fn end<'a>(&mut self, watched: impl Iterator<Item = (&'a Labels, f64)>) {
        let mut collectors = BTreeMap::new();
        let mut unread = Vec::new();
        let (mut budgets, mut walked) = (Vec::new(), HashSet::new());
        for (labels, value) in watched {
            let name = labels.name();
            let collector = || Box::<str>::from(labels.get("collector"));
            match name {
                SUCCESS => {
                    collectors.insert(collector(), value != 0.0);
                }
                INTERVAL => {
                    collectors.entry(collector()).or_insert(false);
                }
                BUDGET => budgets.push(labels.without_name()),
                _ => {
                    if name == DIRECTORY {
                        walked.insert(labels.without_name());
                    }
                    if let Some(sight) = sight(name, labels)
                        && sight.is_lost(value)
                    {
                        unread.push(Unread::of(name, labels));
                    }
                }
            }
        }
        let never = budgets.iter().filter(|labels| !walked.contains(*labels));
        unread.extend(never.map(|labels| Unread::of(BUDGET, labels)));
        if *self.told.collectors != collectors {
            self.told.collectors = Arc::new(collectors);
        }
        if *self.told.unread != unread {
            self.told.unread = Arc::new(unread);
        }
        if self.changed || self.told.names.is_none() {
            self.changed = false;
            self.told.names = Some(Arc::new(self.names.keys().cloned().collect()));
        }
    }

    pub fn told(&self) -> Told {
        self.told.clone()
    }
}

impl Unread {
    fn of(name: &str, labels: &Labels) -> Self {
        let rest = name.strip_prefix("tidegauge_").unwrap_or(name);
        Self {
            word: first_word(rest).into(),
            labels: labels.without_name().with("state", ""),
        }
    }
}

/// How a series tells whether something was read.
#[derive(Clone, Copy)]
enum Sight {
    /// It was, unless the value is 0.
    Seen,
    /// It was not, unless the value is 0.
    Failed,
}

impl Sight {
    fn is_lost(self, value: f64) -> bool {
        match self {
            Self::Seen => value == 0.0,
            Self::Failed => value != 0.0,
        }
    }
}

fn sight(name: &str, labels: &Labels) -> Option<Sight> {
    match name.strip_prefix("tidegauge_")? {
        "tier_up" | "directory_up" => Some(Sight::Seen),
        "filesystem_device_error" | "filesystem_permission_denied" => Some(Sight::Failed),
        other => (other.ends_with("_reading_state") && labels.get("state") == "ok")
            .then_some(Sight::Seen),
    }
}

/// `btrfs` of `btrfs_volume`.
pub(super) fn first_word(name: &str) -> &str {
    name.split('_').next().unwrap_or_default()
}

//! What a target exposes, as far as it tells which alerts may lack data while it is down, or because it could not look.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tidegauge_promql::Labels;

/// Whether a collector's last run succeeded.
const SUCCESS: &str = "tidegauge_collector_success";

/// Of each collector on a timer, from the start on.
const INTERVAL: &str = "tidegauge_collector_interval_seconds";

/// Told of each thing from the start on, and what is told with the same labels once, or as long as, it could be read.
const PAIRS: [(&str, &str); 2] = [
    ("tidegauge_directory_budget_bytes", "tidegauge_directory_up"),
    (
        "tidegauge_filesystem_device_error",
        "tidegauge_filesystem_reading_age_seconds",
    ),
];

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
        matches!(name, SUCCESS | INTERVAL)
            || PAIRS
                .iter()
                .any(|(told, read)| [told, read].contains(&&name))
            || tells_of_reading(name, labels)
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
        let mut pairs: [(Vec<&Labels>, Vec<&Labels>); PAIRS.len()] = Default::default();
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
                _ => {
                    for ((told, read), (all, seen)) in PAIRS.iter().zip(&mut pairs) {
                        if *told == name {
                            all.push(labels);
                        } else if *read == name {
                            seen.push(labels);
                        }
                    }
                    if value == 0.0 && tells_of_reading(name, labels) {
                        unread.push(Unread::of(labels));
                    }
                }
            }
        }
        for (all, seen) in pairs {
            // As a rule there are as many of the ones as of the others.
            if all.len() > seen.len() {
                let seen: HashSet<Labels> = seen.iter().map(|l| l.without_name()).collect();
                let lost = all.iter().filter(|l| !seen.contains(&l.without_name()));
                unread.extend(lost.map(|labels| Unread::of(labels)));
            }
        }
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
    fn of(labels: &Labels) -> Self {
        let name = labels.name();
        let rest = name.strip_prefix("tidegauge_").unwrap_or(name);
        Self {
            word: first_word(rest).into(),
            labels: labels.without_name().with("state", ""),
        }
    }
}

/// Whether a series says by 0 that something was not read.
fn tells_of_reading(name: &str, labels: &Labels) -> bool {
    match name.strip_prefix("tidegauge_") {
        Some("tier_up" | "directory_up") => true,
        Some(other) => other.ends_with("_reading_state") && labels.get("state") == "ok",
        None => false,
    }
}

/// `btrfs` of `btrfs_volume`.
pub(super) fn first_word(name: &str) -> &str {
    name.split('_').next().unwrap_or_default()
}

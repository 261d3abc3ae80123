//! What a target exposes, as far as it tells which alerts may lack data while it is down.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tidegauge_promql::Labels;

/// Whether a collector's last run succeeded.
const SUCCESS: &str = "tidegauge_collector_success";

/// When the exporter started, in seconds since 1970.
const STARTED: &str = "process_start_time_seconds";

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
    /// Whether each collector succeeded.
    pub collectors: Arc<BTreeMap<Box<str>, bool>>,
    /// When the exporter started, in seconds since 1970.
    pub started: Option<f64>,
}

impl Exposed {
    /// Whether the values of a series are wanted at the end of each scrape.
    pub fn is_watched(labels: &Labels) -> bool {
        matches!(labels.name(), SUCCESS | STARTED)
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
        self.told.started = None;
        for (labels, value) in watched {
            match labels.name() {
                SUCCESS => {
                    collectors.insert(labels.get("collector").into(), value != 0.0);
                }
                _ => self.told.started = Some(value),
            }
        }
        if *self.told.collectors != collectors {
            self.told.collectors = Arc::new(collectors);
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

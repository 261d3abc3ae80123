//! The alerts of one rule, and what an evaluation makes of them (Prometheus, rules/alerting.go).

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};
use thiserror::Error;
use tidegauge_promql::{Labels, Timestamp};

use super::state::{Alert, State};

/// How long a resolved alert is kept, in milliseconds, and so told again.
pub const RESOLVED_RETENTION: i64 = 15 * 60 * 1_000;

/// One sample of the rule's answer, as an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Labels with those of the rule, and `alertname`.
    pub labels: Labels,
    /// Expanded annotations.
    pub annotations: BTreeMap<String, String>,
    /// The sample's value.
    pub value: f64,
}

/// What the rule asks for. Durations in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// `for`.
    pub hold: i64,
    /// `keep_firing_for`.
    pub keep_firing: i64,
    /// The most alerts that may be active; 0 for any number.
    pub limit: usize,
    /// For how long after what feeds the rule came back an empty answer still means nothing: until a rate has two
    /// samples again.
    pub grace: i64,
}

/// Why an evaluation's answer cannot become alerts. The state stays as it was.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StepError {
    /// Two samples would be the same alert.
    #[error("vector contains metrics with the same labelset after applying alert labels")]
    Duplicate,
    /// More than the group's limit.
    #[error("exceeded limit of {limit} with {count} alerts")]
    Limit {
        /// The limit.
        limit: usize,
        /// How many there would be.
        count: usize,
    },
}

/// The alerts of one rule, by their labels, and what of them is not saved yet.
#[derive(Clone, Debug, Default)]
pub struct Active {
    alerts: FxHashMap<Labels, Alert>,
    unsaved: FxHashSet<Labels>,
    /// Whether what is not saved is more than values and texts.
    urgent: bool,
}

impl Active {
    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// One by its labels.
    pub fn get(&self, labels: &Labels) -> Option<&Alert> {
        self.alerts.get(labels)
    }

    /// The weightiest state of any.
    pub fn state(&self) -> State {
        let states = self.alerts.values().map(|alert| alert.state);
        states.max().unwrap_or(State::Inactive)
    }

    /// Takes in an alert as it was saved, or as it was before the rules were loaded anew.
    pub fn insert(&mut self, alert: Alert) {
        self.alerts.insert(alert.labels.clone(), alert);
    }

    /// What an answer at a time makes of the alerts. `is_down` says whether what feeds an alert is down.
    ///
    /// # Errors
    /// When the answer cannot become alerts; nothing is changed then.
    pub fn step(
        &mut self,
        at: Timestamp,
        hits: Vec<Hit>,
        terms: Terms,
        is_down: &dyn Fn(&Labels) -> bool,
    ) -> Result<(), StepError> {
        let mut found = FxHashSet::default();
        for hit in &hits {
            if !found.insert(hit.labels.clone()) {
                return Err(StepError::Duplicate);
            }
        }
        let mut missed: Vec<(Labels, Miss)> = Vec::new();
        for (labels, alert) in &self.alerts {
            if !found.contains(labels) {
                missed.push((labels.clone(), miss(alert, at, terms, is_down)));
            }
        }
        let stay = missed.iter().filter(|(_, miss)| miss.is_active()).count();
        let count = found.len() + stay;
        if terms.limit > 0 && count > terms.limit {
            let limit = terms.limit;
            return Err(StepError::Limit { limit, count });
        }
        for hit in hits {
            self.hit(at, hit, terms);
        }
        for (labels, miss) in missed {
            self.miss(at, &labels, miss);
        }
        Ok(())
    }

    fn hit(&mut self, at: Timestamp, hit: Hit, terms: Terms) {
        let alert = match self.alerts.entry(hit.labels.clone()) {
            Entry::Occupied(known) if known.get().is_active() => {
                let alert = known.into_mut();
                let mut changed = alert.clamp(at);
                changed |= alert.keep_firing_since.take().is_some();
                self.urgent |= changed;
                if changed
                    || alert.value.to_bits() != hit.value.to_bits()
                    || alert.annotations != hit.annotations
                {
                    self.unsaved.insert(hit.labels);
                }
                alert.value = hit.value;
                alert.annotations = hit.annotations;
                alert.held_until = None;
                alert
            }
            entry => {
                self.unsaved.insert(hit.labels.clone());
                self.urgent = true;
                let alert = Alert::begin(hit.labels, hit.annotations, hit.value, at);
                entry.insert_entry(alert).into_mut()
            }
        };
        if alert.state == State::Pending && at - alert.active_at >= terms.hold {
            alert.state = State::Firing;
            alert.fired_at = Some(at);
            self.unsaved.insert(alert.labels.clone());
            self.urgent = true;
        }
    }

    fn miss(&mut self, at: Timestamp, labels: &Labels, miss: Miss) {
        let Some(alert) = self.alerts.get_mut(labels) else {
            return;
        };
        let mut changed = alert.clamp(at);
        match miss {
            Miss::Gone => {
                self.alerts.remove(labels);
                changed = true;
            }
            Miss::Stays => {}
            Miss::Held(until) => alert.held_until = Some(until),
            Miss::KeepsFiring => {
                alert.held_until = None;
                if alert.keep_firing_since.is_none() {
                    alert.keep_firing_since = Some(at);
                    changed = true;
                }
            }
            Miss::Resolves => {
                alert.held_until = None;
                alert.state = State::Inactive;
                alert.resolved_at = Some(at);
                changed = true;
            }
        }
        if changed {
            self.unsaved.insert(labels.clone());
            self.urgent = true;
        }
    }

    /// Lets each live alert stand until a time, whatever the answers lack: after a restart nothing came in yet.
    pub fn hold_all(&mut self, until: Timestamp) {
        for alert in self.alerts.values_mut().filter(|alert| alert.is_active()) {
            alert.held_until = Some(until);
        }
    }

    /// Makes firing alerts pending again for which `for` became longer when the rules were loaded anew.
    pub fn lengthen(&mut self, at: Timestamp, hold: i64) {
        for alert in self.alerts.values_mut() {
            if alert.state == State::Firing && at - alert.active_at < hold {
                alert.state = State::Pending;
                alert.fired_at = None;
                alert.last_sent_at = None;
                alert.keep_firing_since = None;
                self.unsaved.insert(alert.labels.clone());
                self.urgent = true;
            }
        }
    }

    /// Writes down that an alert was handed over at a time.
    pub fn sent(&mut self, labels: &Labels, at: Timestamp) {
        if let Some(alert) = self.alerts.get_mut(labels) {
            alert.last_sent_at = Some(at);
            self.unsaved.insert(labels.clone());
        }
    }

    /// What is not saved: labels, and the alert or that it is no more.
    pub fn unsaved(&self) -> impl Iterator<Item = (&Labels, Option<&Alert>)> {
        self.unsaved
            .iter()
            .map(|labels| (labels, self.alerts.get(labels)))
    }

    /// Whether what is not saved must survive a power cut.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// All is saved.
    pub fn saved(&mut self) {
        self.unsaved.clear();
        self.urgent = false;
    }

    /// Nothing is saved: the place where it was is lost.
    pub fn lost(&mut self) {
        self.unsaved.extend(self.alerts.keys().cloned());
        self.urgent |= !self.alerts.is_empty();
    }
}

/// What becomes of an alert that the answer lacks.
enum Miss {
    /// It is forgotten.
    Gone,
    /// It was resolved before and is kept.
    Stays,
    /// What feeds it is down: it stands as it stood, until a time if that comes back.
    Held(Timestamp),
    /// It fires for `keep_firing_for`.
    KeepsFiring,
    /// It ends.
    Resolves,
}

impl Miss {
    fn is_active(&self) -> bool {
        matches!(self, Self::Held(_) | Self::KeepsFiring)
    }
}

fn miss(alert: &Alert, at: Timestamp, terms: Terms, is_down: &dyn Fn(&Labels) -> bool) -> Miss {
    if alert.state == State::Inactive {
        let over = alert
            .resolved_at
            .is_none_or(|resolved| at - resolved > RESOLVED_RETENTION);
        return if over { Miss::Gone } else { Miss::Stays };
    }
    if is_down(&alert.labels) {
        return Miss::Held(at + terms.grace);
    }
    // Beyond the grace: the clock was put back meanwhile.
    if let Some(until) = alert.held_until
        && at < until
        && until <= at + terms.grace
    {
        return Miss::Held(until);
    }
    if alert.state == State::Pending {
        return Miss::Gone;
    }
    let since = alert.keep_firing_since.map_or(at, |since| since.min(at));
    if terms.keep_firing > 0 && at - since < terms.keep_firing {
        Miss::KeepsFiring
    } else {
        Miss::Resolves
    }
}

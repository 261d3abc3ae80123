//! One alert.

use std::collections::BTreeMap;
use std::fmt;

use tidegauge_promql::{Labels, Timestamp};

/// Where an alert stands. The order is by weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It fired and does so no more; it is kept for a while so that all are told.
    Inactive,
    /// Its condition holds, but not yet for as long as the rule asks.
    Pending,
    /// It fires.
    Firing,
}

impl State {
    /// As in `ALERTS{alertstate=…}` and in Prometheus's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }

    /// The state of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Inactive, Self::Pending, Self::Firing]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One alert of a rule. Its labels, `alertname` among them, are its identity. All times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its identity.
    pub labels: Labels,
    /// What is said about it; an annotation may be empty.
    pub annotations: BTreeMap<String, String>,
    /// The value of the expression when it last was there.
    pub value: f64,
    /// Where it stands.
    pub state: State,
    /// Since when the condition holds.
    pub active_at: Timestamp,
    /// Since when it fires.
    pub fired_at: Option<Timestamp>,
    /// Since when it only fires because of `keep_firing_for`.
    pub keep_firing_since: Option<Timestamp>,
    /// When it stopped.
    pub resolved_at: Option<Timestamp>,
    /// When it was last handed over to be sent.
    pub last_sent_at: Option<Timestamp>,
    /// Until when a missing answer is not taken for an end, since what feeds the rule is or was down.
    pub held_until: Option<Timestamp>,
}

impl Alert {
    /// One whose condition holds from now on.
    pub fn begin(
        labels: Labels,
        annotations: BTreeMap<String, String>,
        value: f64,
        at: Timestamp,
    ) -> Self {
        Self {
            labels,
            annotations,
            value,
            state: State::Pending,
            active_at: at,
            fired_at: None,
            keep_firing_since: None,
            resolved_at: None,
            last_sent_at: None,
            held_until: None,
        }
    }

    /// Whether it is pending or fires.
    pub fn is_active(&self) -> bool {
        self.state != State::Inactive
    }

    /// Brings times that lie ahead back to now: the clock was put back, and nothing of what it then said can have
    /// been later than now.
    pub fn clamp(&mut self, now: Timestamp) -> bool {
        let mut changed = self.active_at > now;
        self.active_at = self.active_at.min(now);
        for time in [
            &mut self.fired_at,
            &mut self.keep_firing_since,
            &mut self.resolved_at,
        ] {
            if time.is_some_and(|time| time > now) {
                *time = Some(now);
                changed = true;
            }
        }
        // Rather told once more than not at all.
        if self.last_sent_at.is_some_and(|time| time > now) {
            self.last_sent_at = None;
            changed = true;
        }
        changed
    }
}

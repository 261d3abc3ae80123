//! Which alerts are to be sent, and until when what is sent holds (Prometheus, `sendAlerts`).

use tidegauge_promql::Timestamp;

use super::active::Active;
use super::state::{Alert, State};

/// How alerts are sent. Durations in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// After how long a firing alert is sent again (Prometheus: 1 minute).
    pub resend_delay: i64,
    /// How often the group is evaluated.
    pub interval: i64,
}

/// An alert to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The alert.
    pub alert: Alert,
    /// Since when, in milliseconds: the alert's `startsAt`.
    pub starts_at: Timestamp,
    /// Its `endsAt`: when it was resolved; while it fires, when it is to be taken for resolved if nothing more is
    /// heard of it.
    pub ends_at: Timestamp,
}

impl Delivery {
    /// Four chances to hear of it again.
    fn valid_for(self) -> i64 {
        4 * self.resend_delay.max(self.interval)
    }

    /// Those that are to be sent at a time, in the order of their labels.
    pub fn due(self, active: &Active, at: Timestamp) -> Vec<Due> {
        let mut due: Vec<Due> = active
            .iter()
            .filter(|alert| self.is_due(alert, at))
            .map(|alert| Due {
                alert: alert.clone(),
                starts_at: alert.fired_at.unwrap_or(alert.active_at),
                ends_at: alert.resolved_at.unwrap_or(at + self.valid_for()),
            })
            .collect();
        due.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        due
    }

    fn is_due(self, alert: &Alert, at: Timestamp) -> bool {
        let Some(sent) = alert.last_sent_at else {
            return alert.state != State::Pending;
        };
        match alert.state {
            State::Pending => false,
            _ if alert.resolved_at.is_some_and(|resolved| resolved > sent) => true,
            // A time ahead is one of a clock that was put back.
            _ => sent + self.resend_delay < at || sent > at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidegauge_promql::Labels;

    use super::super::active::{Hit, Terms};
    use super::*;

    const DELIVERY: Delivery = Delivery {
        resend_delay: 60_000,
        interval: 15_000,
    };

    #[test]
    fn sent_at_once_again_after_a_minute_and_at_once_when_resolved() {
        let labels = Labels::new([("alertname", "A")]);
        let hit = || Hit {
            labels: labels.clone(),
            annotations: BTreeMap::new(),
            value: 1.0,
        };
        let mut active = Active::default();
        let step = |active: &mut Active, at, hits| {
            active.step(at, hits, Terms::default(), &|_| false).unwrap();
        };
        step(&mut active, 0, vec![hit()]);
        let due = DELIVERY.due(&active, 0);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].starts_at, due[0].ends_at), (0, 240_000));
        active.sent(&labels, 0);
        step(&mut active, 60_000, vec![hit()]);
        assert!(DELIVERY.due(&active, 60_000).is_empty());
        step(&mut active, 75_000, vec![hit()]);
        assert_eq!(DELIVERY.due(&active, 75_000)[0].ends_at, 315_000);
        active.sent(&labels, 75_000);
        step(&mut active, 90_000, vec![]);
        assert_eq!(DELIVERY.due(&active, 90_000)[0].ends_at, 90_000);
        active.sent(&labels, 90_000);
        assert!(DELIVERY.due(&active, 105_000).is_empty());
        assert_eq!(DELIVERY.due(&active, 165_000).len(), 1);
    }
}

//! Whether an alert's samples are missing only because nobody could look: the feeds say what was not read, the store
//! what is there all the same.

use std::sync::Arc;

use tidegauge_promql::{Labels, Series, Timestamp};

use super::health::{Health, Subject};
use crate::alert::{Source, SourceHealth};
use crate::clock::Clock;
use crate::rule::{LOOKBACK, ms};
use crate::store::Store;

/// Exporters may give samples times of their own, a little ahead of ours. In milliseconds.
const TOLERATED: Timestamp = 60_000;

/// Says of each alert whether what feeds it is down.
///
/// What an exporter could not read ([`Health::unread`]) holds an alert when the metric that its rule asks for is not
/// there for it. An alert that has lost its labels to an aggregation may stand on others that are there: it holds as
/// long as the store still knows a series that was there before.
///
/// Nor is an answer believed while the store has samples from a time to come: the clock was put back, new samples are
/// refused, and what is found is of the past.
pub struct Watch {
    feeds: Arc<dyn Health>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Watch {
    /// Over feeds and where their samples go.
    pub fn new(feeds: Arc<dyn Health>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            feeds,
            store,
            clock,
        }
    }

    fn is_of_the_past(&self, subject: Subject<'_>, now: Timestamp) -> bool {
        let later = self
            .store
            .select(subject.matchers, now + TOLERATED, Timestamp::MAX);
        later.is_ok_and(|later| {
            let mut labels = later.iter().map(|series| series.labels().without_name());
            labels.any(|labels| subject.may_be_of(&labels))
        })
    }

    fn is_unread(&self, subject: Subject<'_>, now: Timestamp) -> bool {
        let unread = self.feeds.unread(subject);
        if unread.is_empty() {
            return false;
        }
        // A store that does not answer has not said that anything is there.
        let Ok(series) = self.store.select(subject.matchers, 0, now) else {
            return true;
        };
        let of_alert: Vec<&Arc<dyn Series>> = series
            .iter()
            .filter(|series| subject.may_be_of(&series.labels().without_name()))
            .collect();
        let is_there = |series: &Arc<dyn Series>| is_current(series.as_ref(), now);
        unread.iter().any(|labels| {
            let of_it = || of_alert.iter().filter(|s| agree(s.labels(), labels));
            let shown = of_it().any(|series| is_there(series));
            let known = of_it().next().is_some();
            !shown && (known || !of_alert.iter().any(|series| is_there(series)))
        })
    }
}

impl SourceHealth for Watch {
    fn is_down(&self, source: Source<'_>) -> bool {
        let now = self.clock.now();
        source.selectors.iter().any(|selector| {
            let subject = Subject {
                labels: source.labels,
                matchers: &selector.matchers,
            };
            self.feeds.is_down(subject)
                || self.is_unread(subject, now)
                || self.is_of_the_past(subject, now)
        })
    }
}

fn is_current(series: &dyn Series, now: Timestamp) -> bool {
    series.current(now - ms(LOOKBACK), now).is_some()
}

/// Whether no label that both have differs.
fn agree(a: &Labels, b: &Labels) -> bool {
    b.iter()
        .all(|(name, value)| a.get(name).is_empty() || a.get(name) == value)
}

#[cfg(test)]
mod tests;

//! Which feeds and collectors are down, and what exporters could not read, so that the alerts that stand on them hold.

use tidegauge_promql::{Labels, METRIC_NAME, MatchOp, Matcher, Timestamp};

use super::exposed::{Told, first_word};
use super::series::REPORTS;
use super::status::{Shared, State, TargetHealth};

/// What an alert stands on: one selector of its rule.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The alert's labels. Those that the rule aggregated away are not there.
    pub labels: &'a Labels,
    /// What the selector matches, the metric's name among them.
    pub matchers: &'a [Matcher],
}

impl Subject<'_> {
    /// The metric's name; empty where the selector has a pattern for it, or none.
    pub(super) fn metric(&self) -> &str {
        let name = self
            .matchers
            .iter()
            .find(|matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal);
        name.map_or("", |name| name.value.as_str())
    }

    /// Whether nothing speaks against a series with these labels being among what the alert stands on. Labels that
    /// either side lacks speak against nothing.
    pub(super) fn may_be_of(&self, labels: &Labels) -> bool {
        labels.iter().all(|(name, value)| {
            let own = self.labels.get(name);
            let matchers = self.matchers.iter();
            (own.is_empty() || own == value)
                && matchers
                    .filter(|matcher| matcher.name == name)
                    .all(|matcher| matcher.is_match(value))
        })
    }
}

/// Says whether what is missing may be missing only because nobody could look.
pub trait Health: Send + Sync {
    /// Whether a feed that an alert may come from is down, or the collector behind it. A rule that reads several
    /// metrics asks once for each, and holds when any is down.
    ///
    /// **Feed.** A target may be behind an alert when none of its own labels (`job`, `instance`, those of
    /// the configuration) contradicts the alert's labels or the selector. With
    /// `honor_labels` every label may be the exporter's own, and nothing contradicts. It must have exposed
    /// the metric in its last good scrape. It is down when its last scrape failed or was none yet since
    /// the start: then it may have exposed any metric, but for those that are told of each scrape (`up` and its like).
    /// After a jump of the clock, or the sleep of the host, it counts as down until it is scraped again. A
    /// target that is no longer configured is not down, but gone.
    ///
    /// **Collector.** A metric `tidegauge_<word>_…` is of the collectors whose names begin with that word
    /// (`tidegauge_btrfs_…`: `btrfs` and `btrfs_volume`). It is down when the last scrape had
    /// `tidegauge_collector_success{collector="…"} 0` of one of them, or its `tidegauge_collector_interval_seconds`
    /// without any `tidegauge_collector_success`: it is in its first run, if it hangs there for ever. A collector of which
    /// nothing is told is not wanted.
    fn is_down(&self, subject: Subject<'_>) -> bool;

    /// What an exporter says it could not read of what an alert stands on, each by the labels it is told with:
    ///
    /// - `tidegauge_tier_up` 0: a member of the tier does not answer, so the tier has no sums;
    /// - a filesystem (`tidegauge_filesystem_device_error`) without `tidegauge_filesystem_reading_age_seconds`: it has no
    ///   numbers, not even old ones;
    /// - `tidegauge_directory_up` 0, or a budget without it, before the first walk has ended;
    /// - `tidegauge_…_reading_state{state="ok"}` 0: a device that sleeps, hangs, fails, is closed or gone.
    ///
    /// Some of the metrics with these labels may be there all the same.
    fn unread(&self, subject: Subject<'_>) -> Vec<Labels>;
}

/// Whether this target makes what an alert stands on untrustworthy. `now` is the time of day.
pub(super) fn is_down(shared: &Shared, subject: Subject<'_>, now: Timestamp) -> bool {
    if !may_come_from(shared, subject) {
        return false;
    }
    let state = shared.state();
    let metric = subject.metric();
    let is_report = REPORTS.contains(&metric);
    let may_expose = || {
        let names = state.told.names.as_deref();
        metric.is_empty() || names.is_none_or(|names| names.contains(metric))
    };
    match state.health {
        // The clock has jumped since, or the host slept.
        TargetHealth::Up if is_long_ago(&state, now) => is_report || may_expose(),
        TargetHealth::Up => collector_is_down(&state.told, metric),
        TargetHealth::Down if is_report => false,
        TargetHealth::Down | TargetHealth::Unknown => may_expose(),
    }
}

/// Whether the next scrape should have ended by now, or the last one was in a time to come.
fn is_long_ago(state: &State, now: Timestamp) -> bool {
    let late = 2 * state.interval + state.timeout;
    state
        .last_scrape
        .is_some_and(|last| u128::from(now.abs_diff(last)) > late.as_millis())
}

/// Adds what this target could not read of what an alert stands on.
pub(super) fn unread(shared: &Shared, subject: Subject<'_>, into: &mut Vec<Labels>) {
    let Some(rest) = subject.metric().strip_prefix("tidegauge_") else {
        return;
    };
    let state = shared.state();
    let all = state.told.unread.iter();
    let of_it =
        all.filter(|unread| *unread.word == *first_word(rest) && subject.may_be_of(&unread.labels));
    into.extend(of_it.map(|unread| unread.labels.clone()));
}

fn may_come_from(shared: &Shared, subject: Subject<'_>) -> bool {
    let target = &shared.target;
    target.honor_labels || subject.may_be_of(&target.labels)
}

fn collector_is_down(told: &Told, metric: &str) -> bool {
    let Some(rest) = metric.strip_prefix("tidegauge_") else {
        return false;
    };
    let word = first_word(rest);
    let mut of_it = told
        .collectors
        .iter()
        .filter(|(collector, _)| first_word(collector) == word);
    of_it.any(|(_, succeeded)| !succeeded)
}

#[cfg(test)]
mod tests;

//! Which feeds and collectors are down, so that the alerts that stand on them hold.

use tidegauge_promql::{Labels, Timestamp};

use super::exposed::Told;
use super::status::{Shared, TargetHealth};

/// For so long after an exporter's start a collector that says nothing of itself may still be at its first
/// run, in seconds: those on timers come when they are ready.
const STARTING: f64 = 15.0 * 60.0;

/// Says whether what is missing may be missing only because nobody could look.
pub trait Health: Send + Sync {
    /// Whether a feed that these labels may come from is down, or the collector behind them.
    ///
    /// `labels` are those of a series or an alert; `__name__`, where it is set, is the metric that the
    /// rule reads (a rule that reads several asks once for each, and holds when any is down).
    ///
    /// **Feed.** A target may be behind labels when none of its own labels (`job`, `instance`, those of
    /// the configuration) contradicts them; labels that a rule aggregated away contradict nothing. With
    /// `honor_labels` every label may be the exporter's own, and nothing contradicts. It must have exposed
    /// the metric in its last good scrape. It is down when its last scrape failed or was none yet since
    /// the start: then it may have exposed any metric. A target that is no longer configured is not down, but
    /// gone.
    ///
    /// **Collector.** A metric `tidegauge_<word>_…` is of the collectors whose names begin with that word
    /// (`tidegauge_btrfs_…`: `btrfs` and `btrfs_volume`). It is down when the last scrape had
    /// `tidegauge_collector_success{collector="…"} 0` of one of them. When it had none of them, and the exporter
    /// started less than 15 minutes ago, the collector has not run yet, and is down; later it is none that
    /// is wanted.
    fn is_down(&self, labels: &Labels) -> bool;
}

/// Whether this target makes the labels' data untrustworthy. `now` is the time of day.
pub(super) fn is_down(shared: &Shared, labels: &Labels, now: Timestamp) -> bool {
    let target = &shared.target;
    let contradicts = |(name, own): (&str, &str)| {
        let given = labels.get(name);
        !given.is_empty() && given != own
    };
    if !target.honor_labels && target.labels.iter().any(contradicts) {
        return false;
    }
    let state = shared.state();
    let metric = labels.name();
    if state.health != TargetHealth::Up {
        let names = state.told.names.as_deref();
        return metric.is_empty() || names.is_none_or(|names| names.contains(metric));
    }
    collector_is_down(&state.told, metric, now)
}

fn collector_is_down(told: &Told, metric: &str, now: Timestamp) -> bool {
    let Some(rest) = metric.strip_prefix("tidegauge_") else {
        return false;
    };
    let word = first_word(rest);
    let mut known = told
        .collectors
        .iter()
        .filter(|(collector, _)| first_word(collector) == word)
        .peekable();
    if known.peek().is_some() {
        return known.any(|(_, succeeded)| !succeeded);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 need far fewer bits than a float has"
    )]
    let now = now as f64 / 1000.0;
    // Whoever tells of collectors at all is an exporter of ours.
    !told.collectors.is_empty() && told.started.is_some_and(|started| now - started < STARTING)
}

fn first_word(name: &str) -> &str {
    name.split('_').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;

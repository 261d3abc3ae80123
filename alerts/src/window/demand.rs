//! How long each series is kept.

use std::collections::HashMap;
use std::time::Duration;

use tidegauge_promql::{Labels, METRIC_NAME, MatchOp, Matcher};

/// What a rule, or whoever asks regularly, needs of some series.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Which series: those that all of these match.
    pub matchers: Vec<Matcher>,
    /// How far back, from the time of asking: range, offset and lookback together.
    pub keep: Duration,
}

/// Kept beyond what is asked for, since rules are evaluated a little late.
const MARGIN: Duration = Duration::from_secs(60);

/// Kept of every series: Prometheus's lookback.
const LEAST: Duration = Duration::from_secs(5 * 60);

/// All demands, found by the metric's name.
#[derive(Debug, Default)]
pub(super) struct Demands {
    by_name: HashMap<String, Vec<Demand>>,
    others: Vec<Demand>,
}

impl Demands {
    pub(super) fn new(demands: Vec<Demand>) -> Self {
        let mut sorted = Self::default();
        for demand in demands {
            let name = demand
                .matchers
                .iter()
                .find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
            match name {
                Some(name) => sorted
                    .by_name
                    .entry(name.value.clone())
                    .or_default()
                    .push(demand),
                None => sorted.others.push(demand),
            }
        }
        sorted
    }

    /// How long the samples of a series are needed, in whole seconds.
    pub(super) fn keep_seconds(&self, labels: &Labels) -> u32 {
        let of_name = self.by_name.get(labels.name()).into_iter().flatten();
        let longest = of_name
            .chain(&self.others)
            .filter(|demand| labels.matches(&demand.matchers))
            .map(|demand| demand.keep)
            .fold(LEAST, Duration::max);
        whole_seconds(longest.saturating_add(MARGIN))
    }
}

/// Rounded up.
pub(super) fn whole_seconds(duration: Duration) -> u32 {
    let rounded = duration.saturating_add(Duration::from_nanos(999_999_999));
    u32::try_from(rounded.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(name: &str, value: &str) -> Matcher {
        Matcher::new(MatchOp::Equal, name, value)
    }

    #[test]
    fn the_longest_that_matches() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let demands = Demands::new(vec![
            Demand {
                matchers: vec![matcher(METRIC_NAME, "a"), matcher("tier", "hot")],
                keep: hours(6),
            },
            Demand {
                matchers: vec![matcher(METRIC_NAME, "a")],
                keep: hours(1),
            },
            Demand {
                matchers: vec![matcher("job", "x")],
                keep: hours(2),
            },
        ]);
        for (labels, keep) in [
            (vec![(METRIC_NAME, "a"), ("tier", "hot")], 6 * 3_600 + 60),
            (vec![(METRIC_NAME, "a"), ("tier", "cold")], 3_600 + 60),
            (vec![(METRIC_NAME, "a"), ("job", "x")], 2 * 3_600 + 60),
            (vec![(METRIC_NAME, "b"), ("job", "y")], 360),
        ] {
            assert_eq!(demands.keep_seconds(&Labels::new(labels)), keep);
        }
    }
}

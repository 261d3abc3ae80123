//! Whether what an alert is made of still comes in.

use tidegauge_promql::{Labels, Selector};

/// What is known of where an alert comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The alert's labels. `job` and `instance` are there only where the expression kept them.
    pub labels: &'a Labels,
    /// What the rule's expression asks for: matchers, that of the metric's name (`__name__`) among them.
    pub selectors: &'a [Selector],
}

/// Knows which feeds and collectors are down.
///
/// While it says so of a live alert, an empty answer is not taken for the end of that alert: missing data is not
/// recovery. It should say so from the start of the program until the first good scrape, too, and no longer of a feed
/// that is not configured any more, lest the alert stay for ever.
pub trait SourceHealth: Send + Sync {
    /// Whether what feeds this alert is down now.
    fn is_down(&self, source: Source<'_>) -> bool;
}

/// Nothing is ever down, as in tests of rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysUp;

impl SourceHealth for AlwaysUp {
    fn is_down(&self, _: Source<'_>) -> bool {
        false
    }
}

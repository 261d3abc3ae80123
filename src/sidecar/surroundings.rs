//! What rules are evaluated in: what stays as long as the program runs, and what the configuration says of it.

use std::sync::Arc;
use std::time::Duration;

use tidegauge_alerts::api::v1::Settings;
use tidegauge_alerts::clock::Clock;
use tidegauge_alerts::feed::{Feeds, Watch};
use tidegauge_alerts::rule::{Limits, Pace, World};
use tidegauge_alerts::window::Window;
use tidegauge_promql::Labels;

use crate::config::sidecar::Global;

/// After how long a firing alert is handed over again (Prometheus: 1 minute).
const RESEND_DELAY: Duration = Duration::from_secs(60);

/// What stays.
pub struct Surroundings {
    /// What is read and written.
    pub window: Arc<Window>,
    /// Whether it can be trusted.
    pub feeds: Arc<Feeds>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits of queries.
    pub queries: Settings,
    /// Where users find this program.
    pub external_url: Arc<str>,
}

impl Surroundings {
    /// With what a configuration says.
    pub fn world(&self, global: &Global) -> World {
        World {
            limits: Limits {
                lookback: self.queries.lookback,
                max_samples: self.queries.max_samples,
                timeout: self.queries.timeout,
                default_step: self.queries.default_step,
            },
            health: Some(Arc::new(Watch::new(
                self.feeds.clone(),
                self.window.clone(),
                Arc::clone(&self.clock),
            ))),
            external_url: Arc::clone(&self.external_url),
            external_labels: Labels::new(&global.external_labels),
            ..World::of(self.window.clone())
        }
    }
}

/// How often groups are evaluated.
pub fn pace(global: &Global) -> Pace {
    Pace {
        evaluation_interval: global.evaluation_interval,
        resend_delay: RESEND_DELAY,
    }
}

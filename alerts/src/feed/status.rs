//! What is known of each target, for the API and for the rules.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegauge_promql::{Labels, Timestamp};

use super::cycle::Counts;
use super::error::ScrapeError;
use super::exposed::Told;
use super::metadata::Metadata;
use super::series::Outcome;
use super::target::Target;
use crate::store::Appended;

/// Whether a target answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetHealth {
    /// It was not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl TargetHealth {
    /// In Prometheus's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A target as Prometheus's `/api/v1/targets` shows it.
#[derive(Clone, Debug)]
pub struct TargetStatus {
    /// `labels`.
    pub labels: Labels,
    /// `discoveredLabels`.
    pub discovered_labels: Labels,
    /// `scrapePool`: the job's name.
    pub scrape_pool: String,
    /// `scrapeUrl`.
    pub url: String,
    /// `lastError`; `None` after a good scrape.
    pub last_error: Option<ScrapeError>,
    /// `lastScrape`, in milliseconds since 1970; `None` before the first.
    pub last_scrape: Option<Timestamp>,
    /// `lastScrapeDuration`.
    pub last_duration: Duration,
    /// `health`.
    pub health: TargetHealth,
    /// `scrapeInterval`.
    pub interval: Duration,
    /// `scrapeTimeout`.
    pub timeout: Duration,
}

impl TargetStatus {
    /// `globalUrl`: the address with a loopback host replaced by the name of this host, as others reach it.
    pub fn global_url(&self, host_name: &str) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return self.url.clone();
        };
        for loopback in ["localhost", "127.0.0.1", "[::1]"] {
            if let Some(after) = rest.strip_prefix(loopback)
                && (after.is_empty() || after.starts_with([':', '/', '?']))
            {
                return format!("{scheme}://{host_name}{after}");
            }
        }
        self.url.clone()
    }
}

/// What a target's task tells and others read.
#[derive(Debug)]
pub(super) struct Shared {
    pub target: Target,
    pub metadata: Arc<Mutex<Metadata>>,
    state: Mutex<State>,
}

/// What changes with each scrape.
#[derive(Debug, Default)]
pub(super) struct State {
    pub health: TargetHealth,
    pub last_error: Option<ScrapeError>,
    pub last_scrape: Option<Timestamp>,
    pub last_duration: Duration,
    pub interval: Duration,
    pub timeout: Duration,
    pub told: Told,
    pub totals: Totals,
    /// Whether the store refused samples of the last scrape.
    refusing: bool,
}

/// Counts since the start, of one target.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub scrapes: u64,
    pub failures: u64,
    pub out_of_order: u64,
    pub duplicate: u64,
    pub out_of_bounds: u64,
    pub over_limit: u64,
}

impl Shared {
    pub fn new(target: Target, interval: Duration, timeout: Duration) -> Self {
        Self {
            target,
            metadata: Arc::default(),
            state: Mutex::new(State {
                interval,
                timeout,
                ..State::default()
            }),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn status(&self) -> TargetStatus {
        let state = self.state();
        TargetStatus {
            labels: self.target.labels.clone(),
            discovered_labels: self.target.discovered.clone(),
            scrape_pool: self.target.pool.clone(),
            url: self.target.url.clone(),
            last_error: state.last_error.clone(),
            last_scrape: state.last_scrape,
            last_duration: state.last_duration,
            health: state.health,
            interval: state.interval,
            timeout: state.timeout,
        }
    }

    /// A scrape has ended. What changed is logged.
    pub fn scraped(
        &self,
        time: Timestamp,
        took: Duration,
        outcome: Outcome,
        told: Told,
        appended: Appended,
    ) {
        let mut state = self.state();
        let counts = outcome.counts;
        let totals = &mut state.totals;
        totals.scrapes += 1;
        totals.failures += u64::from(outcome.error.is_some());
        totals.out_of_order += appended.out_of_order;
        totals.duplicate += appended.duplicate + counts.duplicate;
        totals.out_of_bounds += counts.out_of_bounds;
        totals.over_limit += appended.over_limit;
        self.log_health(&state, outcome.error.as_ref());
        let refused = appended.out_of_order
            + appended.duplicate
            + appended.over_limit
            + counts.duplicate
            + counts.out_of_bounds;
        if refused > 0 && !state.refusing {
            tracing::warn!(
                job = self.target.pool,
                instance = self.target.labels.get("instance"),
                out_of_order = appended.out_of_order,
                duplicate = appended.duplicate + counts.duplicate,
                too_far_ahead = counts.out_of_bounds,
                no_room = appended.over_limit,
                hint = refusal_hint(&appended, counts),
                "samples of a feed are refused"
            );
        } else if refused == 0 && state.refusing && outcome.error.is_none() {
            tracing::info!(
                job = self.target.pool,
                instance = self.target.labels.get("instance"),
                "samples of a feed are taken in again"
            );
        }
        // A scrape that failed had none to refuse.
        if outcome.error.is_none() {
            state.refusing = refused > 0;
        }
        state.health = match outcome.error {
            None => TargetHealth::Up,
            Some(_) => TargetHealth::Down,
        };
        state.last_error = outcome.error;
        state.last_scrape = Some(time);
        state.last_duration = took;
        state.told = told;
    }

    fn log_health(&self, before: &State, error: Option<&ScrapeError>) {
        let (job, instance) = (&self.target.pool, self.target.labels.get("instance"));
        match (before.health, &before.last_error, error) {
            (_, Some(old), Some(new)) if old.kind() == new.kind() => {}
            (_, _, Some(error)) => {
                tracing::warn!(job, instance, url = self.target.url, %error, "feed is down");
            }
            (TargetHealth::Down, _, None) => tracing::info!(job, instance, "feed is up again"),
            (TargetHealth::Unknown, _, None) => tracing::debug!(job, instance, "feed is up"),
            (TargetHealth::Up, _, None) => {}
        }
    }
}

/// What to do about samples that are refused.
fn refusal_hint(appended: &Appended, counts: Counts) -> &'static str {
    if appended.over_limit > 0 {
        "raise window.max_series or window.max_bytes, or have the exporter show less"
    } else if counts.out_of_bounds > 0 {
        "do the clocks of both hosts agree?"
    } else if appended.duplicate + counts.duplicate > 0 {
        "the exporter shows a series twice, or two targets show the same"
    } else {
        "was the clock put back, or does another target show the same series?"
    }
}

//! What rules are evaluated in: the store, limits, and what is known of the world outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegauge_promql::{Labels, Options, Query, Storage, Timestamp, Value, VectorSample};

use super::failure::Failure;
use super::file::LOOKBACK;
use crate::alert::SourceHealth;
use crate::store::Store;

/// Limits of each query of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How far back an instant selector looks.
    pub lookback: Duration,
    /// How many samples a query may hold.
    pub max_samples: u64,
    /// How long a query may take.
    pub timeout: Duration,
    /// The step of subqueries that name none.
    pub default_step: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let options = Options::default();
        Self {
            lookback: LOOKBACK,
            max_samples: options.max_samples,
            timeout: Duration::from_secs(120),
            default_step: options.default_step,
        }
    }
}

/// What rules are evaluated in.
#[derive(Clone)]
pub struct World {
    /// Queries read from it, results are written to it.
    pub store: Arc<dyn Store>,
    /// Limits of queries.
    pub limits: Limits,
    /// What is known of feeds; none in tests of rules, where a missing sample is a missing sample.
    pub health: Option<Arc<dyn SourceHealth>>,
    /// Where users find this program.
    pub external_url: Arc<str>,
    /// The labels that this program adds to what it sends.
    pub external_labels: Labels,
    /// How far back groups are evaluated that do not say so themselves.
    pub query_offset: Duration,
}

impl World {
    /// With a store, and nothing else known.
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            limits: Limits::default(),
            health: None,
            external_url: Arc::from(""),
            external_labels: Labels::empty(),
            query_offset: Duration::ZERO,
        }
    }

    /// The answer of a query as rules take it: a vector, or a number as a vector of one without labels.
    ///
    /// # Errors
    /// Why there is none, in Prometheus's words.
    pub fn ask(&self, query: &Query, at: Timestamp) -> Result<Vec<VectorSample>, Failure> {
        let storage: &dyn Storage = &self.store;
        let deadline = Instant::now() + self.limits.timeout;
        let options = Options {
            lookback: self.limits.lookback,
            max_samples: self.limits.max_samples,
            default_step: self.limits.default_step,
            interrupt: &|| Instant::now() >= deadline,
            ..Options::default()
        };
        let answer = query.instant(storage, at, &options)?;
        match answer.value {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(sample) => Ok(vec![VectorSample {
                labels: Labels::empty(),
                sample,
            }]),
            Value::String(_) | Value::Matrix(_) => Err(Failure::new(
                "rule result is not a vector or scalar",
                "correct the expression",
            )),
        }
    }
}

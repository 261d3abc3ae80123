//! A query: parsed once, asked as often as wanted.

use std::time::Duration;

use crate::error::Error;
use crate::sample::Timestamp;
use crate::storage::Storage;
use crate::value::Answer;

/// How queries are evaluated, and within which limits.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How far back an instant selector looks for a sample (Prometheus: 5 minutes).
    pub lookback: Duration,
    /// How many samples a query may hold at one time (Prometheus: 50,000,000).
    pub max_samples: u64,
    /// The step of a subquery that names none, in Prometheus the global evaluation interval (1 minute).
    pub default_step: Duration,
    /// Whether the name of what is no longer the metric that was stored goes at the end of the query only,
    /// instead of at once (Prometheus's feature `promql-delayed-name-removal`, off by default).
    pub delayed_name_removal: bool,
    /// Asked now and then whether to stop, since time is up. The engine has no clock.
    pub interrupt: &'a (dyn Fn() -> bool + Sync),
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(5 * 60),
            max_samples: 50_000_000,
            default_step: Duration::from_secs(60),
            delayed_name_removal: false,
            interrupt: &|| false,
        }
    }
}

/// A parsed and checked expression.
#[derive(Clone, Debug)]
pub struct Query {
    expression: promql_parser::parser::Expr,
}

impl Query {
    /// Parses an expression.
    ///
    /// # Errors
    /// [`Error::Parse`], with what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let expression = promql_parser::parser::parse(text).map_err(Error::Parse)?;
        Ok(Self { expression })
    }

    /// The value at one time.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn instant(
        &self,
        _storage: &dyn Storage,
        _at: Timestamp,
        _options: &Options<'_>,
    ) -> Result<Answer, Error> {
        Err(Error::Execution("not here yet".into()))
    }

    /// The values at `from`, `from + step`, … up to `to`, as [`Value::Matrix`](crate::Value::Matrix).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn range(
        &self,
        _storage: &dyn Storage,
        _from: Timestamp,
        _to: Timestamp,
        _step: Duration,
        _options: &Options<'_>,
    ) -> Result<Answer, Error> {
        Err(Error::Execution("not here yet".into()))
    }

    /// The parsed tree.
    pub fn expression(&self) -> &promql_parser::parser::Expr {
        &self.expression
    }
}

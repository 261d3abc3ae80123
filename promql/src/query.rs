//! A query: parsed once, asked as often as wanted.

use std::time::Duration;

use promql_parser::parser::Expr;

use crate::engine::{Engine, Steps};
use crate::error::Error;
use crate::plan::{Plan, check_text, compile};
use crate::sample::{Timestamp, millis};
use crate::selector::Selector;
use crate::storage::Storage;
use crate::value::{Answer, Value};

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

/// What an expression has at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A number.
    Scalar,
    /// A text.
    String,
    /// A value for each of some series.
    Vector,
    /// Samples over time for each of some series. It has no values over a range of times.
    Matrix,
}

/// A parsed and checked expression.
#[derive(Clone, Debug)]
pub struct Query {
    expression: Expr,
    plan: Plan,
    selectors: Vec<Selector>,
}

impl Query {
    /// Parses an expression.
    ///
    /// # Errors
    /// [`Error::Parse`], with what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        check_text(text)?;
        let refuse = |why: String| Error::Parse(format!("parse error: {why}"));
        let expression = promql_parser::parser::parse(text).map_err(refuse)?;
        let (plan, selectors) = compile(&expression)?;
        Ok(Self {
            expression,
            plan,
            selectors,
        })
    }

    /// The value at one time.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn instant(
        &self,
        storage: &dyn Storage,
        at: Timestamp,
        options: &Options<'_>,
    ) -> Result<Answer, Error> {
        Engine::new(storage, options, Steps::single(at), at).instant(&self.plan)
    }

    /// The values at `from`, `from + step`, … up to `to`, as [`Value::Matrix`]: none if `to` is before `from`.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Parse`] for a step of less than a millisecond, and for what has no value at one
    /// time or is a text.
    pub fn range(
        &self,
        storage: &dyn Storage,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
        options: &Options<'_>,
    ) -> Result<Answer, Error> {
        let step = millis(step);
        if step == 0 {
            return Err(Error::Parse(
                "zero or negative query resolution step widths are not accepted. Try a positive integer".into(),
            ));
        }
        match Steps::between(from, to, step) {
            Some(steps) => Engine::new(storage, options, steps, to).range(&self.plan),
            None => Ok(Answer {
                value: Value::Matrix(Vec::new()),
                warnings: Vec::new(),
                infos: Vec::new(),
                samples_read: 0,
            }),
        }
    }

    /// What it has at one time.
    pub fn kind(&self) -> ValueKind {
        match self.plan {
            Plan::Text(_) => ValueKind::String,
            Plan::Scalar(_) => ValueKind::Scalar,
            Plan::Vector(_) => ValueKind::Vector,
            Plan::Matrix(_) => ValueKind::Matrix,
        }
    }

    /// What it asks its store for, selector by selector, in the order of the text.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// The parsed tree.
    pub fn expression(&self) -> &Expr {
        &self.expression
    }
}

//! The functions of PromQL on numbers, as Prometheus 3 has them (upstream's `promql/functions.go`). What they are
//! called on is found by the engine: one window of one series, one value, one time.

pub mod buckets;
mod dates;
mod math;
mod over_time;
pub mod quantile;
mod rates;
mod regress;
pub mod sum;
mod table;
mod variation;

use crate::error::Error;
use crate::notes::Notes;
use crate::sample::Timestamp;

pub use math::{max, min};

/// The samples of one series in a range, marks of staleness already removed.
pub struct Window<'a> {
    /// When, in milliseconds; ascending.
    pub times: &'a [Timestamp],
    /// What, as many as times.
    pub values: &'a [f64],
    /// Left edge, exclusive (after offset and @).
    pub from: Timestamp,
    /// Right edge, inclusive (after offset and @).
    pub to: Timestamp,
    /// Time of evaluation, of the step (before offset and @).
    pub at: Timestamp,
    /// The metric's name, for notes; empty where there is none.
    pub name: &'a str,
}

/// A function of a window.
pub type OverWindow = fn(window: &Window<'_>, numbers: &[f64], notes: &mut Notes) -> Option<f64>;

/// What a function is called on.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Of a window; `numbers` are its scalar arguments in their order (the range left out), at this step. Never
    /// called on an empty window. None: no result for this series at this step.
    OverWindow(OverWindow),
    /// Of each member of a vector; `numbers` are the other arguments that were given. Drops the name.
    Each(fn(value: f64, numbers: &[f64]) -> Option<f64>),
    /// Of a time in seconds: each member of the vector, or the time of evaluation without argument. Drops the
    /// name.
    OfTime(fn(seconds: f64) -> f64),
    /// Needs whole vectors, labels or no series at all: the engine does it.
    Whole,
}

/// A function by its name.
pub struct Function {
    /// What it is called.
    pub name: &'static str,
    /// What it is called on.
    pub kind: Kind,
    /// Keeps the metric's name.
    pub keeps_name: bool,
}

/// The function of that name.
pub fn find(name: &str) -> Option<&'static Function> {
    let index = table::FUNCTIONS.binary_search_by_key(&name, |function| function.name);
    index.ok().map(|index| &table::FUNCTIONS[index])
}

impl Function {
    /// Whether a function of a window can be called with these numbers: to be asked once for each step that has
    /// a window.
    ///
    /// # Errors
    /// [`Error::Execution`] in Prometheus's words.
    pub fn check(&self, numbers: &[f64]) -> Result<(), Error> {
        match self.name {
            "double_exponential_smoothing" => regress::check_smoothing(numbers),
            _ => Ok(()),
        }
    }
}

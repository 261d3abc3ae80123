//! Why a query has no answer.

use thiserror::Error;

use crate::storage::StorageError;

/// Why a query has no answer. The texts are Prometheus's, so that what reads those reads these.
#[derive(Debug, Error)]
pub enum Error {
    /// It is no PromQL, or types do not fit.
    #[error("{0}")]
    Parse(String),
    /// It cannot be evaluated on these series: `many-to-many matching not allowed` and the like.
    #[error("{0}")]
    Execution(String),
    /// It would take more samples than allowed.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// It was told to stop for it took too long.
    #[error("query timed out in expression evaluation")]
    TimedOut,
    /// The store failed.
    #[error("expanding series: {0}")]
    Storage(#[from] StorageError),
}

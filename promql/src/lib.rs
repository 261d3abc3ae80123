//! Evaluates PromQL, as Prometheus 3 does, over any store of series. See ARCHITECTURE.md.

mod almost;
mod duration;
mod engine;
mod error;
mod functions;
mod labels;
mod memory;
mod notes;
mod number;
mod pattern;
mod plan;
mod query;
mod quoted;
mod sample;
pub mod script;
mod selector;
mod storage;
mod value;

pub use almost::almost_equal;
pub use duration::{DurationError, parse_duration};
pub use error::Error;
pub use labels::{Iter as LabelsIter, Labels};
pub use memory::MemoryStorage;
pub use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
pub use query::{Options, Query, ValueKind};
pub use sample::{STALE, Sample, Samples, Timestamp, is_stale};
pub use selector::Selector;
pub use storage::{Series, Storage, StorageError};
pub use value::{Answer, MatrixSeries, Value, VectorSample};

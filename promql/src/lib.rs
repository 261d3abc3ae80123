//! Evaluates PromQL, as Prometheus 3 does, over any store of series.
//!
//! A [`Query`] is parsed once and asked as often as wanted, at one time or over a range of times. It reads from
//! whatever implements [`Storage`]: [`MemoryStorage`] does, for tests and for what lives only as long as a
//! command. There is no I/O here and no clock; times come in, and whether a query has taken too long is asked
//! of the caller ([`Options::interrupt`]).
//!
//! ```
//! use std::time::Duration;
//! use tidegauge_promql::{Labels, MemoryStorage, Options, Query, Sample, Value};
//!
//! # fn main() -> Result<(), tidegauge_promql::Error> {
//! let storage = MemoryStorage::new();
//! let labels = Labels::new([("__name__", "written_bytes_total"), ("device", "sda")]);
//! for minute in 0..10 {
//!     let (time, value) = (minute * 60_000, minute as f64 * 600.0);
//!     storage.append(&labels, Sample { time, value });
//! }
//!
//! let query = Query::parse("sum by (device) (rate(written_bytes_total[5m])) > 1")?;
//! let answer = query.instant(&storage, 540_000, &Options::default())?;
//! let Value::Vector(vector) = answer.value else {
//!     unreachable!("an aggregation has a vector")
//! };
//! assert_eq!(vector[0].labels.to_string(), r#"{device="sda"}"#);
//! assert_eq!(vector[0].sample.value, 10.0);
//!
//! // Every minute from the fifth to the ninth.
//! let minute = Duration::from_secs(60);
//! let answer = query.range(&storage, 300_000, 540_000, minute, &Options::default())?;
//! assert!(matches!(answer.value, Value::Matrix(series) if series[0].samples.len() == 5));
//!
//! // What it will ask a store for, and how far back.
//! assert_eq!(query.selectors()[0].reach, Duration::from_secs(300));
//! # Ok(())
//! # }
//! ```
//!
//! Answers, errors, warnings and infos are Prometheus's. Left out are native histograms, duration expressions,
//! extended range selectors (`smoothed`, `anchored`) and `info()`; what of these the parser knows is refused with an
//! error that says so. [`script`] runs Prometheus's own test scripts.

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
pub use number::go_digit;
pub use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
pub use query::{Options, Query, ValueKind};
pub use quoted::quote;
pub use sample::{STALE, Sample, Samples, Timestamp, is_stale};
pub use selector::Selector;
pub use storage::{Series, Storage, StorageError};
pub use value::{Answer, MatrixSeries, Value, VectorSample};

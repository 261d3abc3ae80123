//! What a query answers with.

use crate::labels::Labels;
use crate::sample::{Sample, Samples};

/// The value of an expression, or of each of its steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number at one time.
    Scalar(Sample),
    /// A text.
    String(String),
    /// At most one sample for each set of labels, all at one time. In an order only where `sort` or the like
    /// asked for one.
    Vector(Vec<VectorSample>),
    /// Samples over time for each set of labels: of a range query (a scalar has no labels), sorted by
    /// labels; or of a range selector in an instant query.
    Matrix(Vec<MatrixSeries>),
}

/// A member of [`Value::Vector`].
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Labels, the metric's name among them where the expression keeps it.
    pub labels: Labels,
    /// The value, at the time of evaluation.
    pub sample: Sample,
}

/// A member of [`Value::Matrix`].
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Labels, the metric's name among them where the expression keeps it.
    pub labels: Labels,
    /// Its samples; at least one.
    pub samples: Samples,
}

/// A value, and what the engine has to say about how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Warnings: the value may be wrong. In Prometheus's words, each once, sorted.
    pub warnings: Vec<String>,
    /// Remarks: the query may not be what was meant. In Prometheus's words, each once, sorted.
    pub infos: Vec<String>,
    /// Samples read to answer it.
    pub samples_read: u64,
}

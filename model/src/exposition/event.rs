//! What the lines of an exposition say, borrowed from it wherever nothing is escaped.

use std::borrow::Cow;

/// The type of a metric family, of either format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows, but for a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in cumulative buckets.
    Histogram,
    /// Quantiles made by the exporter.
    Summary,
    /// `unknown` of OpenMetrics, `untyped` of text 0.0.4.
    Unknown,
    /// Constant text as labels; OpenMetrics only.
    Info,
    /// One of several states is 1; OpenMetrics only.
    StateSet,
    /// A histogram whose buckets go up and down; OpenMetrics only.
    GaugeHistogram,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// `# HELP`, unescaped.
    Help {
        /// The family's name.
        family: Cow<'a, str>,
        /// Empty when the line has none.
        text: Cow<'a, str>,
    },
    /// `# TYPE`.
    Type {
        /// The family's name.
        family: Cow<'a, str>,
        /// Its type.
        kind: Kind,
    },
    /// `# UNIT` of OpenMetrics.
    Unit {
        /// The family's name.
        family: Cow<'a, str>,
        /// Its unit, which the name ends in.
        unit: &'a str,
    },
    /// Any other comment of text 0.0.4, without `#`. What is no UTF-8 in it is replaced.
    Comment(Cow<'a, str>),
    /// A sample.
    Sample(SampleLine<'a>),
    /// `# EOF` of OpenMetrics.
    Eof,
}

/// A sample as a line gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleLine<'a> {
    /// The whole name, with the suffix it has.
    pub name: Cow<'a, str>,
    /// Names and unescaped values in the line's order; a name may be repeated.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The value; every NaN is the same one.
    pub value: f64,
    /// Milliseconds since 1970, in OpenMetrics rounded to them.
    pub timestamp_ms: Option<i64>,
    /// Of OpenMetrics only. Boxed, as hardly a sample has one and all are moved.
    pub exemplar: Option<Box<Exemplar<'a>>>,
}

/// An example of what a sample counted, such as the trace of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar<'a> {
    /// Names and unescaped values in the line's order; a name may be repeated.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The value; every NaN is the same one.
    pub value: f64,
    /// Milliseconds since 1970, rounded to them.
    pub timestamp_ms: Option<i64>,
}

/// Whether it may stand without quotes as a metric's name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_plain_name(name: &str) -> bool {
    plain_length(name, true) == name.len() && !name.is_empty()
}

/// Whether it may stand without quotes as a label's name: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_plain_label(name: &str) -> bool {
    plain_length(name, false) == name.len() && !name.is_empty()
}

/// How many bytes at the start of `text` are a plain name.
pub(super) fn plain_length(text: &str, colons: bool) -> usize {
    let in_name = |(at, b): (usize, u8)| {
        b.is_ascii_alphabetic()
            || b == b'_'
            || (b == b':' && colons)
            || (at > 0 && b.is_ascii_digit())
    };
    text.bytes()
        .enumerate()
        .take_while(|&byte| in_name(byte))
        .count()
}

//! The two text formats of `/metrics`: Prometheus text 0.0.4 and OpenMetrics 1.0.0.
//!
//! One writer serves both, since they differ only in how a family is headed and how the text ends; so does
//! one parser, which the linter stands on.

mod event;
mod lint;
mod parse;
mod write;

pub use event::{Event, Exemplar, Kind, SampleLine, is_plain_label, is_plain_name};
pub use lint::{Finding, Severity, lint};
pub use parse::{AfterSeries, ParseError, Parser, after_series, parse_value, read_line};
pub use write::{Cursor, write_chunk};

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text format 0.0.4, read by everything.
    Text004,
    /// OpenMetrics 1.0.0.
    OpenMetrics100,
}

impl Format {
    /// The HTTP Content-Type that announces it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics100 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

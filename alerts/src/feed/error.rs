//! Why a scrape brought nothing.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tidegauge_model::exposition::ParseError;
use tidegauge_model::units::format_duration;

/// Why a scrape failed: the thing, the reason, and what to do. Shown as `lastError` of a target.
#[derive(Clone, Debug, Error)]
pub enum ScrapeError {
    /// No connection.
    #[error("cannot connect to {address}: {reason}; does the exporter run, and listen there?")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A connection, and no TLS on it.
    #[error("no TLS with {address}: {reason}; see the feed's scheme and tls_config")]
    Tls {
        /// Host and port.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of the configuration could not be used.
    #[error(
        "cannot use {}: {reason}; it is read anew at each use, by the user that tidegauge runs as",
        path.display()
    )]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What is to be sent cannot be sent.
    #[error("cannot ask {url}: {reason}; see the feed's configuration")]
    Request {
        /// Of the target.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// No whole answer in time.
    #[error(
        "no whole answer within scrape_timeout, which is {}; the exporter is slow, or the time-out too short",
        format_duration(*limit)
    )]
    Timeout {
        /// The time-out.
        limit: Duration,
    },
    /// An answer other than 200.
    #[error("server returned HTTP status {status}; see the exporter's log, and metrics_path")]
    Status {
        /// With its words: `503 Service Unavailable`.
        status: String,
    },
    /// It sends elsewhere, in vain.
    #[error(
        "cannot follow the redirect to {location:?}: {reason}; name the right address as target"
    )]
    Redirect {
        /// As the answer has it.
        location: String,
        /// Why not.
        reason: String,
    },
    /// An answer in no format that we read.
    #[error(
        "{content_type:?} is no content type that can be read; is it an exporter? If so, say fallback_scrape_protocol: PrometheusText0.0.4"
    )]
    ContentType {
        /// As the answer has it; empty where it has none.
        content_type: String,
    },
    /// A compression that was not asked for.
    #[error(
        "the answer is encoded as {encoding:?}, which was not asked for; only gzip can be read"
    )]
    Encoding {
        /// As the answer has it.
        encoding: String,
    },
    /// The answer broke off, or is no HTTP.
    #[error("the answer of {address} cannot be read: {reason}")]
    Transfer {
        /// Host and port.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// Too large an answer.
    #[error("body size limit exceeded: the answer has {limit} bytes or more; see body_size_limit")]
    BodyTooLarge {
        /// In bytes, uncompressed.
        limit: u64,
    },
    /// A line that is not in the format.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// A line that is in the format, and no series.
    #[error("line {line}: {reason}; the exporter is to be mended")]
    Series {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A series with more or longer labels than allowed.
    #[error("{key} exceeded (metric: {metric}, {what}: {number}, limit: {limit})")]
    Label {
        /// The setting that is in the way.
        key: &'static str,
        /// The metric's name, shortened.
        metric: String,
        /// What was counted.
        what: String,
        /// How many.
        number: usize,
        /// How many there may be.
        limit: u64,
    },
    /// Too many samples.
    #[error("sample limit exceeded: there are {scraped} samples; sample_limit is {limit}")]
    SampleLimit {
        /// How many there are.
        scraped: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The exporter in this process gave no reading.
    #[error("the exporter in this process gives no reading; its log says why")]
    NoReading,
}

impl ScrapeError {
    /// A word for the kind of it: a metric's label, and what must change for the log to tell of it again.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::File { .. } => "file",
            Self::Request { .. } => "request",
            Self::Timeout { .. } => "timeout",
            Self::Status { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::ContentType { .. } => "content_type",
            Self::Encoding { .. } => "encoding",
            Self::Transfer { .. } => "transfer",
            Self::BodyTooLarge { .. } => "body_size_limit",
            Self::Parse(_) => "parse",
            Self::Series { .. } => "series",
            Self::Label { key, .. } => key,
            Self::SampleLimit { .. } => "sample_limit",
            Self::NoReading => "no_reading",
        }
    }
}

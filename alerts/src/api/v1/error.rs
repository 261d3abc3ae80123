//! Why a request is refused, in Prometheus's words and codes.

use hyper::StatusCode;
pub use tidegauge_promql::quote as quoted;
use tidegauge_promql::{Error, StorageError};

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong.
    BadData,
    /// The query cannot be evaluated.
    Execution,
    /// It took too long.
    Timeout,
    /// It was told to stop.
    Canceled,
    /// Something here failed.
    Internal,
    /// There is no such thing here.
    NotFound,
}

impl Kind {
    /// As `errorType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
            Self::NotFound => "not_found",
        }
    }

    /// As status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Timeout | Self::Canceled => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What kind of error it is.
    pub kind: Kind,
    /// What is wrong.
    pub message: String,
}

impl ApiError {
    /// Of the request.
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::BadData,
            message: message.into(),
        }
    }

    /// Of one of its parameters.
    pub fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {}: {message}", quoted(name)))
    }

    /// Of an endpoint that a Prometheus has.
    pub fn not_here(path: &str) -> Self {
        Self {
            kind: Kind::NotFound,
            message: format!(
                "tidegauge has no {path}: it is no Prometheus with a TSDB, remote storage or service discovery"
            ),
        }
    }

    /// Of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Internal,
            message: message.into(),
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Parse(_) => return Self::parameter("query", error),
            Error::Execution(_) | Error::TooManySamples => Kind::Execution,
            Error::TimedOut => Kind::Timeout,
            Error::Storage(_) => Kind::Internal,
        };
        Self {
            kind,
            message: error.to_string(),
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Self::internal(error.to_string())
    }
}

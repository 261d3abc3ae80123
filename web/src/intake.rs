//! The bodies of requests, and of answers to ours, within bounds.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use thiserror::Error;

/// Announced lengths are believed up to this, in bytes.
const TRUSTED: usize = 1 << 20;

/// Why a body was not read to its end.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// It is longer than is taken.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// It did not come in time.
    #[error("the body did not come within {0:?}")]
    TooSlow(Duration),
    /// The connection broke, or the body is no HTTP.
    #[error("the body cannot be read: {0}")]
    Broken(#[from] hyper::Error),
}

/// Reads a body of at most `limit` bytes that comes within `deadline`.
///
/// # Errors
/// See [`IntakeError`]. The rest is then still to come, and the connection is closed after the answer.
pub async fn read_body(
    body: &mut Incoming,
    limit: usize,
    deadline: Duration,
) -> Result<Vec<u8>, IntakeError> {
    tokio::time::timeout(deadline, read(body, limit))
        .await
        .unwrap_or(Err(IntakeError::TooSlow(deadline)))
}

async fn read(body: &mut Incoming, limit: usize) -> Result<Vec<u8>, IntakeError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(IntakeError::TooLong(limit));
    }
    let mut bytes = Vec::with_capacity(announced.min(TRUSTED));
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        // Trailers say nothing here.
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if data.len() > limit - bytes.len() {
            return Err(IntakeError::TooLong(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

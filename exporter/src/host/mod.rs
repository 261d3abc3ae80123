//! The host as one reading sees it: its mounts, their tiers, how full they are. Below the collectors,
//! which share it.

pub mod pass;
pub mod storage;
pub mod tiers;

use std::sync::Arc;

use thiserror::Error;

/// Why something could not be read; it names the thing, the reason and what to do.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct ReadError(Arc<str>);

impl ReadError {
    /// From any error's text.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string().into())
    }
}

//! The host as one reading sees it: its mounts, their tiers, how full they are. Below the collectors,
//! which share it.

pub mod blocks;
pub mod pass;
pub mod storage;
pub mod tiers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::rights::{Need, Right};

/// What reading the host needs beyond the rights of an ordinary user.
pub static RIGHTS: &[Need] = &[
    Need::new(
        Right::Ptrace,
        "to read the host's own mounts (/proc/1/mountinfo) where a unit has a mount namespace of its own",
    ),
    Need::new(
        Right::ReadSearch,
        "to ask filesystems that are mounted below directories closed to others",
    ),
];

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

/// Where the host's `path` is found when its root is at `rootfs`.
pub fn rooted(rootfs: &Path, path: &Path) -> PathBuf {
    if rootfs == Path::new("/") || path.starts_with(rootfs) {
        return path.to_owned();
    }
    path.strip_prefix("/")
        .map_or_else(|_| path.to_owned(), |relative| rootfs.join(relative))
}

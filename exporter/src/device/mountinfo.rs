//! The host's mount table, read from the mount namespace of process 1.

use std::path::Path;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use thiserror::Error;
use tidegauge_model::mount::{MountError, MountTable};

use super::kernel_file::{KernelFile, KernelFileError};

/// The mount table could not be had.
#[derive(Debug, Error)]
pub enum MountInfoError {
    /// Neither process 1's nor our own could be read.
    #[error(transparent)]
    Read(#[from] KernelFileError),
    /// It was read and not understood.
    #[error(transparent)]
    Parse(#[from] MountError),
}

/// The `mountinfo` file, kept open, with the table of its last content.
#[derive(Debug)]
pub struct MountInfo {
    host: KernelFile,
    own: KernelFile,
    on_own: bool,
    content: Vec<u8>,
    table: Arc<MountTable>,
}

impl MountInfo {
    /// Below `procfs`: `1/mountinfo`, because a hardened unit's own namespace is not the host's; and
    /// `self/mountinfo` where the first is not readable (`hidepid`).
    pub fn new(procfs: &Path) -> Self {
        Self {
            host: KernelFile::new(procfs.join("1/mountinfo")),
            own: KernelFile::new(procfs.join("self/mountinfo")),
            on_own: false,
            content: Vec::new(),
            table: Arc::default(),
        }
    }

    /// Reads the table. The same [`Arc`] comes back while nothing changed.
    pub fn read(&mut self) -> Result<Arc<MountTable>, MountInfoError> {
        let bytes = match self.host.read() {
            Ok(bytes) => {
                self.on_own = false;
                bytes
            }
            Err(_) => {
                self.on_own = true;
                self.own.read()?
            }
        };
        // Parsing costs more than comparing, and mounts seldom change.
        if bytes != self.content {
            self.table = Arc::new(MountTable::parse(bytes)?);
            self.content.clear();
            self.content.extend_from_slice(bytes);
        }
        Ok(Arc::clone(&self.table))
    }

    /// Whether mounts came or went since the last call or reading. The kernel marks the open file with
    /// an exceptional condition then (proc_pid_mounts(5)).
    pub fn changed(&self) -> bool {
        let source = if self.on_own { &self.own } else { &self.host };
        let Some(file) = source.file() else {
            return false;
        };
        let mut fds = [PollFd::new(file, PollFlags::PRI)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok_and(|n| n > 0)
            && fds[0].revents().intersects(PollFlags::PRI | PollFlags::ERR)
    }
}

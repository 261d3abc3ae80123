//! How much a directory tree holds, and how much of it nobody has changed for how long.
//!
//! The walk never leaves the mount it begins on, follows no symbolic link, counts a
//! file with several names once, and takes files that vanish meanwhile as never there. A tree that
//! cannot be read whole is a failure: a part would pass for the whole.
//!
//! Several threads share the work by directories, and within one that is large by its entries. Each
//! entry costs one statx(2), each directory one open and its getdents besides.

mod folder;
mod links;
mod walker;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use thiserror::Error;
use tidegauge_model::mount::displayable;

/// What a tree holds, its own directory included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes allocated on the device: what `du` tells.
    pub allocated: u64,
    /// Bytes that files and directories say they have: what `du --apparent-size` of coreutils before
    /// 9.2 tells.
    pub apparent: u64,
    /// The part of `apparent` that directories say: what `du --apparent-size` leaves out since then.
    pub apparent_of_directories: u64,
    /// Everything but directories; a file with several names once.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// For each age that was asked for, the allocated bytes of files that were not changed for so long.
    pub older: Vec<u64>,
}

impl Usage {
    fn empty(ages: usize) -> Self {
        Self {
            older: vec![0; ages],
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.allocated, other.allocated),
            (&mut self.apparent, other.apparent),
            (
                &mut self.apparent_of_directories,
                other.apparent_of_directories,
            ),
            (&mut self.files, other.files),
            (&mut self.directories, other.directories),
        ];
        let older = self.older.iter_mut().zip(other.older.iter().copied());
        for (sum, more) in sums.into_iter().chain(older) {
            *sum = sum.saturating_add(more);
        }
    }
}

/// A measured tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// All of it.
    pub total: Usage,
    /// The directories right below its root with what each holds, in no order. What lies beside them
    /// is the rest of the total.
    pub branches: Vec<(OsString, Usage)>,
}

/// How to walk.
pub struct Walk<'a> {
    /// Threads, the calling one included; at least one runs.
    pub threads: usize,
    /// Ages to tell by the time of the last change of a file's content (mtime).
    pub ages: &'a [Duration],
    /// What now is, for the ages.
    pub now: SystemTime,
    /// Asked now and then by each thread, at least once a directory. It may wait; with `false` the
    /// walk ends as [`TreeError::Cancelled`].
    pub go_on: &'a (dyn Fn() -> bool + Sync),
    /// Called by each further thread when it starts.
    pub prepare: &'a (dyn Fn() + Sync),
}

/// A tree that was not read whole.
#[derive(Debug, Error)]
pub enum TreeError {
    /// Some place could not be read.
    #[error("cannot read {}: {source}{}", displayable(path.as_os_str()), hint(*source))]
    Unreadable {
        /// The first such place.
        path: PathBuf,
        /// Why.
        source: Errno,
    },
    /// The walk was told to stop.
    #[error("the walk was stopped")]
    Cancelled,
}

fn hint(error: Errno) -> &'static str {
    match error {
        Errno::ACCESS | Errno::PERM => {
            "; it needs the right to read there, or CAP_DAC_READ_SEARCH for all"
        }
        Errno::NOTDIR | Errno::LOOP => "; name a directory itself, not a link to it",
        Errno::NOSYS => "; walks need openat2(2), which Linux has since 5.6",
        Errno::MFILE | Errno::NFILE => "; raise the limit of open files (LimitNOFILE=)",
        _ => "",
    }
}

impl Walk<'_> {
    /// Adds up the tree below `root`.
    pub fn measure(&self, root: &Path) -> Result<Tree, TreeError> {
        walker::measure(self, root)
    }
}

#[cfg(test)]
mod tests;

//! The folder of the sidecar's state, which one sidecar has to itself.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::failure::Failure;

/// The folder, ours until this is dropped or the process ends.
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Makes the folder where it is not there, and locks it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::usage(format!(
                "cannot keep state in {}: {error}; name another folder with --state-dir or `state_dir`",
                path.display()
            ))
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(path)
            .map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(Errno::WOULDBLOCK) => Err(Failure::usage(format!(
                "another tidegauge keeps its state in {}; end it, or name another folder with --state-dir",
                path.display()
            ))),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/state");
        let first = StateDir::open(&path).unwrap();
        let error = StateDir::open(&path).err().unwrap().to_string();
        assert!(error.contains("another tidegauge"), "{error}");
        drop(first);
        assert!(StateDir::open(&path).is_ok());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = StateDir::open(&file).err().unwrap().to_string();
        assert!(error.contains("--state-dir"), "{error}");
    }
}

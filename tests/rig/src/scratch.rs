//! Folders that vanish.

use std::env;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::mount::mounts_at_or_below;

/// The project's build folder, which holds everything the tests leave or keep.
pub(crate) fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate lies two folders below the root")
        .join("target")
}

/// The folder of the unpacked peers: `TIDEGAUGE_PEERS`, else where `tests/peers.sh` puts them.
pub(crate) fn peers() -> PathBuf {
    env::var_os("TIDEGAUGE_PEERS").map_or_else(|| target().join("peers"), PathBuf::from)
}

/// A folder below `target/rig`, removed with all it holds when dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: Option<TempDir>,
}

impl Scratch {
    /// Makes a new folder whose name begins with `prefix`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(prefix: &str) -> Self {
        let base = target().join("rig");
        let dir = std::fs::create_dir_all(&base)
            .and_then(|()| {
                tempfile::Builder::new()
                    .prefix(&format!("{prefix}-"))
                    .tempdir_in(&base)
            })
            .unwrap_or_else(|error| panic!("cannot make a folder in {}: {error}", base.display()));
        Self { dir: Some(dir) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.as_ref().expect("kept until dropped").path()
    }

    /// Makes a folder in it and tells its path.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        path
    }

    /// Writes a file in it and tells its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Removing a folder goes into what is mounted in it: a mount that would not go must not be
        // emptied, a bind mount of something else least of all.
        if !mounts_at_or_below(self.path()).is_empty()
            && let Some(dir) = self.dir.take()
        {
            eprintln!(
                "rig: {} is left: something is mounted in it",
                dir.keep().display()
            );
        }
    }
}

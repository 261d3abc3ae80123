//! The few things done with files, so that tests can have them fail at any step.

use std::any::Any;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file that is written from its beginning to its end.
pub(in crate::window) trait Output: Write + Send {
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The filesystem.
pub(in crate::window) trait Files: fmt::Debug + Send + Sync {
    /// Makes a folder, and those above it, unless it is there.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// The names in a folder that are text.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Opens to read.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>>;
    /// Makes an empty file, in place of one that is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// Renames, in place of what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes what was created, renamed and removed in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Locks a file against other processes, until what is returned is dropped.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>>;
}

/// The host's.
#[derive(Debug)]
pub(super) struct HostFiles;

impl Files for HostFiles {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(path)?;
        Ok(Box::new(HostOutput(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        let file = File::create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::other("another tidegauge uses this folder"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

struct HostOutput(File);

impl Write for HostOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for HostOutput {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

//! Reading the kernel's small text files: `/proc` and `/sys`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A kernel file that could not be read.
#[derive(Debug, Error)]
#[error("cannot read {}: {source}; {hint}", path.display())]
pub struct KernelFileError {
    /// Which file.
    pub path: PathBuf,
    /// The system's answer.
    pub source: io::Error,
    hint: &'static str,
}

impl KernelFileError {
    fn new(path: &Path, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::NotFound => {
                "does this kernel have it, and do --path.procfs and --path.sysfs lead to it?"
            }
            io::ErrorKind::PermissionDenied => "the exporter's user may not read it",
            _ => "see the kernel's log",
        };
        Self {
            path: path.to_owned(),
            source,
            hint,
        }
    }
}

/// A file that is read again and again: it stays open, and its buffer is kept.
#[derive(Debug)]
pub struct KernelFile {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
}

impl KernelFile {
    /// For the file at `path`, which is opened at the first reading.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            buffer: Vec::new(),
        }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, once it was read.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Reads it from the start. A file that fails is opened anew at the next reading.
    pub fn read(&mut self) -> Result<&[u8], KernelFileError> {
        match self.fill() {
            Ok(length) => Ok(&self.buffer[..length]),
            Err(error) => {
                self.file = None;
                Err(KernelFileError::new(&self.path, error))
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = Some(File::open(&self.path)?);
        }
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut length = 0;
        loop {
            // A seq_file gives at most a page or so at each read, and nothing only at its end.
            if self.buffer.len() - length < 4096 {
                self.buffer.resize((self.buffer.len() * 2).max(8192), 0);
            }
            match file.read_at(&mut self.buffer[length..], length as u64) {
                Ok(0) => return Ok(length),
                Ok(n) => length += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads a one-line attribute of sysfs, trimmed. `None` when it is not there, empty, not readable or
/// not text: attributes come and go with drivers and kernel versions.
pub fn attribute(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

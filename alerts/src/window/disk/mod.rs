//! The window on disk: a snapshot and a log of what was appended since.
//!
//! What is appended is written to the log at once, without waiting for the disk: it is there again after the process
//! was killed, at any instant, but for what was not yet handed to the kernel, which is the last batch at most as
//! long as the disk keeps up. It is made durable every half a minute: a power cut takes that much. When the log has
//! grown as large as the snapshot, a new snapshot takes the place of both: a new log is begun, then all series are
//! written to a file beside, some at a time, which gets its name when it is durable. Killed at any point in between,
//! the old snapshot, the old log and the new log together tell all.
//!
//! When writing fails (a full disk, an error of it) the window goes on in memory. Every half a minute a fresh
//! snapshot is tried.

mod files;
mod folder;
mod frame;
mod load;
mod log;
mod snapshot;
mod wire;

use std::any::Any;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tidegauge_promql::{Labels, Sample, Timestamp};

use files::HostFiles;
pub(super) use files::{Files, Output};
use folder::Folder;
use frame::{Header, Kind, put_record};
pub use load::Restored;
use load::{Bad, load};
pub(super) use log::{Pending, Recorder};

use super::index::NONE;
use super::state::State;
use super::stats::DiskStats;

/// How often the log is made durable, and how long a failure is left alone, in milliseconds.
const PAUSE: i64 = 30_000;

/// A log is not replaced before it has so many bytes …
const SMALL_LOG: u64 = 4 << 20;

/// … but after so many samples, which take about half a second to read back.
const MOST_SAMPLES: u64 = 8_000_000;

/// A log that is so many times larger than it should be is not written any more: no snapshot can be made.
const MUCH_TOO_LARGE: u64 = 8;

/// Series that are copied at once for a snapshot.
const SERIES_AT_ONCE: usize = 256;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 17;

/// Keeps the window on disk.
pub(super) struct Disk {
    folder: Folder,
    /// Held against a second process; `None`: not yet.
    lock: Option<Box<dyn Any + Send>>,
    /// `None`: nothing is written until there is a new snapshot.
    log: Option<Box<dyn Output>>,
    /// The highest number that was used.
    number: u64,
    /// That of the last snapshot that was finished.
    snapshot_number: u64,
    bad: Vec<Bad>,
    /// When the log was last made durable; `None`: there was nothing since.
    unsynced_since: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    stats: DiskStats,
    /// A copy of the numbers for who must not wait for the disk.
    shared: Arc<Mutex<DiskStats>>,
}

impl Disk {
    /// Reads what is there into the state. The first time that it is tended it is all written anew.
    pub(super) fn open(
        folder: PathBuf,
        files: Arc<dyn Files>,
        state: &RwLock<State>,
        now: Timestamp,
    ) -> (Self, Restored) {
        let mut disk = Self {
            folder: Folder {
                path: folder,
                files,
            },
            lock: None,
            log: None,
            number: 0,
            snapshot_number: 0,
            bad: Vec::new(),
            unsynced_since: None,
            failed_at: None,
            stats: DiskStats::default(),
            shared: Arc::default(),
        };
        let restored = match disk.read(state) {
            Ok(restored) => restored,
            Err(error) => {
                let problem = format!(
                    "{}: {error}; the window is kept in memory only, and this is tried again",
                    disk.folder.path.display()
                );
                disk.failed(state, now, &error);
                Restored {
                    problems: vec![problem],
                    ..Restored::default()
                }
            }
        };
        disk.tell();
        (disk, restored)
    }

    fn read(&mut self, state: &RwLock<State>) -> io::Result<Restored> {
        let Folder { path, files } = &self.folder;
        files.create_folder(path)?;
        self.lock = Some(files.lock(&path.join("lock"))?);
        let listing = self.folder.list()?;
        let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
        let (restored, bad) = load(&self.folder, &listing, &mut state);
        self.number = listing.highest();
        self.stats.last_snapshot = restored.snapshot;
        self.stats.corrupt = bad.len() as u64;
        self.bad = bad;
        Ok(restored)
    }

    /// Writes what waits; makes it durable and takes a snapshot where that is due.
    pub(super) fn tend(&mut self, state: &RwLock<State>, now: Timestamp) {
        if let Err(error) = self.write_pending(state, now).and_then(|()| self.sync(now)) {
            self.failed(state, now, &error);
        }
        let resting = self
            .failed_at
            .is_some_and(|failed| (0..PAUSE).contains(&now.saturating_sub(failed)));
        if self.wants_snapshot(state) && !resting {
            match self.snapshot(state, now) {
                Ok(()) => self.recovered(),
                Err(error) => self.failed(state, now, &error),
            }
        }
        self.tell();
    }

    /// Has a snapshot taken.
    #[cfg(test)]
    pub(super) fn due(&mut self) {
        self.stats.log_bytes = SMALL_LOG.max(self.stats.snapshot_bytes);
    }

    /// Writes what waits and makes it durable, at the end.
    pub(super) fn finish(&mut self, state: &RwLock<State>, now: Timestamp) {
        self.tend(state, now);
        if let Some(Err(error)) = self.log.as_mut().map(|log| log.sync()) {
            self.log = None;
            self.failed(state, now, &error);
        }
        self.tell();
    }

    /// Numbers about it, as of the last time that it was tended.
    pub(super) fn shared_stats(&self) -> Arc<Mutex<DiskStats>> {
        Arc::clone(&self.shared)
    }

    fn tell(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        *shared = DiskStats {
            healthy: self.log.is_some() && self.failed_at.is_none(),
            ..self.stats
        };
    }

    fn wants_snapshot(&self, state: &RwLock<State>) -> bool {
        let samples = || {
            let state = state.read().unwrap_or_else(PoisonError::into_inner);
            state.recorder.samples()
        };
        self.log.is_none()
            || self.failed_at.is_some()
            || self.log_is_large(1)
            || samples() >= MOST_SAMPLES
    }

    fn log_is_large(&self, times: u64) -> bool {
        self.stats.log_bytes >= times * SMALL_LOG.max(self.stats.snapshot_bytes)
    }

    /// Writes what waits. A log that this fails for is of no use any more.
    fn write_pending(&mut self, state: &RwLock<State>, now: Timestamp) -> io::Result<()> {
        let Some(mut log) = self.log.take() else {
            return Ok(());
        };
        let pending = {
            let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
            state.recorder.take()
        };
        match pending {
            Pending::Records(records) if records.is_empty() => {}
            Pending::Records(records) => {
                log.write_all(&records)?;
                self.stats.log_bytes += records.len() as u64;
                self.unsynced_since.get_or_insert(now);
                if self.log_is_large(MUCH_TOO_LARGE) {
                    return Err(io::Error::other(
                        "the log is too large, and no snapshot can be made",
                    ));
                }
            }
            Pending::Overflown => {
                return Err(io::Error::other("the disk does not keep up with the log"));
            }
        }
        self.log = Some(log);
        Ok(())
    }

    fn sync(&mut self, now: Timestamp) -> io::Result<()> {
        let due = self
            .unsynced_since
            .is_some_and(|since| !(0..PAUSE).contains(&now.saturating_sub(since)));
        if due && let Some(mut log) = self.log.take() {
            // After a failure nobody knows what of it is on the disk: it is not written on.
            log.sync()?;
            self.log = Some(log);
            self.unsynced_since = None;
        }
        Ok(())
    }

    /// Begins a log. What the one before has still to tell is written to it.
    fn begin_log(&mut self, state: &RwLock<State>, now: Timestamp) -> io::Result<()> {
        let Folder { path, files } = &self.folder;
        if self.lock.is_none() {
            files.create_folder(path)?;
            self.lock = Some(files.lock(&path.join("lock"))?);
            self.number = self.number.max(self.folder.list()?.highest());
        }
        // A number that failed is not used again: its files may be of any length.
        self.number += 1;
        let path = self.folder.path_of(Kind::Log, self.number);
        match self.write_log_start(&path, state, now) {
            Ok(log) => self.log = Some(log),
            Err(error) => {
                // Its like would pile up while the disk is full.
                let _ = self.folder.files.remove(&path);
                return Err(error);
            }
        }
        self.stats.log_bytes = 0;
        self.unsynced_since = Some(now);
        Ok(())
    }

    fn write_log_start(
        &mut self,
        path: &Path,
        state: &RwLock<State>,
        now: Timestamp,
    ) -> io::Result<Box<dyn Output>> {
        let Folder {
            path: folder,
            files,
        } = &self.folder;
        let mut log = files.create(path)?;
        log.write_all(&self.header(Kind::Log, now))?;
        files.sync_folder(folder)?;
        let (pending, known) = {
            let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
            state.start_log()
        };
        // From here on the old one cannot be written on.
        if let (Some(mut old), Pending::Records(records)) = (self.log.take(), pending)
            && let Err(error) = old.write_all(&records).and_then(|()| old.sync())
        {
            // The snapshot to come has it all; only until then it is nowhere else.
            self.stats.failures += 1;
            tracing::warn!(%error, "the end of the window's log is not durable until the next snapshot is");
        }
        write_known(log.as_mut(), known, now)?;
        Ok(log)
    }

    fn header(&self, kind: Kind, time: Timestamp) -> Vec<u8> {
        Header {
            kind,
            number: self.number,
            time,
        }
        .bytes()
    }

    fn snapshot(&mut self, state: &RwLock<State>, now: Timestamp) -> io::Result<()> {
        // A log whose snapshot failed still waits for one.
        if self.log.is_none() || self.snapshot_number == self.number {
            self.begin_log(state, now)?;
        }
        let unfinished = self.folder.unfinished_path(self.number);
        let bytes = match self.write_snapshot(&unfinished, state, now) {
            Ok(bytes) => bytes,
            Err(error) => {
                // It is in the way of what could be written instead; gone or not, it is not read.
                let _ = self.folder.files.remove(&unfinished);
                return Err(error);
            }
        };
        let Folder { path, files } = &self.folder;
        files.rename(
            &unfinished,
            &self.folder.path_of(Kind::Snapshot, self.number),
        )?;
        files.sync_folder(path)?;
        self.snapshot_number = self.number;
        self.stats.last_snapshot = Some(now);
        self.stats.snapshot_bytes = bytes;
        for bad in std::mem::take(&mut self.bad) {
            match self.folder.set_aside(&bad.path, &bad.why, now) {
                Ok(aside) => tracing::warn!(path = %aside.display(), "set aside"),
                Err(error) => {
                    self.stats.failures += 1;
                    tracing::warn!(path = %bad.path.display(), %error, "cannot be set aside");
                }
            }
        }
        if let Err(error) = self.folder.clean(self.number) {
            self.stats.failures += 1;
            tracing::warn!(path = %self.folder.path.display(), %error, "old files of the window cannot be removed");
        }
        Ok(())
    }

    fn write_snapshot(
        &mut self,
        path: &Path,
        state: &RwLock<State>,
        now: Timestamp,
    ) -> io::Result<u64> {
        let mut file = self.folder.files.create(path)?;
        let mut buffer = self.header(Kind::Snapshot, now);
        let (mut bytes, mut count, mut content) = (0, 0, Vec::new());
        let mut start = 0;
        loop {
            let (some, places) = {
                let state = state.read().unwrap_or_else(PoisonError::into_inner);
                let some: Vec<_> = state
                    .index
                    .range(start..start + SERIES_AT_ONCE)
                    .cloned()
                    .collect();
                (some, state.index.places())
            };
            for series in some {
                content.clear();
                snapshot::put_series(&mut content, &series);
                drop(series);
                put_record(&mut buffer, &content);
                count += 1;
                if buffer.len() >= BUFFER {
                    bytes += buffer.len() as u64;
                    file.write_all(&buffer)?;
                    buffer.clear();
                }
            }
            self.write_pending(state, now)?;
            start += SERIES_AT_ONCE;
            if start >= places {
                break;
            }
        }
        content.clear();
        snapshot::put_end(&mut content, count);
        put_record(&mut buffer, &content);
        file.write_all(&buffer)?;
        file.sync()?;
        Ok(bytes + buffer.len() as u64)
    }

    /// Goes on, without a log if that is what failed.
    fn failed(&mut self, state: &RwLock<State>, now: Timestamp, error: &io::Error) {
        self.stats.failures += 1;
        if self.log.is_none() {
            let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
            state.recorder.stop();
        }
        if self.failed_at.replace(now).is_none() {
            tracing::warn!(
                path = %self.folder.path.display(), %error,
                log = self.log.is_some(),
                "the window cannot be kept on disk whole and goes on in memory; this is tried again every half a minute"
            );
        }
    }

    fn recovered(&mut self) {
        if self.failed_at.take().is_some() {
            tracing::info!(path = %self.folder.path.display(), "the window is kept on disk again");
        }
    }
}

/// Writes the series that a log begins with, some at a time.
fn write_known(
    log: &mut dyn Output,
    known: Vec<(Labels, Sample)>,
    now: Timestamp,
) -> io::Result<()> {
    let mut recorder = Recorder::default();
    recorder.start(0);
    for some in known.chunks(SERIES_AT_ONCE) {
        recorder.begin(now, now);
        for (labels, sample) in some {
            let mut number = NONE;
            recorder.sample(&mut number, labels, 0.0, *sample);
        }
        recorder.end();
        if let Pending::Records(records) = recorder.take() {
            log.write_all(&records)?;
        }
    }
    Ok(())
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:?})", self.folder.path.display(), self.stats)
    }
}

/// The host's filesystem.
pub(super) fn host_files() -> Arc<dyn Files> {
    Arc::new(HostFiles)
}

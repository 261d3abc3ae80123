//! The recent samples of every series: in memory, compressed, and kept over a restart.
//!
//! One lock guards the series. Appending holds it for a batch, so a query sees a batch whole or not at all; choosing
//! series holds it, shared, while matchers are tried. Reading holds nothing: a chosen series is shared as it was, and
//! appending copies what a reader still has (its open chunk and the list of the closed ones) before it changes it.
//!
//! How long samples are kept is decided for each series, by what is demanded of it. How old they are is told
//! by the clock, unless it has just jumped: see `timekeeper.rs`. What is on disk is told in `disk/mod.rs`, how samples
//! are compressed in `chunk/mod.rs`.

mod chunk;
mod demand;
mod disk;
mod evict;
mod index;
mod keeper;
mod lookup;
mod series;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod timekeeper;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tidegauge_promql::{Labels, Matcher, Sample, Series, Storage, StorageError, Timestamp};

pub use demand::Demand;
pub use disk::Restored;
pub use keeper::Keeper;
pub use lookup::Listed;
pub use stats::{DiskStats, Stats};

use crate::clock::Clock;
use crate::store::{Append, Appended};
use demand::Demands;
use disk::Disk;
use keeper::Bell;
use state::State;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long samples of all series are kept for queries, demanded or not.
    pub retention: Duration,
    /// Bytes that series and index may take. Beyond, samples are dropped before their time, and no series is added.
    pub max_bytes: usize,
    /// Series beyond this are refused.
    pub max_series: usize,
}

impl Default for Settings {
    /// Ten minutes of everything, 256 MiB, 300,000 series.
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(10 * 60),
            max_bytes: 256 << 20,
            max_series: 300_000,
        }
    }
}

/// How often what is too old is looked for, in milliseconds. Series that go on drop theirs by themselves.
const SWEEP: i64 = 60_000;

/// Places that are swept under one lock.
const SWEPT_AT_ONCE: usize = 4_096;

/// The recent samples of every series. See the module's documentation.
///
/// Somebody has to call [`maintain`](Self::maintain) now and then: a [`Keeper`] does.
pub struct Window {
    state: RwLock<State>,
    /// Locked before the state, never after.
    disk: Option<Mutex<Disk>>,
    disk_stats: Option<Arc<Mutex<DiskStats>>>,
    clock: Arc<dyn Clock>,
    bell: Bell,
    swept: Mutex<Option<Timestamp>>,
}

impl Window {
    /// In memory only.
    pub fn in_memory(settings: Settings, demands: Vec<Demand>, clock: Arc<dyn Clock>) -> Self {
        let mut state = State::new(settings);
        state.set_demands(Demands::new(demands));
        Self {
            state: RwLock::new(state),
            disk: None,
            disk_stats: None,
            clock,
            bell: Bell::default(),
            swept: Mutex::default(),
        }
    }

    /// With what is kept in a folder, and kept there. Whatever is wrong with that is told in the answer and tried again:
    /// the window works without. Demands are to be known from the start: what nobody demands is soon gone.
    pub fn open(
        folder: impl Into<PathBuf>,
        settings: Settings,
        demands: Vec<Demand>,
        clock: Arc<dyn Clock>,
    ) -> (Self, Restored) {
        Self::open_on(disk::host_files(), folder.into(), settings, demands, clock)
    }

    fn open_on(
        files: Arc<dyn disk::Files>,
        folder: PathBuf,
        settings: Settings,
        demands: Vec<Demand>,
        clock: Arc<dyn Clock>,
    ) -> (Self, Restored) {
        let mut window = Self::in_memory(settings, demands, clock);
        let (disk, restored) = Disk::open(folder, files, &window.state, window.clock.now());
        window.disk_stats = Some(disk.shared_stats());
        window.disk = Some(Mutex::new(disk));
        (window, restored)
    }

    /// Replaces what is demanded.
    pub fn set_demands(&self, demands: Vec<Demand>) {
        let demands = Demands::new(demands);
        self.write().set_demands(demands);
    }

    /// Replaces the settings. Series beyond a smaller number stay until they are too old.
    pub fn set_settings(&self, settings: Settings) {
        self.write().set_settings(settings);
    }

    /// Writes what was appended to the disk, takes a snapshot when it is time to, and drops what is too old.
    pub fn maintain(&self) {
        let now = self.clock.now();
        self.sweep(now);
        if let Some(disk) = &self.disk {
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            disk.tend(&self.state, now);
        }
    }

    /// Makes durable what was appended.
    fn finish(&self) {
        if let Some(disk) = &self.disk {
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            disk.finish(&self.state, self.clock.now());
        }
    }

    fn sweep(&self, now: Timestamp) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_some_and(|swept| (0..SWEEP).contains(&now.saturating_sub(swept))) {
            return;
        }
        *swept = Some(now);
        let (mut start, mut oldest) = (0, None);
        loop {
            let mut state = self.write();
            let here = state.forget(now, start..start + SWEPT_AT_ONCE);
            oldest = match (oldest, here) {
                (Some(oldest), Some(here)) => Some(Timestamp::min(oldest, here)),
                (oldest, here) => oldest.or(here),
            };
            start += SWEPT_AT_ONCE;
            if start >= state.index.places() {
                state.note_oldest(oldest);
                state.note_room();
                return;
            }
        }
    }

    /// Numbers about it.
    pub fn stats(&self) -> Stats {
        let copy =
            |stats: &Arc<Mutex<DiskStats>>| *stats.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = self.disk_stats.as_ref().map(copy);
        Stats {
            disk,
            ..self.read().stats()
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Append for Window {
    fn append(&self, batch: &[(Labels, Sample)]) -> Appended {
        let appended = self.write().append(batch, self.clock.now());
        if self.disk.is_some() {
            self.bell.ring();
        }
        appended
    }

    fn copy_of(&self, labels: &Labels) -> Option<Labels> {
        self.read().index.copy_of(labels)
    }
}

impl Storage for Window {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let mut found: Vec<Arc<dyn Series>> = Vec::new();
        self.read().index.each_match(matchers, |series| {
            if series.reaches(from, to) {
                found.push(Arc::clone(series) as Arc<dyn Series>);
            }
        });
        Ok(found)
    }
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.read().index)
    }
}

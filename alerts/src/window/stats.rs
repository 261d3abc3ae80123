//! Numbers about the window, for its own metrics.

use tidegauge_promql::Timestamp;

/// Numbers about the window. Those that count go on from 0 at each start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series that are held now.
    pub series: u64,
    /// Samples that are held now.
    pub samples: u64,
    /// Bytes that series take, labels included.
    pub series_bytes: u64,
    /// Bytes that the index takes.
    pub index_bytes: u64,
    /// The time of the oldest sample, as of the last [`maintain`](super::Window::maintain).
    pub oldest: Option<Timestamp>,
    /// The time of the newest sample that was taken in.
    pub newest: Option<Timestamp>,
    /// Samples taken in, the very same ones once more included.
    pub appended: u64,
    /// Samples refused for a time before their series' last one, or one that is too old to be kept.
    pub out_of_order: u64,
    /// Samples refused for another value at their series' last time.
    pub duplicate: u64,
    /// Samples refused for there was no room for another series.
    pub over_limit: u64,
    /// Samples refused for a time more than ten minutes ahead.
    pub ahead: u64,
    /// Samples dropped for there was no room, before their time.
    pub evicted: u64,
    /// Samples thrown away when the clock came back from a jump.
    pub discarded: u64,
    /// How it is kept on disk; `None`: it is not.
    pub disk: Option<DiskStats>,
}

/// Numbers about how the window is kept on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Whether what is appended is written now.
    pub healthy: bool,
    /// Failures to write since the start.
    pub failures: u64,
    /// Files that were damaged or of another version when the sidecar started, and are set aside.
    pub corrupt: u64,
    /// When the last snapshot was complete.
    pub last_snapshot: Option<Timestamp>,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: u64,
    /// Bytes written to the log since then.
    pub log_bytes: u64,
}

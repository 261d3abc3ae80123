//! Families of copy-on-write snapshots.

use super::{Read, bytes, gauge, ratio};
use crate::collector::table::Row;
use crate::device::dm::SECTOR;
use crate::device::dm::status::{Snapshot, Status};

/// The families with one value for each.
pub static GAUGES: [Row<Read>; 6] = [
    (
        gauge(
            "tidegauge_dm_snapshot_valid",
            "Whether the copy-on-write snapshot can still be read. It is 0 for ever once its store was full.",
        ),
        |s| Some(snapshot(s)?.valid.into()),
    ),
    (
        gauge(
            "tidegauge_dm_snapshot_merging",
            "Whether the snapshot is being merged into its origin.",
        ),
        |s| Some(snapshot(s)?.merging.into()),
    ),
    (
        gauge(
            "tidegauge_dm_snapshot_used_ratio",
            "How full the snapshot's store is. Absent when it is no longer valid: see tidegauge_dm_snapshot_valid.",
        ),
        |s| ratio(snapshot(s)?.sectors?),
    ),
    (
        gauge(
            "tidegauge_dm_snapshot_used_bytes",
            "Bytes of the snapshot's store that are used, its metadata included.",
        ),
        |s| Some(bytes(snapshot(s)?.sectors?.used, SECTOR)),
    ),
    (
        gauge(
            "tidegauge_dm_snapshot_size_bytes",
            "Size of the snapshot's store.",
        ),
        |s| Some(bytes(snapshot(s)?.sectors?.total, SECTOR)),
    ),
    (
        gauge(
            "tidegauge_dm_snapshot_metadata_bytes",
            "Bytes of the snapshot's store that its metadata use.",
        ),
        |s| Some(bytes(snapshot(s)?.metadata_sectors?, SECTOR)),
    ),
];

fn snapshot(status: &Status) -> Option<&Snapshot> {
    match status {
        Status::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    }
}

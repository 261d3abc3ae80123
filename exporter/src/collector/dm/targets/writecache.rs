//! Families of caches of the kind `writecache`.

use super::{Read, counter, gauge, ratio};
use crate::collector::table::Row;
use crate::device::dm::status::{Fill, Status, WriteCache};

/// The families with one value for each.
pub static GAUGES: [Row<Read>; 6] = [
    (
        gauge(
            "tidegauge_dm_writecache_error",
            "Whether the write cache met an error, after which all I/O fails.",
        ),
        |s| Some(write_cache(s)?.failed.into()),
    ),
    (
        gauge(
            "tidegauge_dm_writecache_used_ratio",
            "How much of the write cache holds what the slow device does not have yet.",
        ),
        |s| {
            let found = write_cache(s)?;
            ratio(Fill {
                used: found.blocks.checked_sub(found.free)?,
                total: found.blocks,
            })
        },
    ),
    (
        gauge(
            "tidegauge_dm_writecache_blocks",
            "Blocks of the write cache.",
        ),
        |s| Some(write_cache(s)?.blocks.into()),
    ),
    (
        gauge(
            "tidegauge_dm_writecache_free_blocks",
            "Blocks of the write cache that are free.",
        ),
        |s| Some(write_cache(s)?.free.into()),
    ),
    (
        gauge(
            "tidegauge_dm_writecache_writeback_blocks",
            "Blocks of the write cache that are on their way to the slow device.",
        ),
        |s| Some(write_cache(s)?.writeback.into()),
    ),
    (
        counter(
            "tidegauge_dm_writecache_writes_blocked_total",
            "Writes that waited for a free block of the write cache.",
        ),
        |s| Some(write_cache(s)?.writes?.blocked.into()),
    ),
];

fn write_cache(status: &Status) -> Option<&WriteCache> {
    match status {
        Status::WriteCache(cache) => Some(cache),
        _ => None,
    }
}

//! Families of caches of the kind `cache`.

use tidegauge_model::metric::{FamilySpec, Value};

use super::{Read, bytes, counter, gauge, ratio};
use crate::collector::table::Row;
use crate::device::dm::SECTOR;
use crate::device::dm::status::{CacheNumbers, Status};

pub static CACHE_MODE: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_cache_mode",
    "1 for the mode that the cache's metadata are in, 0 for the others: rw, ro, failed.",
    &["tier", "dm_name", "vg", "lv", "mode"],
);
pub static CACHE_INFO: FamilySpec = FamilySpec::info(
    "tidegauge_dm_cache_info",
    "How the cache writes: writeback, writethrough or passthrough.",
    &["tier", "dm_name", "vg", "lv", "write_mode"],
);

/// The families with one value for each.
pub static GAUGES: [Row<Read>; 12] = [
    (
        gauge(
            "tidegauge_dm_cache_used_ratio",
            "How much of the cache holds something.",
        ),
        |s| ratio(cache(s)?.blocks),
    ),
    (
        gauge("tidegauge_dm_cache_used_bytes", "Bytes in the cache."),
        |s| cache_bytes(s, |c| c.blocks.used),
    ),
    (
        gauge("tidegauge_dm_cache_size_bytes", "Size of the cache."),
        |s| cache_bytes(s, |c| c.blocks.total),
    ),
    (
        gauge(
            "tidegauge_dm_cache_dirty_bytes",
            "Bytes in the cache that the slow device does not have yet.",
        ),
        |s| cache_bytes(s, |c| c.dirty),
    ),
    (
        gauge(
            "tidegauge_dm_cache_metadata_used_ratio",
            "How much of the cache's space for metadata is used.",
        ),
        |s| ratio(cache(s)?.metadata),
    ),
    (
        gauge(
            "tidegauge_dm_cache_needs_check",
            "Whether a change of the cache's metadata failed, so that it must be repaired.",
        ),
        |s| Some(cache(s)?.needs_check?.into()),
    ),
    (
        counter(
            "tidegauge_dm_cache_read_hits_total",
            "Reads that were in the cache. The kernel counts to 4,294,967,295 and starts again.",
        ),
        |s| Some(cache(s)?.read.hits.into()),
    ),
    (
        counter(
            "tidegauge_dm_cache_read_misses_total",
            "Reads that were not in the cache.",
        ),
        |s| Some(cache(s)?.read.misses.into()),
    ),
    (
        counter(
            "tidegauge_dm_cache_write_hits_total",
            "Writes to what was in the cache.",
        ),
        |s| Some(cache(s)?.write.hits.into()),
    ),
    (
        counter(
            "tidegauge_dm_cache_write_misses_total",
            "Writes to what was not in the cache.",
        ),
        |s| Some(cache(s)?.write.misses.into()),
    ),
    (
        counter(
            "tidegauge_dm_cache_promotions_total",
            "Blocks that came into the cache.",
        ),
        |s| Some(cache(s)?.promotions.into()),
    ),
    (
        counter(
            "tidegauge_dm_cache_demotions_total",
            "Blocks that had to leave the cache.",
        ),
        |s| Some(cache(s)?.demotions.into()),
    ),
];

/// What a cache that works tells.
pub fn cache(status: &Status) -> Option<&CacheNumbers> {
    match status {
        Status::Cache(cache) => cache.numbers.as_ref(),
        _ => None,
    }
}

fn cache_bytes(status: &Status, blocks: fn(&CacheNumbers) -> u64) -> Option<Value> {
    let found = cache(status)?;
    let block = found.block_sectors.saturating_mul(SECTOR);
    Some(bytes(blocks(found), block))
}

//! From the states of targets to families.

use std::collections::BTreeSet;

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use super::LABELS;
use crate::device::dm::SECTOR;
use crate::device::dm::status::{
    Cache, CacheNumbers, Fill, Leg, Mode, Pool, PoolNumbers, Raid, Snapshot, Status, WriteCache,
};

/// A block of a thin pool's metadata: `THIN_METADATA_BLOCK_SIZE`.
const POOL_METADATA_BLOCK: u64 = 4096;
/// What a RAID may be doing.
const ACTIONS: [&str; 7] = [
    "idle", "frozen", "resync", "recover", "check", "repair", "reshape",
];

/// How a state becomes a sample; `None` where the target is of another kind or does not tell.
type Read = fn(&Status) -> Option<Value>;

const fn gauge(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, LABELS)
}

const fn counter(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::counter(name, help, LABELS)
}

pub static POOL_MODE: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_thin_pool_mode",
    "1 for the mode that the pool is in, 0 for the others: rw, ro (its metadata are full or damaged), out_of_data_space, failed.",
    &["tier", "dm_name", "vg", "lv", "mode"],
);
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
pub static RAID_INFO: FamilySpec = FamilySpec::info(
    "tidegauge_dm_raid_info",
    "The level of the RAID, as device mapper names it; mirror for the older target.",
    &["tier", "dm_name", "vg", "lv", "level"],
);
pub static RAID_LEGS: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_raid_legs",
    "Number of the RAID's legs, by state: in_sync, out_of_sync, failed, missing.",
    &["tier", "dm_name", "vg", "lv", "state"],
);
pub static RAID_ACTION: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_raid_action",
    "1 for what the RAID is doing, 0 for the others: idle, frozen, resync, recover, check, repair, reshape.",
    &["tier", "dm_name", "vg", "lv", "action"],
);

/// The families with one value for each device.
pub static GAUGES: [(FamilySpec, Read); 38] = [
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
    (
        gauge(
            "tidegauge_dm_thin_pool_data_used_ratio",
            "How much of the pool's space for data is used.",
        ),
        |s| ratio(pool(s)?.data),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_data_used_blocks",
            "Blocks of the pool that hold data.",
        ),
        |s| Some(pool(s)?.data.used.into()),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_data_blocks",
            "Blocks of the pool for data.",
        ),
        |s| Some(pool(s)?.data.total.into()),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_metadata_used_ratio",
            "How much of the pool's space for metadata is used. A pool whose metadata are full may be damaged.",
        ),
        |s| ratio(pool(s)?.metadata),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_metadata_used_bytes",
            "Bytes of the pool's metadata that are used.",
        ),
        |s| Some(bytes(pool(s)?.metadata.used, POOL_METADATA_BLOCK)),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_metadata_size_bytes",
            "The pool's space for metadata.",
        ),
        |s| Some(bytes(pool(s)?.metadata.total, POOL_METADATA_BLOCK)),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_needs_check",
            "Whether a change of the pool's metadata failed, so that it must be repaired.",
        ),
        |s| Some(pool(s)?.needs_check?.into()),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_discard_passdown",
            "Whether discards reach the device below the pool.",
        ),
        |s| Some(pool(s)?.discard_passdown?.into()),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_error_if_no_space",
            "Whether writes to a full pool fail at once, rather than wait for a minute.",
        ),
        |s| Some(pool(s)?.error_if_no_space?.into()),
    ),
    (
        gauge(
            "tidegauge_dm_thin_pool_transaction_id",
            "Number of the last change that the volume manager made to the pool.",
        ),
        |s| Some(pool(s)?.transaction.into()),
    ),
    (
        gauge(
            "tidegauge_dm_thin_mapped_bytes",
            "Bytes of the thin volume that have a place in its pool.",
        ),
        |s| match s {
            Status::Thin(thin) => Some(bytes(thin.mapped_sectors?, SECTOR)),
            _ => None,
        },
    ),
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
    (
        gauge(
            "tidegauge_dm_raid_sync_ratio",
            "How much of the RAID is in sync or, while it is checked or repaired, has been looked at.",
        ),
        |s| ratio(raid(s)?.synced?),
    ),
    (
        gauge(
            "tidegauge_dm_raid_degraded",
            "Whether fewer legs hold the data than should: one has failed, is missing, or is being filled again.",
        ),
        |s| Some(raid(s)?.degraded().into()),
    ),
    (
        gauge(
            "tidegauge_dm_raid_mismatches",
            "Differences between legs that the last check found.",
        ),
        |s| Some(raid(s)?.mismatches?.into()),
    ),
];

/// All of them, from what the targets of each device tell.
pub fn families(devices: &[(Labels, Vec<Status>)]) -> Vec<Family> {
    let all = || {
        devices
            .iter()
            .flat_map(|(labels, told)| told.iter().map(move |status| (labels, status)))
    };
    let mut families = Vec::with_capacity(GAUGES.len() + 6);
    for (spec, read) in &GAUGES {
        let mut family = Family::new(spec);
        // A device may hold a snapshot and one that is merged; they would be the same series.
        let mut seen = BTreeSet::new();
        for (labels, status) in all() {
            if let Some(value) = read(status)
                && seen.insert(labels.rendered())
            {
                family.push(labels, value);
            }
        }
        families.push(family);
    }
    let [
        mut pool_mode,
        mut cache_mode,
        mut cache_info,
        mut raid_info,
        mut legs,
        mut action,
    ] = [
        &POOL_MODE,
        &CACHE_MODE,
        &CACHE_INFO,
        &RAID_INFO,
        &RAID_LEGS,
        &RAID_ACTION,
    ]
    .map(Family::new);
    for (labels, status) in all() {
        match status {
            Status::ThinPool(Pool {
                mode: Some(holds), ..
            }) => modes(&mut pool_mode, labels, *holds, &Mode::ALL),
            Status::Cache(found) => {
                let all = [Mode::ReadWrite, Mode::ReadOnly, Mode::Failed];
                if let Some(holds) = found.mode {
                    modes(&mut cache_mode, labels, holds, &all);
                }
                if let Some(mode) = cache(status).and_then(|c| c.write_mode.as_deref()) {
                    cache_info.push(&labels.with("write_mode", mode), true);
                }
            }
            Status::Raid(found) => {
                raid_info.push(&labels.with("level", &found.kind), true);
                for state in Leg::ALL {
                    let count = found.legs.iter().filter(|leg| **leg == state).count();
                    legs.push(&labels.with("state", state.name()), count as u64);
                }
                for name in ACTIONS {
                    if let Some(holds) = &found.action {
                        action.push(&labels.with("action", name), holds == name);
                    }
                }
            }
            _ => {}
        }
    }
    families.extend([pool_mode, cache_mode, cache_info, raid_info, legs, action]);
    families
}

/// Whether all I/O to it fails.
pub fn has_failed(status: &Status) -> bool {
    match status {
        Status::Snapshot(snapshot) => !snapshot.valid,
        Status::ThinPool(Pool { mode, .. }) | Status::Cache(Cache { mode, .. }) => {
            *mode == Some(Mode::Failed)
        }
        Status::Thin(thin) => thin.failed,
        Status::WriteCache(cache) => cache.failed,
        Status::Other { failed } => *failed,
        Status::Raid(_) => false,
    }
}

fn modes(family: &mut Family, labels: &Labels, holds: Mode, all: &[Mode]) {
    for mode in all {
        family.push(&labels.with("mode", mode.name()), *mode == holds);
    }
}

fn snapshot(status: &Status) -> Option<&Snapshot> {
    match status {
        Status::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    }
}

fn pool(status: &Status) -> Option<&PoolNumbers> {
    match status {
        Status::ThinPool(pool) => pool.numbers.as_ref(),
        _ => None,
    }
}

fn cache(status: &Status) -> Option<&CacheNumbers> {
    match status {
        Status::Cache(cache) => cache.numbers.as_ref(),
        _ => None,
    }
}

fn write_cache(status: &Status) -> Option<&WriteCache> {
    match status {
        Status::WriteCache(cache) => Some(cache),
        _ => None,
    }
}

fn raid(status: &Status) -> Option<&Raid> {
    match status {
        Status::Raid(raid) => Some(raid),
        _ => None,
    }
}

fn cache_bytes(status: &Status, blocks: fn(&CacheNumbers) -> u64) -> Option<Value> {
    let found = cache(status)?;
    let block = found.block_sectors.saturating_mul(SECTOR);
    Some(bytes(blocks(found), block))
}

fn bytes(count: u64, each: u64) -> Value {
    count.saturating_mul(each).into()
}

/// `None` of nothing.
fn ratio(fill: Fill) -> Option<Value> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio has no more digits than f64"
    )]
    let ratio = fill.used as f64 / fill.total as f64;
    (fill.total > 0).then_some(ratio.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::dm::status::parse;

    fn value(kind: &str, status: &str, name: &str) -> Option<f64> {
        let labels = Labels::new(&[("tier", "hot")]);
        let told = [(labels, vec![parse(kind, status).unwrap()])];
        let families = families(&told);
        let family = families.iter().find(|f| f.spec.name == name).unwrap();
        family.samples.first().map(|sample| sample.value.as_f64())
    }

    #[test]
    fn sectors_and_blocks_become_bytes() {
        let of = |name| value("snapshot", "4128/16384 32", name);
        assert_eq!(of("tidegauge_dm_snapshot_used_bytes"), Some(2_113_536.0));
        assert_eq!(of("tidegauge_dm_snapshot_size_bytes"), Some(8_388_608.0));
        assert_eq!(of("tidegauge_dm_snapshot_used_ratio"), Some(0.251_953_125));
        let status =
            "8 9/2048 128 12/256 1 56 3 4 5 6 7 1 writeback 2 migration_threshold 2048 smq 0 rw -";
        let of = |name| value("cache", status, name);
        assert_eq!(of("tidegauge_dm_cache_dirty_bytes"), Some(7.0 * 65536.0));
        assert_eq!(of("tidegauge_dm_cache_size_bytes"), Some(256.0 * 65536.0));
    }

    #[test]
    fn what_is_not_known_is_absent() {
        for name in ["used_ratio", "used_bytes", "size_bytes"] {
            let name = format!("tidegauge_dm_snapshot_{name}");
            assert_eq!(value("snapshot", "Invalid", &name), None, "{name}");
        }
        assert_eq!(
            value("snapshot", "Invalid", "tidegauge_dm_snapshot_valid"),
            Some(0.0)
        );
        let of = |status| {
            value(
                "thin-pool",
                status,
                "tidegauge_dm_thin_pool_data_used_ratio",
            )
        };
        assert_eq!(of("1 2/4 0/0 - rw - "), None, "of nothing");
        assert_eq!(of("Fail"), None);
        let used = |status| value("writecache", status, "tidegauge_dm_writecache_used_ratio");
        assert_eq!(used("0 10 11 0"), None, "more free than there are");
        assert_eq!(used("0 10 9 0"), Some(0.1));
        assert_eq!(
            value("mirror", "1 1:0 1/2 1 A 1 core", "tidegauge_dm_raid_action"),
            None
        );
    }
}

//! Families of thin pools and of their volumes.

use tidegauge_model::metric::FamilySpec;

use super::{Read, bytes, gauge, ratio};
use crate::collector::table::Row;
use crate::device::dm::SECTOR;
use crate::device::dm::status::{PoolNumbers, Status};

/// A block of a thin pool's metadata: `THIN_METADATA_BLOCK_SIZE`.
const POOL_METADATA_BLOCK: u64 = 4096;

pub static POOL_MODE: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_thin_pool_mode",
    "1 for the mode that the pool is in, 0 for the others: rw, ro (its metadata are full or damaged), out_of_data_space, failed.",
    &["tier", "dm_name", "vg", "lv", "mode"],
);

/// The families with one value for each.
pub static GAUGES: [Row<Read>; 11] = [
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
];

fn pool(status: &Status) -> Option<&PoolNumbers> {
    match status {
        Status::ThinPool(pool) => pool.numbers.as_ref(),
        _ => None,
    }
}

//! Families of RAID and of mirrors.

use tidegauge_model::metric::FamilySpec;

use super::{Read, gauge, ratio};
use crate::collector::table::Row;
use crate::device::dm::status::{Raid, Status};

/// What a RAID may be doing.
pub const ACTIONS: [&str; 7] = [
    "idle", "frozen", "resync", "recover", "check", "repair", "reshape",
];

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

/// The families with one value for each.
pub static GAUGES: [Row<Read>; 3] = [
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

fn raid(status: &Status) -> Option<&Raid> {
    match status {
        Status::Raid(raid) => Some(raid),
        _ => None,
    }
}

//! What is told of btrfs on a timer.

use tidegauge_model::metric::FamilySpec;

use crate::collector::readings::{ReadingFamilies, reading_families};

const LABELS: &[&str] = &["tier", "uuid"];
const OF_DEVICE: &[&str] = &["tier", "uuid", "devid", "device"];
const OF_DEVICE_AND_KIND: &[&str] = &["tier", "uuid", "devid", "device", "kind"];
const OF_QGROUP: &[&str] = &["tier", "uuid", "qgroup"];
const OF_SUBVOLUME: &[&str] = &["tier", "uuid", "subvolume"];

const DEVINFO: &str = "/sys/fs/btrfs/*/devinfo";
const IOCTL: &str = "ioctl on a mount point";
const QGROUPS: &str = "/sys/fs/btrfs/*/qgroups";
const SCRUB: &str = "/var/lib/btrfs, BTRFS_IOC_SCRUB_PROGRESS";
const SCRUB_RIGHTS: &str = "CAP_DAC_READ_SEARCH for the file; CAP_SYS_ADMIN while one runs";

/// What came of asking each filesystem, part by part.
pub static READINGS: ReadingFamilies = reading_families!("btrfs_volume", "uuid", "part");

pub static DEVICE_ERRORS: FamilySpec = FamilySpec::counter(
    "tidegauge_btrfs_device_errors_total",
    "Errors of the device that btrfs has met since they were last reset.",
    OF_DEVICE_AND_KIND,
)
.from(DEVINFO);
pub static DEVICE_MISSING: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_device_missing",
    "Whether the device is missing.",
    OF_DEVICE,
)
.from(DEVINFO);
pub static DEVICE_WRITEABLE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_device_writeable",
    "Whether the filesystem may write to the device.",
    OF_DEVICE,
)
.from(DEVINFO);
pub static DEVICE_REPLACE_TARGET: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_device_replace_target",
    "Whether the device is about to take the place of another.",
    OF_DEVICE,
)
.from(DEVINFO);
pub static DEVICE_SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_device_size_bytes",
    "How much of the device belongs to the filesystem.",
    OF_DEVICE,
)
.from(IOCTL);
pub static DEVICE_UNUSED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_device_unused_bytes",
    "How much of that no block group has taken.",
    OF_DEVICE,
)
.from(IOCTL);
pub static UNALLOCATED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_unallocated_bytes",
    "What no block group has taken of all devices that can be written.",
    LABELS,
)
.from(IOCTL);
pub static ALLOCATABLE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_allocatable_bytes",
    "How much the block groups of this kind can still grow in the profile in use, which may need space on several devices at once. Kinds share it.",
    &["tier", "uuid", "block_group_type"],
)
.from(IOCTL);

pub static QGROUP_COUNT: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_qgroups",
    "Quota groups, shown or not; absent while quotas are off.",
    LABELS,
)
.from(QGROUPS);
pub static QGROUPS_INCONSISTENT: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_qgroups_inconsistent",
    "Whether the numbers of the quota groups are wrong until a rescan.",
    LABELS,
)
.from(QGROUPS);
pub static QGROUP_REFERENCED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_qgroup_referenced_bytes",
    "What the quota group refers to.",
    OF_QGROUP,
)
.from(QGROUPS);
pub static QGROUP_EXCLUSIVE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_qgroup_exclusive_bytes",
    "What only the quota group refers to.",
    OF_QGROUP,
)
.from(QGROUPS);
pub static QGROUP_MAX_REFERENCED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_qgroup_max_referenced_bytes",
    "How much the quota group may refer to; absent without a limit.",
    OF_QGROUP,
)
.from(QGROUPS);
pub static QGROUP_MAX_EXCLUSIVE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_qgroup_max_exclusive_bytes",
    "How much only the quota group may refer to; absent without a limit.",
    OF_QGROUP,
)
.from(QGROUPS);

pub static SUBVOLUMES: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_subvolumes",
    "Subvolumes, snapshots too, without the top one; absent unless all could be listed.",
    LABELS,
)
.from(IOCTL);
pub static SNAPSHOTS: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_snapshots",
    "Subvolumes that are snapshots; absent unless all subvolumes could be listed.",
    LABELS,
)
.from(IOCTL);
pub static LIST_COMPLETE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_subvolume_list_complete",
    "Whether all subvolumes could be listed: not without CAP_SYS_ADMIN unless the top of the filesystem is mounted and nothing closed, and not more than the setting `subvolumes`.",
    LABELS,
)
.from(IOCTL);
pub static OF_SOURCE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_subvolume_snapshots",
    "Snapshots listed of the subvolume with this path from the top; `deleted` for those of deleted ones, `received` for all that were received.",
    OF_SUBVOLUME,
)
.from(IOCTL);
pub static NEWEST: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_newest_snapshot_timestamp_seconds",
    "When the newest snapshot listed of the subvolume was made.",
    OF_SUBVOLUME,
)
.from(IOCTL);
pub static OLDEST: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_oldest_snapshot_timestamp_seconds",
    "When the oldest snapshot listed of the subvolume was made.",
    OF_SUBVOLUME,
)
.from(IOCTL);

pub static SCRUB_STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_state",
    "The last scrub: 1 for the state that holds, 0 for the others; absent where nothing could be learnt.",
    &["tier", "uuid", "state"],
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUB_STARTED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_started_timestamp_seconds",
    "When the device's last scrub began.",
    OF_DEVICE,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUB_FINISHED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_finished_timestamp_seconds",
    "When the device's last scrub ended; absent unless it went to the end.",
    OF_DEVICE,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUB_DURATION: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_duration_seconds",
    "How long the device's last scrub ran, or has run when its tool last wrote so.",
    OF_DEVICE,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUBBED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_scrubbed_bytes",
    "What the device's last scrub, which may still run, has read and checked.",
    OF_DEVICE,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUB_ERRORS: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_errors",
    "What the device's last scrub, which may still run, has found wrong.",
    OF_DEVICE_AND_KIND,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUB_CORRECTED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_corrected_errors",
    "Errors that the device's last scrub has mended from another copy.",
    OF_DEVICE,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUB_UNCORRECTABLE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_uncorrectable_errors",
    "Errors that the device's last scrub could not mend: what is there is lost.",
    OF_DEVICE,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);
pub static SCRUB_UNVERIFIED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_scrub_unverified_errors",
    "Errors of the device's last scrub that were none when it looked again.",
    OF_DEVICE,
)
.from(SCRUB)
.with_rights(SCRUB_RIGHTS);

pub static BALANCE_STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_balance_state",
    "Whether a balance runs, or waits to be resumed: 1 for the state that holds. Without CAP_SYS_ADMIN as the exclusive operation tells.",
    &["tier", "uuid", "state"],
)
.from("BTRFS_IOC_BALANCE_PROGRESS, /sys/fs/btrfs");
pub static BALANCE_EXPECTED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_balance_expected_chunks",
    "Block groups that the balance will move, as estimated; absent when there is none.",
    LABELS,
)
.from("BTRFS_IOC_BALANCE_PROGRESS")
.with_rights("CAP_SYS_ADMIN");
pub static BALANCE_CONSIDERED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_balance_considered_chunks",
    "Block groups that the balance has looked at.",
    LABELS,
)
.from("BTRFS_IOC_BALANCE_PROGRESS")
.with_rights("CAP_SYS_ADMIN");
pub static BALANCE_COMPLETED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_balance_completed_chunks",
    "Block groups that the balance has moved.",
    LABELS,
)
.from("BTRFS_IOC_BALANCE_PROGRESS")
.with_rights("CAP_SYS_ADMIN");

/// All of them.
pub static ALL: &[&FamilySpec] = &[
    &READINGS.state,
    &READINGS.last,
    &READINGS.failures,
    &DEVICE_ERRORS,
    &DEVICE_MISSING,
    &DEVICE_WRITEABLE,
    &DEVICE_REPLACE_TARGET,
    &DEVICE_SIZE,
    &DEVICE_UNUSED,
    &UNALLOCATED,
    &ALLOCATABLE,
    &QGROUP_COUNT,
    &QGROUPS_INCONSISTENT,
    &QGROUP_REFERENCED,
    &QGROUP_EXCLUSIVE,
    &QGROUP_MAX_REFERENCED,
    &QGROUP_MAX_EXCLUSIVE,
    &SUBVOLUMES,
    &SNAPSHOTS,
    &LIST_COMPLETE,
    &OF_SOURCE,
    &NEWEST,
    &OLDEST,
    &SCRUB_STATE,
    &SCRUB_STARTED,
    &SCRUB_FINISHED,
    &SCRUB_DURATION,
    &SCRUBBED,
    &SCRUB_ERRORS,
    &SCRUB_CORRECTED,
    &SCRUB_UNCORRECTABLE,
    &SCRUB_UNVERIFIED,
    &BALANCE_STATE,
    &BALANCE_EXPECTED,
    &BALANCE_CONSIDERED,
    &BALANCE_COMPLETED,
];

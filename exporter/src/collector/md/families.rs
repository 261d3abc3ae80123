//! The families of arrays and of their members.

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use super::array::{ROLES, STATES, Seen};
use crate::device::md;

const LABELS: &[&str] = &["tier", "device"];
const MEMBER: &[&str] = &["tier", "device", "member"];
const SYSFS: &str = "/sys/class/block/md*/md";

static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_md_info",
    "What the array is: its level, the version of its superblocks, where its write-intent bitmap is, and by what it stays consistent (resync, bitmap, journal, ppl, none).",
    &[
        "tier",
        "device",
        "level",
        "metadata",
        "uuid",
        "bitmap",
        "consistency_policy",
    ],
);
static STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_state",
    "1 for what the array does: active, inactive, broken, recovering, resync, check, reshape; 0 for the others.",
    &["tier", "device", "state"],
);
static ARRAY_STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_array_state",
    "1 for the kernel's array_state, 0 for the others.",
    &["tier", "device", "state"],
)
.from(SYSFS);
pub static DEGRADED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_degraded",
    "Required members that do not work or are not in order yet; absent for levels without redundancy.",
    LABELS,
)
.from(SYSFS);
pub static DISKS: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_disks",
    "Members by what they do: active, failed, spare, rebuilding, journal; missing are places without a member.",
    &["tier", "device", "state"],
);
static DISKS_REQUIRED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_disks_required",
    "Members that the array should have.",
    LABELS,
);
static MEMBER_STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_member_state",
    "1 for what the member does: active, failed, spare, rebuilding, journal; 0 for the others.",
    &["tier", "device", "member", "state"],
)
.from(SYSFS);
static MEMBER_ERRORS: FamilySpec = FamilySpec::counter(
    "tidegauge_md_member_corrected_read_errors_total",
    "Read errors of the member that the array mended from the others.",
    MEMBER,
)
.from(SYSFS);
static SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_size_bytes",
    "Size of the array; absent while it does not run.",
    LABELS,
)
.from(SYSFS);
static BLOCKS: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_blocks",
    "Size in blocks of 1 KiB; of an inactive array, what its members hold together.",
    LABELS,
);
static BLOCKS_SYNCED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_blocks_synced",
    "Blocks of 1 KiB that are in order: all, or while a sync is under way those that it has done (of a member, for a recovery).",
    LABELS,
);
static ACTION: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_action",
    "1 for the kernel's sync_action, 0 for the others; absent for levels without redundancy.",
    &["tier", "device", "action"],
)
.from(SYSFS);
static WAITING: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_waiting",
    "Whether a sync has to be done and waits: for another array on the same disks, the first write, or another node.",
    LABELS,
);
static COMPLETED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_completed_ratio",
    "How far the sync is; absent when none is under way.",
    LABELS,
);
static SPEED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_speed_bytes_per_second",
    "How fast the sync is, over the last half minute or so; absent when none is under way.",
    LABELS,
);
static REMAINING: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_remaining_seconds",
    "Estimated time to the end of the sync; absent when none is under way or it stands still.",
    LABELS,
);
static MISMATCHES: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_mismatch_sectors",
    "Sectors of 512 bytes in which members differed at the last check or repair; counted in pages, so it can be more than truly differ.",
    LABELS,
)
.from(SYSFS);
static RESHAPE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_reshape_position_bytes",
    "How far into the array the reshape is; absent when none is under way.",
    LABELS,
)
.from(SYSFS);
static BITMAP_PAGES: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_bitmap_pages",
    "Pages of the write-intent bitmap.",
    LABELS,
)
.from("/proc/mdstat");
static BITMAP_USED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_bitmap_used_pages",
    "Pages of the write-intent bitmap that are in memory, because something of theirs was written lately.",
    LABELS,
)
.from("/proc/mdstat");

/// All of them.
pub static ALL: [&FamilySpec; 20] = [
    &INFO,
    &STATE,
    &ARRAY_STATE,
    &DEGRADED,
    &DISKS,
    &DISKS_REQUIRED,
    &MEMBER_STATE,
    &MEMBER_ERRORS,
    &SIZE,
    &BLOCKS,
    &BLOCKS_SYNCED,
    &ACTION,
    &WAITING,
    &COMPLETED,
    &SPEED,
    &REMAINING,
    &MISMATCHES,
    &RESHAPE,
    &BITMAP_PAGES,
    &BITMAP_USED,
];

/// `array_state` of kernel `Documentation/admin-guide/md.rst`.
const ARRAY_STATES: [&str; 10] = [
    "clear",
    "inactive",
    "suspended",
    "readonly",
    "read-auto",
    "clean",
    "active",
    "write-pending",
    "active-idle",
    "broken",
];
/// `sync_action` of the same.
const ACTIONS: [&str; 7] = [
    "idle", "frozen", "resync", "recover", "check", "repair", "reshape",
];

/// The families while they are filled.
pub struct Out(Vec<Family>);

impl Out {
    /// Without samples.
    pub fn new() -> Self {
        Self(ALL.map(Family::new).into())
    }

    /// All of them.
    pub fn into_families(self) -> Vec<Family> {
        self.0
    }

    fn push(&mut self, spec: &FamilySpec, labels: &Labels, value: impl Into<Value>) {
        if let Some(family) = self
            .0
            .iter_mut()
            .find(|family| family.spec.name == spec.name)
        {
            family.push(labels, value);
        }
    }

    /// Adds what is told of one array.
    pub fn array(&mut self, seen: &Seen<'_>, labels: &Labels) {
        let of_sysfs =
            |read: fn(&md::Array) -> Option<&str>| seen.sysfs.and_then(read).unwrap_or_default();
        let info = labels
            .with("level", seen.level())
            .with("metadata", seen.metadata())
            .with("uuid", of_sysfs(|array| array.uuid.as_deref()))
            .with("bitmap", of_sysfs(|array| array.bitmap))
            .with(
                "consistency_policy",
                of_sysfs(|array| array.consistency.as_deref()),
            );
        self.push(&INFO, &info, true);
        let state = seen.state();
        self.one_of(&STATE, labels, ("state", &STATES), state);
        for (name, count) in seen.members() {
            self.push(&DISKS, &labels.with("state", name), count);
        }
        let sync = seen.sync();
        let numbers = [
            (&DISKS_REQUIRED, seen.required()),
            (&BLOCKS, seen.blocks()),
            (&BLOCKS_SYNCED, seen.blocks_synced()),
            (
                &BITMAP_USED,
                seen.mdstat.and_then(|array| Some(array.bitmap_pages?.0)),
            ),
            (
                &BITMAP_PAGES,
                seen.mdstat.and_then(|array| Some(array.bitmap_pages?.1)),
            ),
            (&DEGRADED, seen.sysfs.and_then(|array| array.degraded)),
            (&MISMATCHES, seen.sysfs.and_then(|array| array.mismatches)),
            (&SIZE, seen.sysfs.and_then(|array| bytes(array.sectors?))),
            (
                &RESHAPE,
                seen.sysfs.and_then(|array| bytes(array.reshape_position?)),
            ),
            (&SPEED, sync.and_then(|now| now.speed?.checked_mul(1024))),
        ];
        for (spec, number) in numbers {
            if let Some(number) = number {
                self.push(spec, labels, number);
            }
        }
        // Levels without redundancy have nothing to sync.
        if seen.required().is_some() {
            self.push(&WAITING, labels, sync.is_some_and(|now| now.waits));
        }
        if let Some((done, total)) = sync.and_then(|now| now.blocks) {
            #[expect(clippy::cast_precision_loss, reason = "it is a ratio")]
            self.push(&COMPLETED, labels, done as f64 / total as f64);
        }
        if let Some(remaining) = sync.and_then(|now| now.remaining) {
            self.push(&REMAINING, labels, remaining);
        }
        let Some(sysfs) = seen.sysfs else { return };
        if let Some(state) = &sysfs.state {
            self.one_of(&ARRAY_STATE, labels, ("state", &ARRAY_STATES), state);
        }
        if let Some(action) = &sysfs.action {
            self.one_of(&ACTION, labels, ("action", &ACTIONS), action);
        }
        for member in &sysfs.members {
            let labels = labels.with("member", &member.name);
            for (role, name) in ROLES {
                self.push(
                    &MEMBER_STATE,
                    &labels.with("state", name),
                    role == member.role,
                );
            }
            if let Some(errors) = member.errors {
                self.push(&MEMBER_ERRORS, &labels, errors);
            }
        }
    }

    /// 1 for the word that holds, 0 for the others that are known.
    fn one_of(
        &mut self,
        spec: &FamilySpec,
        labels: &Labels,
        (label, words): (&str, &[&str]),
        holds: &str,
    ) {
        for word in words {
            self.push(spec, &labels.with(label, word), *word == holds);
        }
    }
}

/// Sectors in bytes; an array of none has no size.
fn bytes(sectors: u64) -> Option<u64> {
    sectors.checked_mul(512).filter(|bytes| *bytes > 0)
}

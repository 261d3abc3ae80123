//! btrfs filesystems as sysfs shows them: what is allocated, used and free, and what goes on.
//!
//! Devices, subvolumes, quota groups, scrubs and balances are [`volume`]'s.

mod sheet;
pub mod volume;

use std::time::Instant;

use tidegauge_model::metric::{Family, FamilySpec, Labels};

use self::sheet::Sheet;
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::btrfs::profile::Profile;
use crate::device::btrfs::sysfs::{CommitStats, Filesystem, Filesystems, OPERATIONS, Space};
use crate::host::ReadError;
use crate::host::blocks::Blocks;
use crate::host::pass::Pass;
use crate::settings::Settings;

const LABELS: &[&str] = &["tier", "uuid"];
const OF_KIND: &[&str] = &["tier", "uuid", "block_group_type"];
const OF_PROFILE: &[&str] = &["tier", "uuid", "block_group_type", "mode"];

static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_btrfs_info",
    "The filesystem's label and the algorithm of its checksums.",
    &["tier", "uuid", "label", "checksum"],
);
static SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_size_bytes",
    "Size of the block groups that are allocated, each byte counted once whatever the profile (mode).",
    OF_PROFILE,
);
static USED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_used_bytes",
    "What is used of the block groups that are allocated.",
    OF_PROFILE,
);
static RATIO: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_allocation_ratio",
    "Bytes on the devices for each byte of a block group.",
    OF_PROFILE,
);
static FREE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_free_bytes",
    "What new writes can take of the block groups that are allocated: not used, reserved, pinned or read-only. When this and tidegauge_btrfs_allocatable_bytes run out for metadata, writes fail whatever df shows.",
    OF_KIND,
);
static RESERVED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_reserved_bytes",
    "What writes under way will take for certain.",
    OF_KIND,
);
static MAY_USE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_may_use_bytes",
    "What writes under way may take; for metadata the global reserve is part of it.",
    OF_KIND,
);
static PINNED: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_pinned_bytes",
    "What was freed and can be used again after the next commit.",
    OF_KIND,
);
static READONLY: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_readonly_bytes",
    "Free space of block groups that may not be written.",
    OF_KIND,
);
static GLOBAL_SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_global_rsv_size_bytes",
    "Metadata space that is kept for what must not fail (the global reserve).",
    LABELS,
);
static GLOBAL_LEFT: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_global_rsv_reserved_bytes",
    "How much of the global reserve is there; less than its size while it is being used up.",
    LABELS,
);
static DEVICES: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_devices",
    "Devices that the filesystem should have.",
    LABELS,
);
static MISSING: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_missing_devices",
    "Devices that are missing.",
    LABELS,
);
static OPERATION: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_exclusive_operation",
    "Which of the operations that exclude each other is in force: 1 for that one, 0 for the others.",
    &["tier", "uuid", "operation"],
);
static COMMITS: FamilySpec = FamilySpec::counter(
    "tidegauge_btrfs_commits_total",
    "Commits since it was mounted.",
    LABELS,
);
static COMMIT_TIME: FamilySpec = FamilySpec::counter(
    "tidegauge_btrfs_commit_seconds_total",
    "How long all commits since it was mounted took.",
    LABELS,
);
static LAST_COMMIT: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_last_commit_seconds",
    "How long the last commit took.",
    LABELS,
);
static MAX_COMMIT: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_max_commit_seconds",
    "How long the longest commit took since it was mounted, or since that was reset.",
    LABELS,
);
static CURRENT_COMMIT: FamilySpec = FamilySpec::gauge(
    "tidegauge_btrfs_current_commit_seconds",
    "How long the commit under way has lasted; 0 when there is none.",
    LABELS,
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "btrfs",
    help: "allocation, free space, commits and operations of btrfs filesystems",
    source: "/sys/fs/btrfs",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[],
    rights: &[],
    families: &[
        &INFO,
        &SIZE,
        &USED,
        &RATIO,
        &FREE,
        &RESERVED,
        &MAY_USE,
        &PINNED,
        &READONLY,
        &GLOBAL_SIZE,
        &GLOBAL_LEFT,
        &DEVICES,
        &MISSING,
        &OPERATION,
        &COMMITS,
        &COMMIT_TIME,
        &LAST_COMMIT,
        &MAX_COMMIT,
        &CURRENT_COMMIT,
    ],
    build,
};

struct Btrfs {
    filesystems: Filesystems,
}

fn build(context: &Context, _: &Settings) -> Box<dyn Collector> {
    Box::new(Btrfs {
        filesystems: Filesystems::new(&context.sysfs),
    })
}

impl Collector for Btrfs {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let filesystems = self.filesystems.read(Instant::now());
        if filesystems.is_empty() {
            return Ok(Vec::new());
        }
        let blocks = pass.blocks()?;
        let mut sheet = Sheet::new(SPEC.families);
        for filesystem in &filesystems {
            show(&mut sheet, filesystem, &labels(&blocks, filesystem));
        }
        Ok(sheet.finish())
    }
}

/// The labels of a filesystem: its tier is that of its devices, which is that of its mounts.
fn labels(blocks: &Blocks, filesystem: &Filesystem) -> Labels {
    let devices = filesystem.devices.iter().map(String::as_str);
    let tier = blocks.hottest(devices);
    Labels::new(&[("tier", tier), ("uuid", &filesystem.uuid)])
}

fn show(sheet: &mut Sheet, filesystem: &Filesystem, labels: &Labels) {
    let info = labels
        .with("label", &filesystem.label)
        .with("checksum", &filesystem.checksum);
    sheet.push(&INFO, &info, true);
    let present = filesystem.devices.len();
    let devices = filesystem.missing.map_or(present, |(all, _)| all);
    for space in &filesystem.spaces {
        show_space(sheet, space, labels, devices);
    }
    sheet.push_known(&GLOBAL_SIZE, labels, filesystem.global_reserve);
    sheet.push_known(&GLOBAL_LEFT, labels, filesystem.global_reserve_left);
    if let Some((all, missing)) = filesystem.missing {
        sheet.push(&DEVICES, labels, all as u64);
        sheet.push(&MISSING, labels, missing as u64);
    }
    if let Some(operation) = filesystem.operation {
        sheet.push_state(&OPERATION, labels, "operation", OPERATIONS, operation);
    }
    if let Some(commits) = filesystem.commits {
        show_commits(sheet, commits, labels);
    }
}

fn show_space(sheet: &mut Sheet, space: &Space, labels: &Labels, devices: usize) {
    let labels = labels.with("block_group_type", &space.kind);
    for (mode, total, used) in &space.profiles {
        let labels = labels.with("mode", mode);
        sheet.push_known(&SIZE, &labels, *total);
        sheet.push_known(&USED, &labels, *used);
        let ratio = Profile::parse(mode).map(|profile| profile.ratio(devices));
        sheet.push_known(&RATIO, &labels, ratio);
    }
    sheet.push_known(&FREE, &labels, space.free());
    sheet.push_known(&RESERVED, &labels, space.reserved);
    sheet.push_known(&MAY_USE, &labels, space.may_use);
    sheet.push_known(&PINNED, &labels, space.pinned);
    sheet.push_known(&READONLY, &labels, space.readonly);
}

fn show_commits(sheet: &mut Sheet, commits: CommitStats, labels: &Labels) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for 285,000 years of milliseconds"
    )]
    let seconds = |ms: u64| ms as f64 / 1e3;
    sheet.push(&COMMITS, labels, commits.commits);
    sheet.push(&COMMIT_TIME, labels, seconds(commits.total_ms));
    sheet.push(&LAST_COMMIT, labels, seconds(commits.last_ms));
    sheet.push(&MAX_COMMIT, labels, seconds(commits.max_ms));
    sheet.push_known(&CURRENT_COMMIT, labels, commits.current_ms.map(seconds));
}

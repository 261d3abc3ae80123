//! Every filesystem that stores data: its space, its state, how it is mounted.

use tidegauge_model::metric::{Family, FamilySpec, Value};
use tidegauge_model::reading::{Reading, Why};

use super::{Collector, CollectorSpec, Context, Schedule};
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::settings::{Setting, SettingKind, Settings};

const LABELS: &[&str] = &["tier", "mountpoint", "device", "fstype"];

static SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_size_bytes",
    "Size of the filesystem.",
    LABELS,
);
static FREE: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_free_bytes",
    "Free space, what is reserved for root included.",
    LABELS,
);
static AVAIL: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_avail_bytes",
    "Free space that any user may write.",
    LABELS,
);
static USED_RATIO: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_used_ratio",
    "Fill level as df has it: used / (used + avail).",
    LABELS,
);
static FILES: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_files",
    "Inodes in all; absent where the filesystem makes them as needed.",
    LABELS,
);
static FILES_FREE: FamilySpec =
    FamilySpec::gauge("tidegauge_filesystem_files_free", "Free inodes.", LABELS);
static READONLY: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_readonly",
    "Whether the filesystem (its superblock) takes no writes.",
    LABELS,
);
static DEVICE_ERROR: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_device_error",
    "Whether it answered with an error, or has not answered for 2 s.",
    LABELS,
);
static DENIED: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_permission_denied",
    "1 where the exporter's user may not look; absent elsewhere.",
    LABELS,
);
static DUPLICATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_mount_duplicate",
    "1 where another mount point stands for the same filesystem, so that sums and alerts leave this one out; absent elsewhere.",
    LABELS,
);
static AGE: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_reading_age_seconds",
    "Age of the values shown: 0 when read at this scrape; absent without values.",
    LABELS,
);
static DURATION: FamilySpec = FamilySpec::gauge(
    "tidegauge_filesystem_stat_duration_seconds",
    "How long the last statfs took, or has lasted so far.",
    LABELS,
);
static MOUNT_INFO: FamilySpec = FamilySpec::info(
    "tidegauge_filesystem_mount_info",
    "How it is mounted.",
    &[
        "tier",
        "mountpoint",
        "device",
        "fstype",
        "major",
        "minor",
        "root",
        "options",
    ],
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "filesystem",
    help: "space, inodes and state of every mounted filesystem that stores data",
    source: "/proc/1/mountinfo, statfs",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[
        Setting {
            key: "mount_points_include",
            help: "only mount points that match",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "mount_points_exclude",
            help: "no mount points that match, but where a tier names them",
            kind: SettingKind::Pattern,
            default: MOUNT_POINTS_EXCLUDE,
        },
        Setting {
            key: "fs_types_include",
            help: "only filesystem types that match",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "fs_types_exclude",
            help: "no filesystem types that match, but where a tier names a mount of them",
            kind: SettingKind::Pattern,
            default: "",
        },
    ],
    rights: &[],
    families: &[
        &SIZE,
        &FREE,
        &AVAIL,
        &USED_RATIO,
        &FILES,
        &FILES_FREE,
        &READONLY,
        &DEVICE_ERROR,
        &DENIED,
        &DUPLICATE,
        &AGE,
        &DURATION,
        &MOUNT_INFO,
    ],
    build,
};

/// Mounts of containers and packages: they show storage that is counted where it lies.
const MOUNT_POINTS_EXCLUDE: &str = "^/(dev|proc|sys|snap|run/credentials|run/containerd|run/docker|run/user|var/snap|var/lib/docker|var/lib/containers|var/lib/containerd|var/lib/kubelet)/";

struct Filesystem;

fn build(_: &Context, _: &Settings) -> Box<dyn Collector> {
    Box::new(Filesystem)
}

impl Collector for Filesystem {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let filesystems = pass.filesystems()?;
        let mut families: Vec<Family> = SPEC
            .families
            .iter()
            .map(|s| Family::with_capacity(s, filesystems.readings.len()))
            .collect();
        let [
            size,
            free,
            avail,
            used_ratio,
            files,
            files_free,
            readonly,
            device_error,
            denied,
            duplicate,
            age,
            duration,
            info,
        ] = families.as_mut_slice()
        else {
            return Err(ReadError::new("the list of families is out of step"));
        };
        for (mount, shown) in filesystems.layout.mounts.iter().zip(&filesystems.readings) {
            let labels = &mount.labels;
            if let Some(space) = shown.reading.value() {
                size.push(labels, space.size);
                free.push(labels, space.free);
                avail.push(labels, space.avail);
                if let Some(ratio) = space.used_ratio() {
                    used_ratio.push(labels, ratio);
                }
                if space.files > 0 {
                    files.push(labels, space.files);
                    files_free.push(labels, space.files_free);
                }
            }
            readonly.push(labels, mount.read_only);
            device_error.push(labels, shown.device_error);
            if shown.reading == Reading::Failed(Why::Denied) {
                denied.push(labels, true);
            }
            if mount.duplicate {
                duplicate.push(labels, true);
            }
            if let Some(reading_age) = shown.reading.age() {
                let value = if reading_age.is_zero() {
                    Value::U64(0)
                } else {
                    Value::F64(reading_age.as_secs_f64())
                };
                age.push(labels, value);
            }
            duration.push(labels, shown.took.as_secs_f64());
            info.push(&mount.info_labels, true);
        }
        Ok(families)
    }
}

//! What is in force on disks and filesystems, whatever is expected of it.

use std::io;
use std::path::Path;

use tidegauge_model::expect::WriteCache;
use tidegauge_model::metric::{Family, FamilySpec};
use tidegauge_model::mount::Mount;
use tidegauge_model::mount_option::Shown;

use crate::collector::table::Row;
use crate::device::block::BlockDevice;
use crate::device::ext4;
use crate::device::queue::{Queue, Told, read_ahead_of, read_ahead_of_btrfs};

const DISK: &[&str] = &["tier", "device"];
const FILESYSTEM: &[&str] = &["tier", "mountpoint", "device", "fstype"];

/// How one is read of the queue of a disk.
type Read = fn(&Queue) -> Told<u64>;

const fn disk(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, DISK).from("/sys/block/*/queue")
}

/// What is told of every disk, mapped device, array and loop device.
pub static DISKS: [Row<Read>; 8] = [
    (
        disk(
            "tidegauge_setting_disk_read_ahead_bytes",
            "How far the device reads ahead; a btrfs on it has a read-ahead of its own.",
        ),
        Queue::read_ahead,
    ),
    (
        disk(
            "tidegauge_setting_disk_write_back",
            "Whether the kernel takes the device's write cache for volatile and flushes it (write back).",
        ),
        |queue| Ok((queue.write_cache()? == WriteCache::Back).into()),
    ),
    (
        disk(
            "tidegauge_setting_disk_fua",
            "Whether single writes can be forced through the device's cache.",
        ),
        |queue| queue.number("fua"),
    ),
    (
        disk(
            "tidegauge_setting_disk_queue_requests",
            "Requests that may wait in each of the device's queues (nr_requests).",
        ),
        |queue| queue.number("nr_requests"),
    ),
    (
        disk(
            "tidegauge_setting_disk_logical_block_size_bytes",
            "The smallest unit that the device can be asked for.",
        ),
        |queue| queue.number("logical_block_size"),
    ),
    (
        disk(
            "tidegauge_setting_disk_physical_block_size_bytes",
            "The smallest unit that the device writes without reading first.",
        ),
        |queue| queue.number("physical_block_size"),
    ),
    (
        disk(
            "tidegauge_setting_disk_discard_granularity_bytes",
            "The unit in which the device discards; 0 when it does not.",
        ),
        |queue| queue.number("discard_granularity"),
    ),
    (
        disk(
            "tidegauge_setting_disk_discard_max_bytes",
            "The most that is discarded in one request; 0 when the device takes no discards.",
        ),
        |queue| queue.number("discard_max_bytes"),
    ),
];

pub static ATIME: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_filesystem_atime",
    "When reading a file changes its time: 1 for the mode in force (noatime, relatime, strictatime), 0 for the others.",
    &["tier", "mountpoint", "device", "fstype", "mode"],
)
.from("/proc/1/mountinfo");
pub static ONLINE_DISCARD: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_filesystem_online_discard",
    "Whether what is freed is discarded at once or soon (mount option discard); only of filesystems on local devices.",
    FILESYSTEM,
)
.from("/proc/1/mountinfo, /proc/fs/ext4");
pub static READ_AHEAD: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_filesystem_read_ahead_bytes",
    "How far files are read ahead: that of the disk or volume directly under it, or the filesystem's own (btrfs, NFS).",
    FILESYSTEM,
)
.from("/sys/block/*/queue, /sys/fs/btrfs/*/bdi, /sys/class/bdi");
pub static TRIM_SUPPORTED: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_filesystem_trim_supported",
    "Whether all devices directly under it take discards: without, fstrim fails; an LV with a COW snapshot does not.",
    FILESYSTEM,
)
.from("/sys/block/*/queue/discard_max_bytes");

/// Its own queue, or for a partition that of its disk.
pub fn queue_of(sysfs: &Path, device: &BlockDevice) -> Queue {
    let is_whole = device.parent.is_empty();
    Queue::of(
        sysfs,
        if is_whole {
            &device.name
        } else {
            &device.parent
        },
    )
}

/// Bytes that a filesystem with these devices directly under it reads ahead.
pub fn read_ahead(sysfs: &Path, mount: &Mount, under: &[&BlockDevice]) -> Told<u64> {
    match under {
        [first, ..] if mount.fstype == "btrfs" => read_ahead_of_btrfs(sysfs, &first.name),
        [first, ..] => queue_of(sysfs, first).read_ahead(),
        [] => read_ahead_of(sysfs, mount.dev),
    }
}

/// Whether all of these devices take discards. One that takes none is enough to know it.
pub fn trim_supported(sysfs: &Path, under: &[&BlockDevice]) -> Told<bool> {
    let mut unknown = under.is_empty().then(|| io::ErrorKind::NotFound.into());
    for device in under {
        match queue_of(sysfs, device).number("discard_max_bytes") {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) => unknown = Some(error),
        }
    }
    unknown.map_or(Ok(true), Err)
}

/// All options of a filesystem on these devices that are in force, where it tells (ext4): the mount table leaves
/// out what is the default by the superblock (`tune2fs -o`).
pub fn all_options(procfs: &Path, mount: &Mount, under: &[&BlockDevice]) -> Vec<String> {
    let by_ext4 = matches!(mount.fstype.as_str(), "ext2" | "ext3" | "ext4");
    let device = under.first().filter(|_| by_ext4);
    let options = device.and_then(|device| ext4::options(procfs, &device.name));
    options.unwrap_or_default()
}

/// The options of a mount as the mount table has them.
pub fn shown(mount: &Mount) -> Shown<'_> {
    Shown {
        fstype: &mount.fstype,
        mount: &mount.options,
        superblock: &mount.super_options,
        all: &[],
    }
}

/// Adds the mode of access times.
pub fn push_atime(family: &mut Family, labels: &tidegauge_model::metric::Labels, mount: &Mount) {
    let in_force = shown(mount).atime();
    for mode in ["noatime", "relatime", "strictatime"] {
        family.push(&labels.with("mode", mode), mode == in_force);
    }
}

//! What every disk, partition and mapped device has done, and who it is.

mod devices;
mod histories;
mod monotone;

use std::sync::Arc;
use std::time::Instant;

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use self::devices::Devices;
pub use self::histories::Histories;
use super::table::{Row, filled, join, specs};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::block::BlockSource;
use crate::device::diskstats::{self, Counters, DiskStats};
use crate::device::kernel_file::KernelFile;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::settings::{Setting, SettingKind, Settings};

const LABELS: &[&str] = &["tier", "device"];

/// How a value of the kernel becomes a sample; `None` where this kernel does not have it.
type Read = fn(&Counters) -> Option<Value>;

const fn counter(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::counter(name, help, LABELS)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact for 285,000 years of milliseconds"
)]
fn seconds(ms: u64) -> Option<Value> {
    Some(Value::F64(ms as f64 / 1e3))
}

/// diskstats counts in sectors of 512 bytes, whatever the device's own.
fn sectors(count: u64) -> Option<Value> {
    Some(Value::U64(count.saturating_mul(512)))
}

fn count(n: u64) -> Option<Value> {
    Some(Value::U64(n))
}

static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_disk_info",
    "Who the device is: its stable identity, what it lies on, how it is driven.",
    &[
        "tier",
        "device",
        "major",
        "minor",
        "parent",
        "dm_name",
        "model",
        "serial",
        "wwn",
        "transport",
        "rotational",
        "discard",
        "scheduler",
    ],
);

/// The counters of /proc/diskstats, in its order.
static COUNTERS: [Row<Read>; 17] = [
    (
        counter("tidegauge_disk_reads_completed_total", "Reads completed."),
        |c| count(c.reads),
    ),
    (
        counter(
            "tidegauge_disk_reads_merged_total",
            "Reads merged with others before they were queued.",
        ),
        |c| count(c.reads_merged),
    ),
    (
        counter("tidegauge_disk_read_bytes_total", "Bytes read."),
        |c| sectors(c.sectors_read),
    ),
    (
        counter(
            "tidegauge_disk_read_time_seconds_total",
            "Time spent by all reads.",
        ),
        |c| seconds(c.read_ms),
    ),
    (
        counter("tidegauge_disk_writes_completed_total", "Writes completed."),
        |c| count(c.writes),
    ),
    (
        counter(
            "tidegauge_disk_writes_merged_total",
            "Writes merged with others before they were queued.",
        ),
        |c| count(c.writes_merged),
    ),
    (
        counter("tidegauge_disk_written_bytes_total", "Bytes written."),
        |c| sectors(c.sectors_written),
    ),
    (
        counter(
            "tidegauge_disk_write_time_seconds_total",
            "Time spent by all writes.",
        ),
        |c| seconds(c.write_ms),
    ),
    (
        FamilySpec::gauge("tidegauge_disk_io_now", "Requests under way.", LABELS),
        |c| count(c.in_flight),
    ),
    (
        counter(
            "tidegauge_disk_io_time_seconds_total",
            "Time in which requests were under way.",
        ),
        |c| seconds(c.io_ms),
    ),
    (
        counter(
            "tidegauge_disk_io_time_weighted_seconds_total",
            "Time in which requests were under way, times their number.",
        ),
        |c| seconds(c.weighted_io_ms),
    ),
    (
        counter(
            "tidegauge_disk_discards_completed_total",
            "Discards (trims) completed.",
        ),
        |c| count(c.discard?.discards),
    ),
    (
        counter(
            "tidegauge_disk_discards_merged_total",
            "Discards merged with others.",
        ),
        |c| count(c.discard?.merged),
    ),
    (
        counter(
            "tidegauge_disk_discarded_sectors_total",
            "Sectors of 512 bytes discarded.",
        ),
        |c| count(c.discard?.sectors),
    ),
    (
        counter(
            "tidegauge_disk_discard_time_seconds_total",
            "Time spent by all discards.",
        ),
        |c| seconds(c.discard?.ms),
    ),
    (
        counter(
            "tidegauge_disk_flush_requests_total",
            "Cache flushes completed.",
        ),
        |c| count(c.flush?.flushes),
    ),
    (
        counter(
            "tidegauge_disk_flush_requests_time_seconds_total",
            "Time spent by all cache flushes.",
        ),
        |c| seconds(c.flush?.ms),
    ),
];

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "disk",
    help: "counters of /proc/diskstats and the identity of every disk",
    source: "/proc/diskstats, /sys/class/block, udev",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[
        Setting {
            key: "device_include",
            help: "only devices whose kernel name matches",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "device_exclude",
            help: "no devices whose kernel name matches",
            kind: SettingKind::Pattern,
            default: "^(z?ram|fd|sr)\\d+$",
        },
    ],
    rights: &[],
    families: &join::<18>(&[&[&INFO], &specs(&COUNTERS)]),
    build,
};

struct Disk {
    file: KernelFile,
    devices: Devices,
    settings: Settings,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    let source = BlockSource {
        sysfs: context.sysfs.clone(),
        udev: context.udev.clone(),
    };
    Box::new(Disk {
        file: KernelFile::new(context.procfs.join("diskstats")),
        devices: Devices::new(
            source,
            context.tiers.clone(),
            Arc::clone(&context.memory.disks),
        ),
        settings: settings.clone(),
    })
}

impl Collector for Disk {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let layout = pass.layout()?;
        let content = self.file.read().map_err(ReadError::new)?;
        let stats: Vec<DiskStats<'_>> = diskstats::parse(content)
            .filter(|line| {
                line.as_ref().map_or(true, |d| {
                    !is_unused(d)
                        && self
                            .settings
                            .selects("device_include", "device_exclude", d.name)
                })
            })
            .collect::<Result<_, _>>()
            .map_err(ReadError::new)?;
        self.devices.update(&stats, &layout, Instant::now());

        let mut info = Family::with_capacity(&INFO, stats.len());
        let mut shown: Vec<(Labels, Counters)> = Vec::with_capacity(stats.len());
        for disk in &stats {
            if let Some((known, counters)) = self.devices.follow(disk.name, &disk.counters) {
                info.push(&known.info_labels, true);
                shown.push((known.labels.clone(), counters));
            }
        }
        let mut families = Vec::with_capacity(1 + COUNTERS.len());
        families.push(info);
        families.extend(filled(&COUNTERS, &shown, |read, counters| read(counters)));
        Ok(families)
    }
}

/// Loop, network block and RAM devices exist whether or not anything is behind them.
fn is_unused(disk: &DiskStats<'_>) -> bool {
    let virtual_device = ["loop", "nbd", "ram"]
        .iter()
        .any(|kind| disk.name.starts_with(kind));
    virtual_device && disk.counters.reads == 0 && disk.counters.writes == 0
}

//! Families of the SMART page and of Identify Controller.

use tidegauge_model::metric::FamilySpec;

use super::rows::{LABELS, Row, Samples};
use crate::device::nvme::identify::Identity;
use crate::device::nvme::smart::Smart;
use crate::device::nvme::{celsius, ratio};

/// Bits of the critical warning, and of the same for an endurance group.
pub const WARNINGS: [(u8, &str); 6] = [
    (0, "available_spare"),
    (1, "temperature"),
    (2, "reliability"),
    (3, "read_only"),
    (4, "volatile_memory_backup"),
    (5, "persistent_memory"),
];
/// Those that an endurance group has.
pub const GROUP_WARNINGS: [(u8, &str); 3] =
    [(0, "available_spare"), (2, "reliability"), (3, "read_only")];

const IDENTIFY: &str = "Identify Controller";
const SMART: &str = "log page 02h";

const fn counter(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::counter(name, help, LABELS).from(SMART)
}

const fn gauge(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, LABELS).from(SMART)
}

/// 1,000 units of 512 bytes.
const DATA_UNIT: u128 = 512_000;

/// The SMART page.
pub static HEALTH: [Row<Smart>; 20] = [
    (
        FamilySpec::gauge(
            "tidegauge_nvme_critical_warning",
            "Critical warnings of the drive: 1 for each that is given.",
            &["tier", "device", "warning"],
        )
        .from(SMART),
        |s, out| out.bits(s.critical_warning, &WARNINGS),
    ),
    (
        gauge(
            "tidegauge_nvme_temperature_celsius",
            "Composite temperature, by which the drive warns and throttles.",
        ),
        |s, out| out.value(celsius(s.temperature)),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_sensor_temperature_celsius",
            "Temperature of each sensor that the drive has.",
            &["tier", "device", "sensor"],
        )
        .from(SMART),
        |s, out| {
            for (number, kelvin) in (1..).zip(s.sensors) {
                out.labelled("sensor", &format!("{number}"), celsius(kelvin));
            }
        },
    ),
    (
        gauge(
            "tidegauge_nvme_available_spare_ratio",
            "Spare blocks that are left.",
        ),
        |s, out| out.value(ratio(s.available_spare)),
    ),
    (
        gauge(
            "tidegauge_nvme_available_spare_threshold_ratio",
            "Spare blocks below which the drive warns.",
        ),
        |s, out| out.value(ratio(s.spare_threshold)),
    ),
    (
        gauge(
            "tidegauge_nvme_percentage_used_ratio",
            "Life used as the vendor reckons; may exceed 1, and stays at 2.55.",
        ),
        |s, out| out.value(Some(f64::from(s.percentage_used) / 100.0)),
    ),
    (
        counter(
            "tidegauge_nvme_read_bytes_total",
            "Data read by hosts, in steps of 512,000 bytes.",
        ),
        |s, out| out.count(s.data_units_read.saturating_mul(DATA_UNIT)),
    ),
    (
        counter(
            "tidegauge_nvme_written_bytes_total",
            "Data written by hosts, in steps of 512,000 bytes.",
        ),
        |s, out| out.count(s.data_units_written.saturating_mul(DATA_UNIT)),
    ),
    (
        counter(
            "tidegauge_nvme_host_read_commands_total",
            "Read commands completed.",
        ),
        |s, out| out.count(s.host_reads),
    ),
    (
        counter(
            "tidegauge_nvme_host_write_commands_total",
            "Write commands completed.",
        ),
        |s, out| out.count(s.host_writes),
    ),
    (
        counter(
            "tidegauge_nvme_controller_busy_time_seconds_total",
            "Time with I/O commands under way, in whole minutes.",
        ),
        |s, out| out.count(s.busy_minutes.saturating_mul(60)),
    ),
    (
        counter("tidegauge_nvme_power_cycles_total", "Power cycles."),
        |s, out| out.count(s.power_cycles),
    ),
    (
        counter(
            "tidegauge_nvme_power_on_seconds_total",
            "Time with power, in whole hours.",
        ),
        |s, out| out.count(s.power_on_hours.saturating_mul(3600)),
    ),
    (
        counter(
            "tidegauge_nvme_unsafe_shutdowns_total",
            "Times that power was lost without notice.",
        ),
        |s, out| out.count(s.unsafe_shutdowns),
    ),
    (
        counter(
            "tidegauge_nvme_media_errors_total",
            "Data integrity errors that could not be corrected.",
        ),
        |s, out| out.count(s.media_errors),
    ),
    (
        counter(
            "tidegauge_nvme_num_err_log_entries_total",
            "Entries of the error log over the drive's life; a refused command makes one too.",
        ),
        |s, out| out.count(s.error_log_entries),
    ),
    (
        counter(
            "tidegauge_nvme_warning_temperature_time_seconds_total",
            "Time at or over the warning temperature, in whole minutes.",
        ),
        |s, out| out.count(u64::from(s.warning_minutes) * 60),
    ),
    (
        counter(
            "tidegauge_nvme_critical_temperature_time_seconds_total",
            "Time at or over the critical temperature, in whole minutes.",
        ),
        |s, out| out.count(u64::from(s.critical_minutes) * 60),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nvme_thermal_management_transitions_total",
            "Times that the drive began to throttle: level 1 lightly, 2 heavily.",
            &["tier", "device", "level"],
        )
        .from(SMART),
        |s, out| levels(s.thermal_transitions, out),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nvme_thermal_management_time_seconds_total",
            "Time that the drive throttled: level 1 lightly, 2 heavily.",
            &["tier", "device", "level"],
        )
        .from(SMART),
        |s, out| levels(s.thermal_seconds, out),
    ),
];

fn levels(values: [u32; 2], out: &mut Samples<'_>) {
    out.labelled("level", "1", Some(values[0]));
    out.labelled("level", "2", Some(values[1]));
}

/// Identify Controller.
pub static IDENTITY: [Row<Identity>; 4] = [
    (
        FamilySpec::gauge(
            "tidegauge_nvme_temperature_threshold_celsius",
            "Composite temperature from which the drive warns, and at which it is critical.",
            &["tier", "device", "level"],
        )
        .from(IDENTIFY),
        |c, out| {
            out.labelled("level", "warning", celsius(c.warning_temperature));
            out.labelled("level", "critical", celsius(c.critical_temperature));
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_capacity_bytes",
            "Capacity of all media; absent where the drive does not say.",
            LABELS,
        )
        .from(IDENTIFY),
        |c, out| {
            if c.capacity != 0 {
                out.count(c.capacity);
            }
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_unallocated_capacity_bytes",
            "Capacity that belongs to no namespace; absent where the drive does not say.",
            LABELS,
        )
        .from(IDENTIFY),
        |c, out| {
            if c.capacity != 0 {
                out.count(c.unallocated);
            }
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_volatile_write_cache",
            "1 when the drive has a write cache that loses its content with the power.",
            LABELS,
        )
        .from(IDENTIFY),
        |c, out| out.value(Some(c.has_write_cache)),
    ),
];

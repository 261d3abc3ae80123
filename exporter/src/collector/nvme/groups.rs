//! Families of endurance groups.

use tidegauge_model::metric::FamilySpec;

use super::health::GROUP_WARNINGS;
use super::rows::Row;
use crate::device::nvme::endurance::{EnduranceGroup, UNIT};
use crate::device::nvme::ratio;

const LABELS: &[&str] = &["tier", "device", "group"];
const SOURCE: &str = "log page 09h";

const fn counter(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::counter(name, help, LABELS).from(SOURCE)
}

const fn gauge(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, LABELS).from(SOURCE)
}

/// What the SMART page says of all groups together.
pub static ALL_GROUPS: [Row<u8>; 1] = [(
    FamilySpec::gauge(
        "tidegauge_nvme_endurance_groups_critical_warning",
        "Critical warnings of all endurance groups together: 1 for each that any gives.",
        &["tier", "device", "warning"],
    )
    .from("log page 02h"),
    |bits, out| out.bits(*bits, &GROUP_WARNINGS),
)];

/// Log page 09h.
pub static GROUPS: [Row<EnduranceGroup>; 14] = [
    (
        FamilySpec::gauge(
            "tidegauge_nvme_endurance_group_critical_warning",
            "Critical warnings of the endurance group: 1 for each that is given.",
            &["tier", "device", "group", "warning"],
        )
        .from(SOURCE),
        |g, out| out.bits(g.critical_warning, &GROUP_WARNINGS),
    ),
    (
        gauge(
            "tidegauge_nvme_endurance_group_available_spare_ratio",
            "Spare blocks of the endurance group that are left.",
        ),
        |g, out| out.value(ratio(g.available_spare)),
    ),
    (
        gauge(
            "tidegauge_nvme_endurance_group_available_spare_threshold_ratio",
            "Spare blocks below which the endurance group warns.",
        ),
        |g, out| out.value(ratio(g.spare_threshold)),
    ),
    (
        gauge(
            "tidegauge_nvme_endurance_group_percentage_used_ratio",
            "Life of the endurance group used; may exceed 1, and stays at 2.55.",
        ),
        |g, out| out.value(Some(f64::from(g.percentage_used) / 100.0)),
    ),
    (
        gauge(
            "tidegauge_nvme_endurance_group_estimate_bytes",
            "What can be written to the endurance group in all of its life; absent where it does not say.",
        ),
        |g, out| {
            if g.estimate != 0 {
                out.count(g.estimate.saturating_mul(UNIT));
            }
        },
    ),
    (
        counter(
            "tidegauge_nvme_endurance_group_read_bytes_total",
            "Data read from the endurance group by hosts, in steps of 10⁹ bytes.",
        ),
        |g, out| out.count(g.read.saturating_mul(UNIT)),
    ),
    (
        counter(
            "tidegauge_nvme_endurance_group_written_bytes_total",
            "Data written to the endurance group by hosts, in steps of 10⁹ bytes.",
        ),
        |g, out| out.count(g.written.saturating_mul(UNIT)),
    ),
    (
        counter(
            "tidegauge_nvme_endurance_group_media_written_bytes_total",
            "Data written to the media of the endurance group, in steps of 10⁹ bytes.",
        ),
        |g, out| out.count(g.media_written.saturating_mul(UNIT)),
    ),
    (
        counter(
            "tidegauge_nvme_endurance_group_host_read_commands_total",
            "Read commands to the endurance group completed.",
        ),
        |g, out| out.count(g.host_reads),
    ),
    (
        counter(
            "tidegauge_nvme_endurance_group_host_write_commands_total",
            "Write commands to the endurance group completed.",
        ),
        |g, out| out.count(g.host_writes),
    ),
    (
        counter(
            "tidegauge_nvme_endurance_group_media_errors_total",
            "Data integrity errors of the endurance group that could not be corrected.",
        ),
        |g, out| out.count(g.media_errors),
    ),
    (
        counter(
            "tidegauge_nvme_endurance_group_num_err_log_entries_total",
            "Entries of the error log about the endurance group over its life.",
        ),
        |g, out| out.count(g.error_log_entries),
    ),
    (
        gauge(
            "tidegauge_nvme_endurance_group_capacity_bytes",
            "Capacity of the endurance group; absent where it does not say.",
        ),
        |g, out| {
            if g.capacity != 0 {
                out.count(g.capacity);
            }
        },
    ),
    (
        gauge(
            "tidegauge_nvme_endurance_group_unallocated_capacity_bytes",
            "Capacity of the endurance group that belongs to no namespace; absent where it does not say.",
        ),
        |g, out| {
            if g.capacity != 0 {
                out.count(g.unallocated);
            }
        },
    ),
];

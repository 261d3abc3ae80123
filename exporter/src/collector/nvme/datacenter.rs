//! Families of OCP's page C0h. Its endurance estimate is left out: whether it is in bytes or in 10⁹ of them,
//! drives do not agree.

use tidegauge_model::metric::{FamilySpec, Value};

use super::rows::{LABELS, Row, Samples};
use crate::device::nvme::ocp::{BadBlocks, Ocp};

const SOURCE: &str = "log page C0h (OCP)";
const BY_USE: &[&str] = &["tier", "device", "blocks"];

const fn counter(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::counter(name, help, LABELS).from(SOURCE)
}

const fn gauge(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, LABELS).from(SOURCE)
}

fn percent(value: impl Into<f64>) -> Option<f64> {
    Some(value.into() / 100.0)
}

/// Log page C0h.
pub static OCP: [Row<Ocp>; 22] = [
    (
        counter(
            "tidegauge_nvme_ocp_media_written_bytes_total",
            "Data written to the media, the drive's own included.",
        ),
        |o, out| out.count(o.media_written),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_media_read_bytes_total",
            "Data read from the media, by the drive itself too.",
        ),
        |o, out| out.count(o.media_read),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_ocp_bad_blocks",
            "Blocks taken out of use: of those for data (user) and of the drive's own (system).",
            BY_USE,
        )
        .from(SOURCE),
        |o, out| by_use(o, out, |blocks| blocks.count.map(Value::U64)),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_ocp_bad_blocks_left_ratio",
            "How many more blocks may go bad: 1 at first, 0 at the end.",
            BY_USE,
        )
        .from(SOURCE),
        |o, out| by_use(o, out, |blocks| percent(blocks.normalized?).map(Value::F64)),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_xor_recoveries_total",
            "Times that data was rebuilt from parity.",
        ),
        |o, out| out.count(o.xor_recoveries),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_uncorrectable_read_errors_total",
            "Reads that nothing could correct.",
        ),
        |o, out| out.count(o.uncorrectable_reads),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_soft_ecc_errors_total",
            "Reads that the first correction could not correct.",
        ),
        |o, out| out.count(o.soft_ecc_errors),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_end_to_end_detected_errors_total",
            "End-to-end errors detected.",
        ),
        |o, out| out.count(o.end_to_end_detected),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_end_to_end_corrected_errors_total",
            "End-to-end errors corrected.",
        ),
        |o, out| out.count(o.end_to_end_corrected),
    ),
    (
        gauge(
            "tidegauge_nvme_ocp_system_data_used_ratio",
            "Life of the blocks for the drive's own data used; may exceed 1, and stays at 2.55.",
        ),
        |o, out| out.value(percent(o.system_data_used)),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_refreshes_total",
            "Blocks rewritten to keep their data.",
        ),
        |o, out| out.count(o.refreshes),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_ocp_user_data_erases",
            "Erase counts of the blocks for data: the greatest (max) and the least (min).",
            &["tier", "device", "of"],
        )
        .from(SOURCE),
        |o, out| {
            let [most, least] = o.erase_counts;
            out.labelled("of", "max", Some(most));
            out.labelled("of", "min", Some(least));
        },
    ),
    (
        counter(
            "tidegauge_nvme_ocp_thermal_throttling_events_total",
            "Times that the drive began to throttle; stays at 255.",
        ),
        |o, out| out.count(o.throttling_events),
    ),
    (
        gauge(
            "tidegauge_nvme_ocp_thermal_throttling_level",
            "How much it throttles now: 0 not at all, 1 to 3.",
        ),
        |o, out| out.value(Some(u32::from(o.throttling_now))),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_pcie_correctable_errors_total",
            "PCIe errors that were corrected.",
        ),
        |o, out| out.count(o.pcie_correctable_errors),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_incomplete_shutdowns_total",
            "Shutdowns that the drive could not finish, its capacitors included.",
        ),
        |o, out| out.count(o.incomplete_shutdowns),
    ),
    (
        gauge(
            "tidegauge_nvme_ocp_free_blocks_ratio",
            "Blocks that are free.",
        ),
        |o, out| out.value(percent(o.free_blocks).filter(|ratio| *ratio <= 1.0)),
    ),
    (
        gauge(
            "tidegauge_nvme_ocp_capacitor_health_ratio",
            "Charge of the capacitors, of what they must hold (may exceed 1); absent where there are none.",
        ),
        |o, out| out.value(o.capacitor.and_then(percent)),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_unaligned_writes_total",
            "Writes that were not aligned to the drive's pages.",
        ),
        |o, out| out.count(o.unaligned_writes),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_power_loss_protections_total",
            "Times that the drive ran on its capacitors.",
        ),
        |o, out| out.count(o.power_loss_protections),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_pcie_link_retrainings_total",
            "Times that the PCIe link was trained anew; absent before version 2 of the page.",
        ),
        |o, out| out.value(o.link_retrainings),
    ),
    (
        counter(
            "tidegauge_nvme_ocp_power_state_changes_total",
            "Changes of the power state; absent before version 2 of the page.",
        ),
        |o, out| out.value(o.power_state_changes),
    ),
];

fn by_use(ocp: &Ocp, out: &mut Samples<'_>, of: impl Fn(&BadBlocks) -> Option<Value>) {
    out.labelled("blocks", "user", of(&ocp.bad_user_blocks));
    out.labelled("blocks", "system", of(&ocp.bad_system_blocks));
}

//! The families.

use tidegauge_model::metric::FamilySpec;

use crate::collector::readings::{ReadingFamilies, reading_families};

/// What came of asking each disk.
pub(super) static READINGS: ReadingFamilies = reading_families!("smart", "device");

const DISK: &[&str] = &["tier", "device"];

const fn gauge(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, DISK)
}

const fn counter(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::counter(name, help, DISK)
}

pub(super) static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_smart_info",
    "Who the disk is, in its own words, and how smartctl asked it.",
    &[
        "tier",
        "device",
        "interface",
        "protocol",
        "model",
        "model_family",
        "serial",
        "wwn",
        "firmware",
        "form_factor",
    ],
);
pub(super) static HEALTHY: FamilySpec = gauge(
    "tidegauge_smart_healthy",
    "Whether the disk says that it is well (SMART overall health); 0: it expects to fail.",
);
pub(super) static AVAILABLE: FamilySpec = gauge(
    "tidegauge_smart_available",
    "Whether the disk has SMART at all.",
);
pub(super) static ENABLED: FamilySpec = gauge(
    "tidegauge_smart_enabled",
    "Whether SMART is switched on in the disk.",
);
pub(super) static EXIT_STATUS: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_exit_status",
    "What smartctl found, by bits 3 to 7 of its exit status: failing, prefail (an attribute that foretells failure is at its threshold), past (one was), error_log (errors in it), self_test_log (failed tests in it).",
    &["tier", "device", "finding"],
);
pub(super) static TEMPERATURE: FamilySpec = gauge(
    "tidegauge_smart_temperature_celsius",
    "The disk's temperature.",
);
pub(super) static TEMPERATURE_LIMIT: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_temperature_limit_celsius",
    "Temperatures that the disk should stay within: trip, operating_max, operating_min, max, min.",
    &["tier", "device", "limit"],
);
pub(super) static TEMPERATURE_EXTREME: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_temperature_lifetime_celsius",
    "The greatest and the least temperature that the disk ever had: max, min.",
    &["tier", "device", "extreme"],
);
pub(super) static TEMPERATURE_SENSOR: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_temperature_sensor_celsius",
    "Temperatures of an NVMe drive's sensors.",
    &["tier", "device", "sensor"],
);
pub(super) static POWER_ON: FamilySpec = gauge(
    "tidegauge_smart_power_on_seconds",
    "How long the disk was powered on in its life.",
);
pub(super) static POWER_CYCLES: FamilySpec = counter(
    "tidegauge_smart_power_cycles_total",
    "How often the disk was powered on.",
);
pub(super) static START_STOP: FamilySpec = counter(
    "tidegauge_smart_start_stop_cycles_total",
    "How often the disk's spindle was started and stopped.",
);
pub(super) static LOAD_CYCLES: FamilySpec = counter(
    "tidegauge_smart_load_cycles_total",
    "How often the disk's heads were parked.",
);
pub(super) static CAPACITY: FamilySpec = gauge(
    "tidegauge_smart_capacity_bytes",
    "Bytes that the disk holds.",
);
pub(super) static BLOCK_SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_block_size_bytes",
    "Bytes of a block: logical, physical.",
    &["tier", "device", "block"],
);
pub(super) static ROTATION: FamilySpec = gauge(
    "tidegauge_smart_rotation_rate",
    "Rotations in a minute; 0 for a disk that does not rotate.",
);
pub(super) static INTERFACE: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_interface_speed",
    "Bits in a second on the disk's interface: current, max.",
    &["tier", "device", "speed"],
);
pub(super) static ATTRIBUTE: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_attribute",
    "An ATA attribute. normalized: the maker's judgement, the less the worse; worst: the least that it was; threshold: at or below this it failed; raw: the number behind it as smartctl decodes it, raw_2 and on where it is several.",
    &["tier", "device", "id", "name", "field"],
);
pub(super) static FAILED: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_attributes_failed",
    "ATA attributes that are at or below their thresholds now, or were in the past.",
    &["tier", "device", "when"],
);
pub(super) static RATE_ERRORS: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_rate_errors",
    "For Seagate's disks: the errors that attributes 1, 7 and 195 pack into their raw values.",
    &["tier", "device", "id", "name"],
);
pub(super) static RATE_OPERATIONS: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_rate_operations",
    "For Seagate's disks: the operations that attributes 1, 7 and 195 pack into their raw values.",
    &["tier", "device", "id", "name"],
);
pub(super) static STATISTIC: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_statistic",
    "The disk's standardized statistics (ATA device statistics), in units of their own.",
    &["tier", "device", "page", "offset", "name"],
);
pub(super) static REALLOCATED: FamilySpec = gauge(
    "tidegauge_smart_reallocated_sectors",
    "Sectors that were replaced by spare ones.",
);
pub(super) static PENDING: FamilySpec = gauge(
    "tidegauge_smart_pending_sectors",
    "Sectors that could not be read and wait for being written.",
);
pub(super) static OFFLINE: FamilySpec = gauge(
    "tidegauge_smart_offline_uncorrectable_sectors",
    "Sectors that the disk's own scan could not read.",
);
pub(super) static REPORTED: FamilySpec = counter(
    "tidegauge_smart_reported_uncorrectable_errors_total",
    "Errors that the disk could not correct and reported.",
);
pub(super) static CRC: FamilySpec = counter(
    "tidegauge_smart_interface_crc_errors_total",
    "Errors on the way between disk and host: look at cable and connectors.",
);
pub(super) static ERROR_LOG: FamilySpec = counter(
    "tidegauge_smart_error_log_entries_total",
    "Errors that the disk has written into its error log in its life.",
);
pub(super) static TEST_ENTRIES: FamilySpec = gauge(
    "tidegauge_smart_self_test_log_entries",
    "Self-tests in the log of an ATA disk.",
);
pub(super) static TEST_ERRORS: FamilySpec = gauge(
    "tidegauge_smart_self_test_log_errors",
    "Self-tests in the log of an ATA disk that ended with an error.",
);
pub(super) static TEST_RUNNING: FamilySpec = gauge(
    "tidegauge_smart_self_test_running",
    "Whether a self-test runs now.",
);
pub(super) static TEST_REMAINING: FamilySpec = gauge(
    "tidegauge_smart_self_test_remaining_ratio",
    "The share of the running self-test that is still to be done.",
);
pub(super) static TEST_PASSED: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_self_test_passed",
    "Whether the disk passed its last self-test of this kind; absent when none ended with a verdict.",
    &["tier", "device", "test"],
);
pub(super) static TEST_TIME: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_self_test_power_on_seconds",
    "How long the disk had been powered on at its last self-test of this kind, as it wrote down: ATA disks begin anew after 65,536 hours.",
    &["tier", "device", "test"],
);
pub(super) static WEAR: FamilySpec = gauge(
    "tidegauge_smart_wear_ratio",
    "The share of its flash's life that is used; over 1 when it outlives what it was made for.",
);
pub(super) static SPARE: FamilySpec = gauge(
    "tidegauge_smart_available_spare_ratio",
    "The share of spare space that is left.",
);
pub(super) static SPARE_THRESHOLD: FamilySpec = gauge(
    "tidegauge_smart_available_spare_threshold_ratio",
    "The share of spare space below which the drive warns.",
);
pub(super) static READ_BYTES: FamilySpec = counter(
    "tidegauge_smart_read_bytes_total",
    "Bytes that hosts have read in the disk's life.",
);
pub(super) static WRITTEN_BYTES: FamilySpec = counter(
    "tidegauge_smart_written_bytes_total",
    "Bytes that hosts have written in the disk's life.",
);
pub(super) static GROWN_DEFECTS: FamilySpec = gauge(
    "tidegauge_smart_scsi_grown_defect_list",
    "Blocks of a SCSI disk that became bad since it was made.",
);
pub(super) static WARNING: FamilySpec = FamilySpec::gauge(
    "tidegauge_smart_critical_warning",
    "Bits of an NVMe drive's critical warning: spare, temperature, reliability, read_only, volatile_backup, persistent_memory.",
    &["tier", "device", "warning"],
);
pub(super) static HOST_READS: FamilySpec = counter(
    "tidegauge_smart_host_reads_total",
    "Read commands of an NVMe drive.",
);
pub(super) static HOST_WRITES: FamilySpec = counter(
    "tidegauge_smart_host_writes_total",
    "Write commands of an NVMe drive.",
);
pub(super) static BUSY: FamilySpec = counter(
    "tidegauge_smart_controller_busy_seconds_total",
    "Time in which an NVMe drive's controller was busy with commands.",
);
pub(super) static HOT: FamilySpec = FamilySpec::counter(
    "tidegauge_smart_over_temperature_seconds_total",
    "Time in which an NVMe drive was above its temperature limit: warning, critical.",
    &["tier", "device", "limit"],
);
pub(super) static UNSAFE: FamilySpec = counter(
    "tidegauge_smart_unsafe_shutdowns_total",
    "How often an NVMe drive lost its power without notice.",
);
pub(super) static MEDIA_ERRORS: FamilySpec = counter(
    "tidegauge_smart_media_errors_total",
    "How often data of an NVMe drive was lost or found to be wrong.",
);

/// Five families for each of read, write, verify.
macro_rules! of_operation {
    ($operation:literal) => {
        [
            counter(
                concat!("tidegauge_smart_", $operation, "_errors_corrected_total"),
                concat!(
                    "Errors of a SCSI disk at ",
                    $operation,
                    " that it corrected."
                ),
            ),
            FamilySpec::counter(
                concat!("tidegauge_smart_", $operation, "_errors_corrected_by_total"),
                concat!(
                    "Errors of a SCSI disk at ",
                    $operation,
                    " that it corrected, by how: eccfast, eccdelayed, rereads_rewrites."
                ),
                &["tier", "device", "by"],
            ),
            counter(
                concat!("tidegauge_smart_", $operation, "_uncorrected_errors_total"),
                concat!(
                    "Errors of a SCSI disk at ",
                    $operation,
                    " that it could not correct."
                ),
            ),
            counter(
                concat!(
                    "tidegauge_smart_",
                    $operation,
                    "_correction_invocations_total"
                ),
                concat!(
                    "How often the correction of a SCSI disk ran at ",
                    $operation,
                    "."
                ),
            ),
            counter(
                concat!("tidegauge_smart_", $operation, "_processed_bytes_total"),
                concat!(
                    "Bytes of a SCSI disk that went through ",
                    $operation,
                    ", in steps of a million."
                ),
            ),
        ]
    };
}

pub(super) static READ_ERRORS: [FamilySpec; 5] = of_operation!("read");
pub(super) static WRITE_ERRORS: [FamilySpec; 5] = of_operation!("write");
pub(super) static VERIFY_ERRORS: [FamilySpec; 5] = of_operation!("verify");

/// All of them.
pub(super) const ALL: &[&FamilySpec] = &[
    &READINGS.state,
    &READINGS.last,
    &READINGS.failures,
    &INFO,
    &HEALTHY,
    &AVAILABLE,
    &ENABLED,
    &EXIT_STATUS,
    &TEMPERATURE,
    &TEMPERATURE_LIMIT,
    &TEMPERATURE_EXTREME,
    &TEMPERATURE_SENSOR,
    &POWER_ON,
    &POWER_CYCLES,
    &START_STOP,
    &LOAD_CYCLES,
    &CAPACITY,
    &BLOCK_SIZE,
    &ROTATION,
    &INTERFACE,
    &ATTRIBUTE,
    &FAILED,
    &RATE_ERRORS,
    &RATE_OPERATIONS,
    &STATISTIC,
    &REALLOCATED,
    &PENDING,
    &OFFLINE,
    &REPORTED,
    &CRC,
    &ERROR_LOG,
    &TEST_ENTRIES,
    &TEST_ERRORS,
    &TEST_RUNNING,
    &TEST_REMAINING,
    &TEST_PASSED,
    &TEST_TIME,
    &WEAR,
    &SPARE,
    &SPARE_THRESHOLD,
    &READ_BYTES,
    &WRITTEN_BYTES,
    &GROWN_DEFECTS,
    &READ_ERRORS[0],
    &READ_ERRORS[1],
    &READ_ERRORS[2],
    &READ_ERRORS[3],
    &READ_ERRORS[4],
    &WRITE_ERRORS[0],
    &WRITE_ERRORS[1],
    &WRITE_ERRORS[2],
    &WRITE_ERRORS[3],
    &WRITE_ERRORS[4],
    &VERIFY_ERRORS[0],
    &VERIFY_ERRORS[1],
    &VERIFY_ERRORS[2],
    &VERIFY_ERRORS[3],
    &VERIFY_ERRORS[4],
    &WARNING,
    &HOST_READS,
    &HOST_WRITES,
    &BUSY,
    &HOT,
    &UNSAFE,
    &MEDIA_ERRORS,
];

//! How one disk's report becomes samples.

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use super::families::{
    ALL, ATTRIBUTE, AVAILABLE, BLOCK_SIZE, BUSY, CAPACITY, CRC, ENABLED, ERROR_LOG, EXIT_STATUS,
    FAILED, GROWN_DEFECTS, HEALTHY, HOST_READS, HOST_WRITES, HOT, INFO, INTERFACE, LOAD_CYCLES,
    MEDIA_ERRORS, OFFLINE, PENDING, POWER_CYCLES, POWER_ON, RATE_ERRORS, RATE_OPERATIONS,
    READ_BYTES, READ_ERRORS, REALLOCATED, REPORTED, ROTATION, SPARE, SPARE_THRESHOLD, START_STOP,
    STATISTIC, TEMPERATURE, TEMPERATURE_EXTREME, TEMPERATURE_LIMIT, TEMPERATURE_SENSOR,
    TEST_ENTRIES, TEST_ERRORS, TEST_PASSED, TEST_REMAINING, TEST_RUNNING, TEST_TIME, UNSAFE,
    VERIFY_ERRORS, WARNING, WEAR, WRITE_ERRORS, WRITTEN_BYTES,
};
use crate::device::smartctl::{AtaAttributes, Attribute, Failing, Report, Temperature};

/// Findings by the bits of smartctl's exit status, from bit 3 on: smartctl(8), "exit status".
const FINDINGS: [&str; 5] = ["failing", "prefail", "past", "error_log", "self_test_log"];
/// Names of the numbers in a raw value.
const RAW: [&str; 6] = ["raw", "raw_2", "raw_3", "raw_4", "raw_5", "raw_6"];

/// Collects the samples of all disks.
#[derive(Debug)]
pub(super) struct Samples(Vec<Family>);

impl Samples {
    pub(super) fn new() -> Self {
        Self(ALL.iter().map(|spec| Family::new(spec)).collect())
    }

    /// The families that have any, in the order of the list; `readings` are three of them.
    pub(super) fn finish(mut self, readings: [Family; 3]) -> Vec<Family> {
        for family in readings {
            if let Some(place) = self.0.iter_mut().find(|f| f.spec == family.spec) {
                *place = family;
            }
        }
        self.0.retain(|family| !family.samples.is_empty());
        self.0
    }

    fn add(&mut self, spec: &'static FamilySpec, labels: &Labels, value: impl Into<Value>) {
        if let Some(family) = self.0.iter_mut().find(|f| std::ptr::eq(f.spec, spec)) {
            family.push(labels, value);
        }
    }

    fn maybe<V: Into<Value>>(
        &mut self,
        spec: &'static FamilySpec,
        labels: &Labels,
        value: Option<V>,
    ) {
        if let Some(value) = value {
            self.add(spec, labels, value);
        }
    }

    /// Adds what smartctl told of one disk; `labels` are `tier` and `device`.
    pub(super) fn disk(&mut self, labels: &Labels, report: &Report, exit_status: u32) {
        self.identity(labels, report);
        self.maybe(&HEALTHY, labels, report.healthy());
        self.maybe(&AVAILABLE, labels, report.available());
        self.maybe(&ENABLED, labels, report.enabled());
        for (finding, bit) in FINDINGS.iter().zip(3u32..) {
            let is_set = exit_status >> bit & 1 == 1;
            self.add(&EXIT_STATUS, &labels.with("finding", finding), is_set);
        }
        self.temperatures(labels, report);
        self.maybe(&POWER_ON, labels, report.power_on_seconds());
        self.maybe(&POWER_CYCLES, labels, report.power_cycle_count);
        self.maybe(&START_STOP, labels, report.start_stop_cycles());
        self.maybe(&LOAD_CYCLES, labels, report.load_cycles());
        if let Some(attributes) = report.attributes() {
            self.attributes(labels, attributes);
        }
        for (attribute, errors, operations) in report.rates() {
            let labels = of_attribute(labels, &attribute);
            self.add(&RATE_ERRORS, &labels, errors);
            self.add(&RATE_OPERATIONS, &labels, operations);
        }
        for statistic in report.statistics() {
            let labels = labels
                .with("page", statistic.page_name)
                .with(
                    "offset",
                    &format!("{}:{}", statistic.page, statistic.offset),
                )
                .with("name", statistic.name);
            self.add(&STATISTIC, &labels, statistic.value);
        }
        self.maybe(&REALLOCATED, labels, report.reallocated_sectors());
        self.maybe(&PENDING, labels, report.pending_sectors());
        self.maybe(&OFFLINE, labels, report.offline_uncorrectable_sectors());
        self.maybe(&REPORTED, labels, report.reported_uncorrectable_errors());
        self.maybe(&CRC, labels, report.interface_crc_errors());
        self.maybe(&ERROR_LOG, labels, report.error_log_entries());
        self.self_tests(labels, report);
        self.maybe(&WEAR, labels, report.wear());
        let (spare, threshold) = report.spare();
        self.maybe(&SPARE, labels, spare);
        self.maybe(&SPARE_THRESHOLD, labels, threshold);
        self.maybe(&READ_BYTES, labels, report.read_bytes());
        self.maybe(&WRITTEN_BYTES, labels, report.written_bytes());
        self.scsi(labels, report);
        self.nvme(labels, report);
    }

    fn identity(&mut self, labels: &Labels, report: &Report) {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let device = report.device.as_ref();
        let info = [
            ("interface", text(device.and_then(|d| d.kind.as_deref()))),
            ("protocol", text(device.and_then(|d| d.protocol.as_deref()))),
            ("model", text(report.model())),
            ("model_family", text(report.family())),
            ("serial", text(report.serial())),
            ("wwn", report.wwn().unwrap_or_default()),
            ("firmware", text(report.firmware())),
            ("form_factor", text(report.form_factor())),
        ];
        let info = info.iter().fold(labels.clone(), |labels, (name, value)| {
            labels.with(name, value)
        });
        self.add(&INFO, &info, true);
        self.maybe(&CAPACITY, labels, report.capacity());
        for (block, size) in report.block_sizes() {
            self.add(&BLOCK_SIZE, &labels.with("block", block), size);
        }
        self.maybe(&ROTATION, labels, report.rotation_rate());
        for (speed, bits) in report.interface_speeds() {
            self.add(&INTERFACE, &labels.with("speed", speed), bits);
        }
    }

    fn temperatures(&mut self, labels: &Labels, report: &Report) {
        self.maybe(&TEMPERATURE, labels, report.celsius());
        let temperature = report.temperature.as_ref();
        for (limit, celsius) in report.temperature_limits() {
            self.add(&TEMPERATURE_LIMIT, &labels.with("limit", limit), celsius);
        }
        for (extreme, celsius) in temperature.into_iter().flat_map(Temperature::extremes) {
            self.add(
                &TEMPERATURE_EXTREME,
                &labels.with("extreme", extreme),
                celsius,
            );
        }
        for (sensor, celsius) in report.nvme.iter().flat_map(|nvme| nvme.sensors()) {
            let labels = labels.with("sensor", &sensor.to_string());
            self.add(&TEMPERATURE_SENSOR, &labels, celsius);
        }
    }

    fn attributes(&mut self, labels: &Labels, attributes: &AtaAttributes) {
        let (mut now, mut past) = (0u64, 0u64);
        let mut is_any = false;
        for attribute in attributes.iter() {
            is_any = true;
            match attribute.failing {
                Some(Failing::Now) => now += 1,
                Some(Failing::Past) => past += 1,
                None => {}
            }
            let labels = of_attribute(labels, &attribute);
            let judged = [
                ("normalized", attribute.normalized),
                ("worst", attribute.worst),
                ("threshold", attribute.threshold),
            ];
            let raw = RAW.into_iter().zip(attribute.raw.iter().map(|n| Some(*n)));
            for (field, value) in judged.into_iter().chain(raw) {
                self.maybe(&ATTRIBUTE, &labels.with("field", field), value);
            }
        }
        if is_any {
            self.add(&FAILED, &labels.with("when", "now"), now);
            self.add(&FAILED, &labels.with("when", "past"), past);
        }
    }

    fn self_tests(&mut self, labels: &Labels, report: &Report) {
        let (entries, errors) = report.self_test_log();
        self.maybe(&TEST_ENTRIES, labels, entries);
        self.maybe(&TEST_ERRORS, labels, errors);
        if let Some(progress) = report.self_test_progress() {
            self.add(&TEST_RUNNING, labels, progress.running);
            self.maybe(&TEST_REMAINING, labels, progress.remaining);
        }
        for test in report.self_tests() {
            let labels = labels.with("test", test.test);
            self.add(&TEST_PASSED, &labels, test.passed);
            let seconds = test.hours.and_then(|hours| hours.checked_mul(3600));
            self.maybe(&TEST_TIME, &labels, seconds);
        }
    }

    fn scsi(&mut self, labels: &Labels, report: &Report) {
        self.maybe(&GROWN_DEFECTS, labels, report.scsi_grown_defect_list);
        let specs = [&READ_ERRORS, &WRITE_ERRORS, &VERIFY_ERRORS];
        for (counters, specs) in report.scsi_errors().into_iter().zip(specs) {
            let Some(counters) = counters else { continue };
            let [corrected, by, uncorrected, invocations, processed] = specs;
            self.maybe(corrected, labels, counters.total_errors_corrected);
            for (how, count) in [
                ("eccfast", counters.errors_corrected_by_eccfast),
                ("eccdelayed", counters.errors_corrected_by_eccdelayed),
                (
                    "rereads_rewrites",
                    counters.errors_corrected_by_rereads_rewrites,
                ),
            ] {
                self.maybe(by, &labels.with("by", how), count);
            }
            self.maybe(uncorrected, labels, counters.total_uncorrected_errors);
            self.maybe(
                invocations,
                labels,
                counters.correction_algorithm_invocations,
            );
            self.maybe(processed, labels, counters.processed_bytes());
        }
    }

    fn nvme(&mut self, labels: &Labels, report: &Report) {
        let Some(nvme) = &report.nvme else { return };
        for (warning, is_set) in nvme.warnings() {
            self.add(&WARNING, &labels.with("warning", warning), is_set);
        }
        self.maybe(&HOST_READS, labels, nvme.host_reads);
        self.maybe(&HOST_WRITES, labels, nvme.host_writes);
        self.maybe(&BUSY, labels, nvme.busy_seconds());
        for (limit, seconds) in nvme.hot_seconds() {
            self.add(&HOT, &labels.with("limit", limit), seconds);
        }
        self.maybe(&UNSAFE, labels, nvme.unsafe_shutdowns);
        self.maybe(&MEDIA_ERRORS, labels, nvme.media_errors);
    }
}

fn of_attribute(labels: &Labels, attribute: &Attribute<'_>) -> Labels {
    labels
        .with("id", &attribute.id.to_string())
        .with("name", attribute.name)
}

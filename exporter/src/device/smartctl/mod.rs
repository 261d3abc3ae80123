//! What smartctl tells of a disk: `smartctl --json`, one answer in, a struct out.
//!
//! Format: smartmontools' own JSON, `json_format_version` 1.0, since smartctl 7.0; keys as in its sources
//! (smartctl.cpp, ataprint.cpp, scsiprint.cpp, nvmeprint.cpp). Keys differ by version and kind of disk, and disks
//! lie: each field is read alone and is absent when it is not as expected.

mod ata;
mod endurance;
mod identity;
mod lenient;
mod nvme;
mod raw;
mod scan;
mod scsi;
mod self_test;
mod statistics;

use serde::Deserialize;
use thiserror::Error;

pub use self::ata::{AtaAttributes, Attribute, Failing};
pub use self::identity::{Device, Size};
pub use self::lenient::clip;
pub use self::nvme::Health;
pub use self::raw::seagate_rate;
pub use self::scan::{Entry, Scan, version_of_text};
pub use self::scsi::ErrorCounters;
pub use self::self_test::{Concluded, Progress};
pub use self::statistics::Statistic;

use self::ata::{AtaData, AtaErrorLog};
use self::endurance::{EnduranceUsed, SpareAvailable};
use self::identity::{Capacity, InterfaceSpeed, Named, Wwn};
use self::lenient::{List, count, number, part, text};
use self::scsi::{ScsiErrorLog, StartStop};
use self::self_test::{AtaLog, NvmeLog, ScsiResults};
use self::statistics::Statistics;

/// Messages that are kept.
const MESSAGES: usize = 16;

/// What was printed is no answer of smartctl.
#[derive(Debug, Error)]
#[error("smartctl printed no JSON: {0}")]
pub struct ParseError(#[from] serde_json::Error);

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Report {
    /// smartctl about itself.
    #[serde(deserialize_with = "part")]
    pub smartctl: Option<Envelope>,
    /// What was asked, and how.
    #[serde(deserialize_with = "part")]
    pub device: Option<Device>,
    #[serde(deserialize_with = "text")]
    model_family: Option<String>,
    #[serde(deserialize_with = "text")]
    model_name: Option<String>,
    #[serde(deserialize_with = "text")]
    scsi_model_name: Option<String>,
    #[serde(deserialize_with = "text")]
    firmware_version: Option<String>,
    #[serde(deserialize_with = "text")]
    scsi_revision: Option<String>,
    #[serde(deserialize_with = "text")]
    serial_number: Option<String>,
    #[serde(deserialize_with = "text")]
    logical_unit_id: Option<String>,
    #[serde(deserialize_with = "part")]
    wwn: Option<Wwn>,
    #[serde(deserialize_with = "part")]
    form_factor: Option<Named>,
    #[serde(deserialize_with = "part")]
    user_capacity: Option<Capacity>,
    #[serde(deserialize_with = "count")]
    nvme_total_capacity: Option<u64>,
    /// Bytes of a logical block.
    #[serde(deserialize_with = "count")]
    pub logical_block_size: Option<u64>,
    /// Bytes of a physical block.
    #[serde(deserialize_with = "count")]
    pub physical_block_size: Option<u64>,
    #[serde(deserialize_with = "count")]
    rotation_rate: Option<u64>,
    #[serde(deserialize_with = "part")]
    interface_speed: Option<InterfaceSpeed>,
    #[serde(deserialize_with = "part")]
    smart_support: Option<Support>,
    #[serde(deserialize_with = "part")]
    smart_status: Option<Status>,
    /// Temperatures.
    #[serde(deserialize_with = "part")]
    pub temperature: Option<Temperature>,
    /// Debian's smartctl 7.3 puts the limit of SCSI disks there.
    #[serde(deserialize_with = "part")]
    scsi_temperature: Option<Temperature>,
    #[serde(deserialize_with = "part")]
    power_on_time: Option<PowerOnTime>,
    /// Power cycles.
    #[serde(deserialize_with = "count")]
    pub power_cycle_count: Option<u64>,
    #[serde(deserialize_with = "part")]
    ata_smart_attributes: Option<AtaAttributes>,
    #[serde(deserialize_with = "part")]
    ata_smart_data: Option<AtaData>,
    #[serde(deserialize_with = "part")]
    ata_smart_error_log: Option<AtaErrorLog>,
    #[serde(deserialize_with = "part")]
    ata_smart_self_test_log: Option<AtaLog>,
    #[serde(deserialize_with = "part")]
    ata_device_statistics: Option<Statistics>,
    #[serde(deserialize_with = "part")]
    scsi_error_counter_log: Option<ScsiErrorLog>,
    /// Blocks that became bad since the disk was made (SCSI).
    #[serde(deserialize_with = "count")]
    pub scsi_grown_defect_list: Option<u64>,
    #[serde(deserialize_with = "part")]
    scsi_start_stop_cycle_counter: Option<StartStop>,
    #[serde(deserialize_with = "number")]
    scsi_percentage_used_endurance_indicator: Option<f64>,
    #[serde(deserialize_with = "part")]
    endurance_used: Option<EnduranceUsed>,
    #[serde(deserialize_with = "part")]
    spare_available: Option<SpareAvailable>,
    /// The health log of an NVMe drive.
    #[serde(
        rename = "nvme_smart_health_information_log",
        deserialize_with = "part"
    )]
    pub nvme: Option<Health>,
    #[serde(deserialize_with = "part")]
    nvme_self_test_log: Option<NvmeLog>,
    #[serde(skip)]
    scsi_self_tests: ScsiResults,
}

/// smartctl about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Envelope {
    #[serde(deserialize_with = "part")]
    version: Option<List<u32, 2>>,
    /// Its exit status, by which it tells what it found: bits, see smartctl(8).
    #[serde(deserialize_with = "count")]
    pub exit_status: Option<u64>,
    #[serde(deserialize_with = "part")]
    messages: Option<List<Message, MESSAGES>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Message {
    #[serde(deserialize_with = "text")]
    string: Option<String>,
    #[serde(deserialize_with = "text")]
    severity: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Support {
    #[serde(deserialize_with = "part")]
    available: Option<bool>,
    #[serde(deserialize_with = "part")]
    enabled: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "part")]
    passed: Option<bool>,
}

/// Temperatures in °C.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Temperature {
    #[serde(deserialize_with = "number")]
    current: Option<f64>,
    #[serde(deserialize_with = "number")]
    drive_trip: Option<f64>,
    #[serde(deserialize_with = "number")]
    op_limit_max: Option<f64>,
    #[serde(deserialize_with = "number")]
    op_limit_min: Option<f64>,
    #[serde(deserialize_with = "number")]
    limit_max: Option<f64>,
    #[serde(deserialize_with = "number")]
    limit_min: Option<f64>,
    #[serde(deserialize_with = "number")]
    lifetime_max: Option<f64>,
    #[serde(deserialize_with = "number")]
    lifetime_min: Option<f64>,
}

impl Temperature {
    fn limits(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all = [
            ("operating_max", self.op_limit_max),
            ("operating_min", self.op_limit_min),
            ("max", self.limit_max),
            ("min", self.limit_min),
        ];
        known(all)
    }

    /// The least and the greatest that the disk ever had.
    pub fn extremes(&self) -> impl Iterator<Item = (&'static str, f64)> {
        known([("max", self.lifetime_max), ("min", self.lifetime_min)])
    }
}

fn known<const N: usize>(
    all: [(&'static str, Option<f64>); N],
) -> impl Iterator<Item = (&'static str, f64)> {
    all.into_iter()
        .filter_map(|(name, value)| Some((name, possible(value)?)))
}

/// No disk lives below or above; what tells so did not mean a temperature.
fn possible(celsius: Option<f64>) -> Option<f64> {
    celsius.filter(|celsius| (-100.0..=250.0).contains(celsius))
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct PowerOnTime {
    #[serde(deserialize_with = "count")]
    hours: Option<u64>,
    #[serde(deserialize_with = "count")]
    minutes: Option<u64>,
}

impl Report {
    /// Reads what smartctl printed.
    ///
    /// # Errors
    /// When it is not one JSON object: cut off, something else, nothing.
    pub fn parse(printed: &[u8]) -> Result<Self, ParseError> {
        // Models and serial numbers come from firmware, and smartctl passes their bytes on.
        let json = String::from_utf8_lossy(printed);
        let mut report: Self = serde_json::from_str(&json)?;
        if json.contains(ScsiResults::KEY) {
            report.scsi_self_tests = serde_json::from_str(&json)?;
        }
        Ok(report)
    }

    /// Whether there is anything of the disk's state in it.
    pub fn has_reading(&self) -> bool {
        self.healthy().is_some()
            || self
                .attributes()
                .is_some_and(|table| table.iter().len() > 0)
            || self.celsius().is_some()
            || self.power_on_seconds().is_some()
            || self
                .scsi_errors()
                .into_iter()
                .flatten()
                .any(|c| *c != ErrorCounters::default())
            || self
                .nvme
                .as_ref()
                .is_some_and(|nvme| *nvme != Health::default())
    }

    /// Whether the disk says that it is well; absent when it does not say.
    pub fn healthy(&self) -> Option<bool> {
        self.smart_status.as_ref()?.passed
    }

    /// Whether the disk has SMART at all.
    pub fn available(&self) -> Option<bool> {
        self.smart_support.as_ref()?.available
    }

    /// Whether SMART is switched on.
    pub fn enabled(&self) -> Option<bool> {
        self.smart_support.as_ref()?.enabled
    }

    /// The temperature in °C.
    pub fn celsius(&self) -> Option<f64> {
        let temperature = self.temperature.as_ref()?;
        let current = possible(temperature.current)?;
        // Of SCSI disks that do not tell one, smartctl makes 0.
        let is_told = current != 0.0 || self.trip().is_some() || self.scsi_model_name.is_none();
        is_told.then_some(current)
    }

    /// Temperatures that the disk should stay within, by name.
    pub fn temperature_limits(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let trip = self.trip().map(|celsius| ("trip", celsius));
        let others = self.temperature.iter().flat_map(Temperature::limits);
        trip.into_iter().chain(others)
    }

    /// 0 stands for none.
    fn trip(&self) -> Option<f64> {
        let own = self.temperature.as_ref().and_then(|t| t.drive_trip);
        let other = self.scsi_temperature.as_ref().and_then(|t| t.drive_trip);
        possible(own.or(other)).filter(|celsius| *celsius != 0.0)
    }

    /// Seconds that the disk was powered on, as exact as it tells them.
    pub fn power_on_seconds(&self) -> Option<u64> {
        let time = self.power_on_time.as_ref()?;
        let minutes = time.minutes.filter(|minutes| *minutes < 60).unwrap_or(0);
        // 32 bits of hours are all that any disk has for it.
        let hours = time.hours.filter(|hours| u32::try_from(*hours).is_ok())?;
        Some(hours * 3600 + minutes * 60)
    }

    /// The table of ATA attributes.
    pub fn attributes(&self) -> Option<&AtaAttributes> {
        self.ata_smart_attributes.as_ref()
    }

    /// Statistics of ATA disks (ACS, log 04h), those that the disk says are valid.
    pub fn statistics(&self) -> impl Iterator<Item = Statistic<'_>> {
        self.ata_device_statistics
            .iter()
            .flat_map(Statistics::valid)
    }

    /// Messages of level error, in one line; empty when there is none.
    pub fn errors(&self) -> String {
        let messages = self.smartctl.iter().filter_map(|s| s.messages.as_ref());
        let errors = messages
            .flat_map(|list| &list.0)
            .filter(|message| message.severity.as_deref() == Some("error"));
        let texts: Vec<&str> = errors.filter_map(|m| m.string.as_deref()).collect();
        texts.join("; ")
    }
}

impl Envelope {
    /// Major and minor version of smartctl.
    pub fn version(&self) -> Option<(u32, u32)> {
        match self.version.as_ref()?.0.as_slice() {
            [major, minor, ..] => Some((*major, *minor)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

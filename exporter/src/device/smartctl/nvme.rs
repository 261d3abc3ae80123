//! The health log of NVMe drives: NVM Express 2.0, figure 207 (log 02h), as smartctl tells it.

use serde::Deserialize;

use super::lenient::{List, count, number, part};

/// Sensors that the log has places for.
const SENSORS: usize = 8;

/// The health log.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Health {
    #[serde(deserialize_with = "count")]
    critical_warning: Option<u64>,
    #[serde(deserialize_with = "number")]
    pub(super) available_spare: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub(super) available_spare_threshold: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub(super) percentage_used: Option<f64>,
    #[serde(deserialize_with = "count")]
    pub(super) data_units_read: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) data_units_written: Option<u64>,
    /// Read commands.
    #[serde(deserialize_with = "count")]
    pub host_reads: Option<u64>,
    /// Write commands.
    #[serde(deserialize_with = "count")]
    pub host_writes: Option<u64>,
    #[serde(deserialize_with = "count")]
    controller_busy_time: Option<u64>,
    /// Power was lost without notice.
    #[serde(deserialize_with = "count")]
    pub unsafe_shutdowns: Option<u64>,
    /// Data could not be read or was found to be wrong.
    #[serde(deserialize_with = "count")]
    pub media_errors: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) num_err_log_entries: Option<u64>,
    #[serde(deserialize_with = "count")]
    warning_temp_time: Option<u64>,
    #[serde(deserialize_with = "count")]
    critical_comp_time: Option<u64>,
    #[serde(deserialize_with = "part")]
    temperature_sensors: Option<List<Sensor, SENSORS>>,
}

/// Absent in its place, so that the others keep their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
struct Sensor(#[serde(deserialize_with = "number")] Option<f64>);

/// Names of the bits of the critical warning, from bit 0 on.
const WARNINGS: [&str; 6] = [
    "spare",
    "temperature",
    "reliability",
    "read_only",
    "volatile_backup",
    "persistent_memory",
];

impl Health {
    /// The bits of the critical warning, each with its name.
    pub fn warnings(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let bits = self.critical_warning.filter(|bits| *bits < 1 << 8);
        let all = bits.map(|bits| {
            let named = WARNINGS.iter().zip(0u32..);
            named.map(move |(name, bit)| (*name, bits >> bit & 1 == 1))
        });
        all.into_iter().flatten()
    }

    /// Seconds in which the controller was busy with commands.
    pub fn busy_seconds(&self) -> Option<u64> {
        self.controller_busy_time?.checked_mul(60)
    }

    /// Seconds above the temperature of this name, `warning` and `critical`.
    pub fn hot_seconds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("warning", self.warning_temp_time),
            ("critical", self.critical_comp_time),
        ]
        .into_iter()
        .filter_map(|(name, minutes)| Some((name, minutes?.checked_mul(60)?)))
    }

    /// Temperatures of its sensors in °C, each with its number from 1 on.
    pub fn sensors(&self) -> impl Iterator<Item = (usize, f64)> {
        let sensors = self.temperature_sensors.iter().flat_map(|list| &list.0);
        let numbered = sensors.zip(1..);
        numbered.filter_map(|(sensor, number)| Some((number, super::possible(sensor.0)?)))
    }
}

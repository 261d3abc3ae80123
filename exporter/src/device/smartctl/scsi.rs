//! Counters of SCSI and SAS disks: SPC-5 and SBC-4 log pages 02h, 03h, 05h and 0Eh.

use serde::Deserialize;

use super::Report;
use super::lenient::{count, number, part};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct ScsiErrorLog {
    #[serde(deserialize_with = "part")]
    read: Option<ErrorCounters>,
    #[serde(deserialize_with = "part")]
    write: Option<ErrorCounters>,
    #[serde(deserialize_with = "part")]
    verify: Option<ErrorCounters>,
}

/// Errors of one kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ErrorCounters {
    /// Corrected without delay.
    #[serde(deserialize_with = "count")]
    pub errors_corrected_by_eccfast: Option<u64>,
    /// Corrected with a delay.
    #[serde(deserialize_with = "count")]
    pub errors_corrected_by_eccdelayed: Option<u64>,
    /// Corrected by doing it again.
    #[serde(deserialize_with = "count")]
    pub errors_corrected_by_rereads_rewrites: Option<u64>,
    /// Corrected in all, as the disk counts them.
    #[serde(deserialize_with = "count")]
    pub total_errors_corrected: Option<u64>,
    /// How often the correction ran.
    #[serde(deserialize_with = "count")]
    pub correction_algorithm_invocations: Option<u64>,
    /// Not corrected: data was lost or had to be written again.
    #[serde(deserialize_with = "count")]
    pub total_uncorrected_errors: Option<u64>,
    #[serde(deserialize_with = "number")]
    gigabytes_processed: Option<f64>,
}

impl ErrorCounters {
    /// Bytes that went through; smartctl tells them in 10⁹ with three digits.
    pub fn processed_bytes(&self) -> Option<f64> {
        let gigabytes = self.gigabytes_processed.filter(|gb| *gb >= 0.0)?;
        Some((gigabytes * 1e9).round())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct StartStop {
    #[serde(deserialize_with = "count")]
    accumulated_start_stop_cycles: Option<u64>,
    #[serde(deserialize_with = "count")]
    accumulated_load_unload_cycles: Option<u64>,
}

impl StartStop {
    pub(super) fn start_stop(&self) -> Option<u64> {
        self.accumulated_start_stop_cycles
    }

    pub(super) fn load_unload(&self) -> Option<u64> {
        self.accumulated_load_unload_cycles
    }
}

impl Report {
    /// Errors of reads, writes and verifications, in this order.
    pub fn scsi_errors(&self) -> [Option<&ErrorCounters>; 3] {
        match &self.scsi_error_counter_log {
            Some(log) => [log.read.as_ref(), log.write.as_ref(), log.verify.as_ref()],
            None => [None; 3],
        }
    }
}

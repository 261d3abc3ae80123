//! Self-tests: what runs now, and how the last ones ended.
//!
//! ATA: ACS-4, SMART self-test log and SMART data; SCSI: SPC-5, log page 10h; NVMe: log 06h.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::Report;
use super::lenient::{List, count, number, part};

/// The extended log of ATA may have thousands; the newest come first.
const TESTS: usize = 32;
/// SCSI has places for so many.
const SCSI_TESTS: usize = 20;

/// A test that ended with a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concluded {
    /// `short`, `extended`, `conveyance`, `selective`, `offline` or `other`.
    pub test: &'static str,
    /// Whether the disk passed it.
    pub passed: bool,
    /// The hours that the disk had been on, as it wrote down; ATA has 16 bits for it.
    pub hours: Option<u64>,
}

/// What runs now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Whether a test runs.
    pub running: bool,
    /// The share of it that is still to be done.
    pub remaining: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct AtaState {
    #[serde(deserialize_with = "part")]
    status: Option<Code>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Code {
    #[serde(deserialize_with = "count")]
    value: Option<u64>,
    #[serde(deserialize_with = "part")]
    passed: Option<bool>,
    #[serde(deserialize_with = "count")]
    remaining_percent: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct AtaLog {
    #[serde(deserialize_with = "part")]
    extended: Option<AtaTests>,
    #[serde(deserialize_with = "part")]
    standard: Option<AtaTests>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct AtaTests {
    #[serde(deserialize_with = "count")]
    count: Option<u64>,
    #[serde(deserialize_with = "count")]
    error_count_total: Option<u64>,
    #[serde(deserialize_with = "part")]
    table: Option<List<AtaTest, TESTS>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct AtaTest {
    #[serde(rename = "type", deserialize_with = "part")]
    kind: Option<Code>,
    #[serde(deserialize_with = "part")]
    status: Option<Code>,
    #[serde(deserialize_with = "count")]
    lifetime_hours: Option<u64>,
}

/// `scsi_self_test_0` (the newest) to `scsi_self_test_19`: keys of the whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ScsiResults(Vec<ScsiTest>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ScsiTest {
    #[serde(deserialize_with = "part")]
    code: Option<Code>,
    #[serde(deserialize_with = "part")]
    result: Option<Code>,
    #[serde(deserialize_with = "part")]
    power_on_time: Option<Hours>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Hours {
    #[serde(deserialize_with = "count")]
    hours: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct NvmeLog {
    #[serde(deserialize_with = "part")]
    current_self_test_operation: Option<Code>,
    #[serde(deserialize_with = "number")]
    current_self_test_completion_percent: Option<f64>,
    #[serde(deserialize_with = "part")]
    table: Option<List<NvmeTest, TESTS>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct NvmeTest {
    #[serde(deserialize_with = "part")]
    self_test_code: Option<Code>,
    #[serde(deserialize_with = "part")]
    self_test_result: Option<Code>,
    #[serde(deserialize_with = "count")]
    power_on_hours: Option<u64>,
}

impl ScsiResults {
    /// What its keys begin with.
    pub(super) const KEY: &'static str = "scsi_self_test_";
}

impl<'de> Deserialize<'de> for ScsiResults {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all: HashMap<String, &RawValue> = HashMap::deserialize(deserializer)?;
        let tests = (0..SCSI_TESTS)
            .map_while(|n| all.get(&format!("{}{n}", Self::KEY)))
            .filter_map(|raw| serde_json::from_str(raw.get()).ok());
        Ok(Self(tests.collect()))
    }
}

impl AtaTest {
    fn concluded(&self) -> Option<Concluded> {
        let test = match self.kind.as_ref()?.value? & 0x7f {
            0 => "offline",
            1 => "short",
            2 => "extended",
            3 => "conveyance",
            4 => "selective",
            _ => "other",
        };
        let status = self.status.as_ref()?;
        // Aborted, interrupted, under way: no verdict.
        let passed = status.passed.or(match status.value? >> 4 {
            0 => Some(true),
            3..=8 => Some(false),
            _ => None,
        })?;
        Some(Concluded {
            test,
            passed,
            hours: self.lifetime_hours,
        })
    }
}

impl ScsiTest {
    fn concluded(&self) -> Option<Concluded> {
        let test = match self.code.as_ref()?.value? {
            1 | 5 => "short",
            2 | 6 => "extended",
            _ => "other",
        };
        let passed = match self.result.as_ref()?.value? {
            0 => true,
            3..=7 => false,
            _ => return None,
        };
        let hours = self.power_on_time.as_ref().and_then(|time| time.hours);
        Some(Concluded {
            test,
            passed,
            hours,
        })
    }
}

impl NvmeTest {
    fn concluded(&self) -> Option<Concluded> {
        let test = match self.self_test_code.as_ref()?.value? {
            1 => "short",
            2 => "extended",
            _ => "other",
        };
        let passed = match self.self_test_result.as_ref()?.value? {
            0 => true,
            5..=7 => false,
            _ => return None,
        };
        Some(Concluded {
            test,
            passed,
            hours: self.power_on_hours,
        })
    }
}

fn share(percent: f64) -> Option<f64> {
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

impl Report {
    /// Of each kind of test the newest that ended with a verdict.
    pub fn self_tests(&self) -> Vec<Concluded> {
        let ata = self.ata_tests().and_then(|log| log.table.as_ref());
        let ata = ata.iter().flat_map(|list| &list.0);
        let nvme = self.nvme_self_test_log.as_ref();
        let nvme = nvme.and_then(|log| log.table.as_ref());
        let nvme = nvme.iter().flat_map(|list| &list.0);
        let scsi = self.scsi_self_tests.0.iter();
        let all = ata
            .filter_map(AtaTest::concluded)
            .chain(scsi.filter_map(ScsiTest::concluded))
            .chain(nvme.filter_map(NvmeTest::concluded));
        let mut newest: Vec<Concluded> = Vec::new();
        for test in all {
            if newest.iter().all(|other| other.test != test.test) {
                newest.push(test);
            }
        }
        newest
    }

    /// Entries of the self-test log, and those of them that tell of errors (ATA).
    pub fn self_test_log(&self) -> (Option<u64>, Option<u64>) {
        self.ata_tests()
            .map_or((None, None), |log| (log.count, log.error_count_total))
    }

    fn ata_tests(&self) -> Option<&AtaTests> {
        let log = self.ata_smart_self_test_log.as_ref()?;
        log.extended.as_ref().or(log.standard.as_ref())
    }

    /// Whether a test runs now; absent when the disk does not say.
    pub fn self_test_progress(&self) -> Option<Progress> {
        if let Some(log) = &self.nvme_self_test_log {
            let running = log.current_self_test_operation.as_ref()?.value? != 0;
            let done = log.current_self_test_completion_percent;
            let remaining = done.and_then(|done| share(100.0 - done));
            return Some(Progress {
                running,
                remaining: remaining.filter(|_| running),
            });
        }
        if let Some(newest) = self.scsi_self_tests.0.first() {
            let running = newest.result.as_ref()?.value? == 15;
            return Some(Progress {
                running,
                remaining: None,
            });
        }
        let data = self.ata_smart_data.as_ref()?;
        let status = data.self_test.as_ref()?.status.as_ref()?;
        let value = status.value.filter(|value| *value <= 255)?;
        let running = value >> 4 == 15;
        // Without smartctl's own figure: tenths in the low half of the byte.
        let remaining = status.remaining_percent.unwrap_or((value & 15) * 10);
        let remaining = u32::try_from(remaining).ok().map(f64::from);
        Some(Progress {
            running,
            remaining: remaining.and_then(share).filter(|_| running),
        })
    }
}

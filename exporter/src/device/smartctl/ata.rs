//! Attributes and the error log of ATA disks.

use serde::Deserialize;

use super::lenient::{List, count, part, text};
use super::{Report, raw, seagate_rate};

/// The table has 30 places.
const ATTRIBUTES: usize = 64;

/// The table of attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AtaAttributes {
    #[serde(deserialize_with = "part")]
    table: Option<List<Row, ATTRIBUTES>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Row {
    #[serde(deserialize_with = "count")]
    id: Option<u64>,
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(deserialize_with = "count")]
    value: Option<u64>,
    #[serde(deserialize_with = "count")]
    worst: Option<u64>,
    #[serde(deserialize_with = "count")]
    thresh: Option<u64>,
    #[serde(deserialize_with = "text")]
    when_failed: Option<String>,
    #[serde(deserialize_with = "part")]
    raw: Option<Raw>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Raw {
    #[serde(deserialize_with = "count")]
    value: Option<u64>,
    #[serde(deserialize_with = "text")]
    string: Option<String>,
}

/// When an attribute was at or below its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// It is so now.
    Now,
    /// It was so once.
    Past,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// 1 to 255.
    pub id: u64,
    /// As smartctl's drive database names it for this model.
    pub name: &'a str,
    /// What the disk's maker made of it: the less the worse; mostly from 100, 200 or 253 down.
    pub normalized: Option<u64>,
    /// The least that it ever was.
    pub worst: Option<u64>,
    /// At or below this the maker calls it failed.
    pub threshold: Option<u64>,
    /// The numbers of its raw value; one for most.
    pub raw: Vec<u64>,
    /// Whether it is or was at or below its threshold.
    pub failing: Option<Failing>,
}

impl AtaAttributes {
    /// Each attribute once: of two with the same number the first.
    pub fn iter(&self) -> std::vec::IntoIter<Attribute<'_>> {
        let mut all: Vec<Attribute<'_>> = Vec::new();
        for row in self.table.iter().flat_map(|list| &list.0) {
            let Some(id) = row.id.filter(|id| (1..=255).contains(id)) else {
                continue;
            };
            if all.iter().all(|other| other.id != id) {
                all.push(row.attribute(id));
            }
        }
        all.into_iter()
    }
}

impl Row {
    fn attribute(&self, id: u64) -> Attribute<'_> {
        // A byte each.
        let byte = |value: Option<u64>| value.filter(|value| *value <= 255);
        let raw = self.raw.as_ref().map_or_else(Vec::new, |raw| {
            raw::numbers(id, raw.value, raw.string.as_deref())
        });
        Attribute {
            id,
            name: self.name.as_deref().unwrap_or("Unknown_Attribute"),
            normalized: byte(self.value),
            worst: byte(self.worst),
            threshold: byte(self.thresh),
            raw,
            failing: match self.when_failed.as_deref() {
                Some("now" | "FAILING_NOW") => Some(Failing::Now),
                Some("past" | "In_the_past") => Some(Failing::Past),
                _ => None,
            },
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct AtaData {
    #[serde(deserialize_with = "part")]
    pub(super) self_test: Option<super::self_test::AtaState>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct AtaErrorLog {
    #[serde(deserialize_with = "part")]
    extended: Option<ErrorCount>,
    #[serde(deserialize_with = "part")]
    summary: Option<ErrorCount>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ErrorCount {
    #[serde(deserialize_with = "count")]
    count: Option<u64>,
}

impl Report {
    /// Errors that the disk has written into its error log in its life.
    pub fn error_log_entries(&self) -> Option<u64> {
        let log = self.ata_smart_error_log.as_ref();
        let ata = log.and_then(|log| log.extended.as_ref().or(log.summary.as_ref())?.count);
        ata.or_else(|| self.nvme.as_ref()?.num_err_log_entries)
    }

    /// Sectors that were replaced by spare ones.
    pub fn reallocated_sectors(&self) -> Option<u64> {
        self.plain(|a| a.id == 5 && a.name.starts_with("Reallocated_Sector"))
            .or_else(|| self.statistic(3, 0x20))
    }

    /// Sectors that could not be read and wait for being written.
    pub fn pending_sectors(&self) -> Option<u64> {
        self.plain(|a| a.id == 197 && a.name.contains("Pending_Sector"))
    }

    /// Sectors that the disk's own scan could not read.
    pub fn offline_uncorrectable_sectors(&self) -> Option<u64> {
        self.plain(|a| a.id == 198 && a.name.contains("Uncorrectabl"))
    }

    /// Errors that the disk could not correct and reported.
    pub fn reported_uncorrectable_errors(&self) -> Option<u64> {
        self.plain(|a| a.id == 187 && a.name.contains("Uncorrect"))
            .or_else(|| self.statistic(4, 0x08))
    }

    /// Errors on the way between disk and host: a cable or a connector.
    pub fn interface_crc_errors(&self) -> Option<u64> {
        self.plain(|a| a.name.ends_with("CRC_Error_Count"))
            .or_else(|| self.statistic(6, 0x18))
    }

    /// How often it was started and stopped.
    pub fn start_stop_cycles(&self) -> Option<u64> {
        let scsi = self.scsi_start_stop_cycle_counter.as_ref();
        scsi.and_then(|counter| counter.start_stop())
            .or_else(|| self.plain(|a| a.name == "Start_Stop_Count"))
    }

    /// How often its heads were parked.
    pub fn load_cycles(&self) -> Option<u64> {
        let scsi = self.scsi_start_stop_cycle_counter.as_ref();
        scsi.and_then(|counter| counter.load_unload())
            .or_else(|| self.plain(|a| a.name == "Load_Cycle_Count"))
    }

    /// For Seagate's disks: attribute, errors and operations of rates that smartctl shows as one number.
    pub fn rates(&self) -> impl Iterator<Item = (Attribute<'_>, u64, u64)> {
        let is_seagate = self.is_seagate_disk();
        let attributes = self.attributes().map(AtaAttributes::iter);
        attributes
            .into_iter()
            .flatten()
            .filter(move |_| is_seagate)
            .filter_map(|attribute| {
                let (errors, operations) = match attribute.raw.as_slice() {
                    [one] => seagate_rate(attribute.id, *one)?,
                    _ => return None,
                };
                Some((attribute, errors, operations))
            })
    }

    /// Whether it is a disk of Seagate's own design: those of Samsung that it sold count otherwise.
    fn is_seagate_disk(&self) -> bool {
        let family = self.family().unwrap_or_default();
        let named = self.model().is_some_and(|model| {
            let number = model
                .strip_prefix("ST")
                .and_then(|rest| rest.chars().next());
            number.is_some_and(|c| c.is_ascii_digit())
        });
        named && self.rotation_rate != Some(0) && !family.contains("Samsung")
    }

    /// The only raw number of the first attribute that is meant.
    fn plain(&self, is_meant: impl Fn(&Attribute<'_>) -> bool) -> Option<u64> {
        let attribute = self.attributes()?.iter().find(is_meant)?;
        match attribute.raw.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

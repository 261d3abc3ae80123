//! Wear of flash, and how much went over the wire.

use serde::Deserialize;

use super::lenient::number;
use super::{AtaAttributes, Report};

/// Of all protocols since smartctl 7.5.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct EnduranceUsed {
    #[serde(deserialize_with = "number")]
    current_percent: Option<f64>,
}

/// Of all protocols since smartctl 7.5.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct SpareAvailable {
    #[serde(deserialize_with = "number")]
    current_percent: Option<f64>,
    #[serde(deserialize_with = "number")]
    threshold_percent: Option<f64>,
}

/// NVMe counts in thousands of 512 bytes.
const DATA_UNIT: u64 = 512_000;

/// Attributes of which the normalized value is the life that is left, in percent, by their names in smartctl's
/// drive database. Those that only sound so (`Wear_Range_Delta`, `Workld_Media_Wear_Indic`) are not among them.
const LIFE_LEFT: [&str; 16] = [
    "Drive_Life_Remaining%",
    "Life_Left",
    "Lifetime_Left",
    "Media_Wearout_Indicator",
    "Perc_Rated_Life_Remain",
    "Perc_Rated_Life_Used",
    "Percent_Life_Remaining",
    "Percent_Lifetime_Remain",
    "Percent_Lifetime_Used",
    "Remaining_Life",
    "Remaining_Lifetime_Perc",
    "SSD_LifeLeft(0.01%)",
    "SSD_Life_Left",
    "SSD_Life_Left_Perc",
    "SSD_Remaining_Lifetime",
    "Wear_Leveling_Count",
];

/// Attributes that carry their unit in the name. Those that do not (`Total_LBAs_Written`) are counted in blocks by
/// some makers, in 32 MiB or in GiB by others, and are left alone.
const WRITTEN: [(&str, u64); 6] = [
    ("Host_Writes_32MiB", 32 << 20),
    ("Host_Writes_MiB", 1 << 20),
    ("Host_Writes_GiB", 1 << 30),
    ("Lifetime_Writes_GiB", 1 << 30),
    ("Total_Host_Writes_GiB", 1 << 30),
    ("Total_Writes_GiB", 1 << 30),
];
const READ: [(&str, u64); 6] = [
    ("Host_Reads_32MiB", 32 << 20),
    ("Host_Reads_MiB", 1 << 20),
    ("Host_Reads_GiB", 1 << 30),
    ("Lifetime_Reads_GiB", 1 << 30),
    ("Total_Host_Reads_GiB", 1 << 30),
    ("Total_Reads_GiB", 1 << 30),
];

impl Report {
    /// The share of the life of its flash that is used: 0 when new, over 1 when it lives longer than it was made
    /// for. The disk's own standardized figure where it has one, else what is not left by its maker's attribute.
    pub fn wear(&self) -> Option<f64> {
        let nvme = self.nvme.as_ref().and_then(|nvme| nvme.percentage_used);
        let used = self.endurance_used.as_ref().and_then(|e| e.current_percent);
        used.or(nvme)
            .or(self.scsi_percentage_used_endurance_indicator)
            .or_else(|| self.exact_statistic(7, 0x08))
            // A byte.
            .filter(|percent| (0.0..=255.0).contains(percent))
            .or_else(|| self.wear_by_attribute())
            .map(|percent| percent / 100.0)
    }

    fn wear_by_attribute(&self) -> Option<f64> {
        let mut attributes = self.attributes()?.iter();
        let left = attributes.find(|attribute| LIFE_LEFT.contains(&attribute.name))?;
        // Some begin at 200 or 253: of those it is not known what they mean.
        let left = left.normalized.filter(|left| *left <= 100)?;
        u32::try_from(100 - left).ok().map(f64::from)
    }

    /// Spare space: the share that is left, and the share at which the drive warns.
    pub fn spare(&self) -> (Option<f64>, Option<f64>) {
        let (all, nvme) = (self.spare_available.as_ref(), self.nvme.as_ref());
        let share = |percent: Option<f64>| {
            let percent = percent.filter(|percent| (0.0..=255.0).contains(percent))?;
            Some(percent / 100.0)
        };
        (
            share(all.and_then(|s| s.current_percent))
                .or_else(|| share(nvme.and_then(|n| n.available_spare))),
            share(all.and_then(|s| s.threshold_percent))
                .or_else(|| share(nvme.and_then(|n| n.available_spare_threshold))),
        )
    }

    /// Bytes that the host has written.
    pub fn written_bytes(&self) -> Option<u64> {
        let nvme = self.nvme.as_ref().and_then(|nvme| nvme.data_units_written);
        self.transferred(nvme, 0x18, &WRITTEN)
    }

    /// Bytes that the host has read.
    pub fn read_bytes(&self) -> Option<u64> {
        let nvme = self.nvme.as_ref().and_then(|nvme| nvme.data_units_read);
        self.transferred(nvme, 0x28, &READ)
    }

    fn transferred(&self, nvme: Option<u64>, offset: u64, named: &[(&str, u64)]) -> Option<u64> {
        if let Some(units) = nvme {
            return Some(units.saturating_mul(DATA_UNIT));
        }
        if let Some(sectors) = self.statistic(1, offset) {
            return sectors.checked_mul(self.logical_block_size?);
        }
        let attributes = self.attributes().map(AtaAttributes::iter)?;
        attributes.into_iter().find_map(|attribute| {
            let (_, unit) = named.iter().find(|(name, _)| *name == attribute.name)?;
            match attribute.raw.as_slice() {
                [one] => one.checked_mul(*unit),
                _ => None,
            }
        })
    }
}

//! Who the disk is.

use serde::Deserialize;

use super::Report;
use super::lenient::{count, part, text};

/// What smartctl asked, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Device {
    /// The device node.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// As after `-d`.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    /// `ATA`, `SCSI` or `NVMe`.
    #[serde(deserialize_with = "text")]
    pub protocol: Option<String>,
}

/// A world wide name in the three parts that smartctl makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Wwn {
    #[serde(deserialize_with = "count")]
    naa: Option<u64>,
    #[serde(deserialize_with = "count")]
    oui: Option<u64>,
    #[serde(deserialize_with = "count")]
    id: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    #[serde(deserialize_with = "text")]
    name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Capacity {
    #[serde(deserialize_with = "count")]
    bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct InterfaceSpeed {
    #[serde(deserialize_with = "part")]
    current: Option<Speed>,
    #[serde(deserialize_with = "part")]
    max: Option<Speed>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Speed {
    #[serde(deserialize_with = "count")]
    units_per_second: Option<u64>,
    #[serde(deserialize_with = "count")]
    bits_per_unit: Option<u64>,
}

/// A number with the name of what it is of.
pub type Size = (&'static str, u64);

impl Report {
    /// The model's name.
    pub fn model(&self) -> Option<&str> {
        self.model_name
            .as_deref()
            .or(self.scsi_model_name.as_deref())
    }

    /// The model's family in smartctl's drive database.
    pub fn family(&self) -> Option<&str> {
        self.model_family.as_deref()
    }

    /// The firmware's version.
    pub fn firmware(&self) -> Option<&str> {
        self.firmware_version
            .as_deref()
            .or(self.scsi_revision.as_deref())
    }

    /// The serial number.
    pub fn serial(&self) -> Option<&str> {
        self.serial_number.as_deref()
    }

    /// The form factor, in smartctl's words.
    pub fn form_factor(&self) -> Option<&str> {
        self.form_factor.as_ref()?.name.as_deref()
    }

    /// The world wide name, as `0x` and 16 hexadecimal digits.
    pub fn wwn(&self) -> Option<String> {
        let parts = || {
            let wwn = self.wwn.as_ref()?;
            let naa = wwn.naa.filter(|naa| *naa < 1 << 4)?;
            let oui = wwn.oui.filter(|oui| *oui < 1 << 24)?;
            let id = wwn.id.filter(|id| *id < 1 << 36)?;
            Some(format!("0x{:016x}", naa << 60 | oui << 36 | id))
        };
        parts().or_else(|| self.logical_unit_id.clone())
    }

    /// Bytes that it holds.
    pub fn capacity(&self) -> Option<u64> {
        let capacity = self.user_capacity.as_ref().and_then(|c| c.bytes);
        capacity.or(self.nvme_total_capacity)
    }

    /// Rotations in a minute; 0 for one that does not rotate.
    pub fn rotation_rate(&self) -> Option<u64> {
        self.rotation_rate
    }

    /// Speeds of its interface, in bits per second: `current` and `max`.
    pub fn interface_speeds(&self) -> impl Iterator<Item = Size> {
        let of = |speed: &Option<Speed>| {
            let speed = speed.as_ref()?;
            speed.units_per_second?.checked_mul(speed.bits_per_unit?)
        };
        let speed = self.interface_speed.as_ref();
        let [current, max] =
            speed.map_or([None, None], |speed| [of(&speed.current), of(&speed.max)]);
        [("current", current), ("max", max)]
            .into_iter()
            .filter_map(|(name, speed)| Some((name, speed?)))
    }

    /// Bytes of a block: `logical` and `physical`.
    pub fn block_sizes(&self) -> impl Iterator<Item = Size> {
        [
            ("logical", self.logical_block_size),
            ("physical", self.physical_block_size),
        ]
        .into_iter()
        .filter_map(|(name, size)| Some((name, size.filter(|size| *size > 0)?)))
    }
}

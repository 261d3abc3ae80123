//! What udev knows of a block device: its database in `/run/udev/data`, one file for each device.
//!
//! Format: systemd, `src/libsystemd/sd-device/device-private.c`; lines `E:KEY=value` are properties.

use std::path::Path;

use tidegauge_model::mount::DeviceNumber;

/// The properties of a block device that name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdevProperties {
    /// `ID_WWN_WITH_EXTENSION` or `ID_WWN`.
    pub wwn: Option<String>,
    /// `ID_SERIAL_SHORT`, without the model that `ID_SERIAL` carries.
    pub serial: Option<String>,
    /// `ID_MODEL`.
    pub model: Option<String>,
    /// `ID_BUS`: `ata`, `usb`, `scsi`, `nvme`.
    pub bus: Option<String>,
    /// `ID_FS_TYPE`: `ext4`, `LVM2_member`, `crypto_LUKS`.
    pub content: Option<String>,
    /// `DM_VG_NAME`, as LVM's own rules take it from the name.
    pub dm_vg: Option<String>,
    /// `DM_LV_NAME`.
    pub dm_lv: Option<String>,
    /// `DM_LV_LAYER`.
    pub dm_layer: Option<String>,
}

/// Parses one file of the database. Bytes that are not text are replaced: they are names only.
pub fn parse(content: &[u8]) -> UdevProperties {
    let mut properties = UdevProperties::default();
    let mut plain_wwn = None;
    // Not by `lines`, which would take a carriage return off a value's end.
    for line in String::from_utf8_lossy(content).split('\n') {
        let Some((key, value)) = line.strip_prefix("E:").and_then(|l| l.split_once('=')) else {
            continue;
        };
        if value.is_empty() {
            continue;
        }
        let value = Some(value.to_owned());
        match key {
            "ID_WWN_WITH_EXTENSION" => properties.wwn = value,
            "ID_WWN" => plain_wwn = value,
            "ID_SERIAL_SHORT" => properties.serial = value,
            "ID_MODEL" => properties.model = value,
            "ID_BUS" => properties.bus = value,
            "ID_FS_TYPE" => properties.content = value,
            "DM_VG_NAME" => properties.dm_vg = value,
            "DM_LV_NAME" => properties.dm_lv = value,
            "DM_LV_LAYER" => properties.dm_layer = value,
            _ => {}
        }
    }
    properties.wwn = properties.wwn.or(plain_wwn);
    properties
}

/// Reads what udev knows of a device; nothing when udev does not run here (a container) or does not
/// know it.
pub fn read(database: &Path, dev: DeviceNumber) -> UdevProperties {
    std::fs::read(database.join(format!("b{dev}")))
        .map(|content| parse(&content))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sata_disk() {
        let text = b"S:disk/by-id/x\nI:123\nE:ID_MODEL=WDC_WD20EFRX\nE:ID_SERIAL=WDC_WD20EFRX_WD-1\nE:ID_SERIAL_SHORT=WD-1\nE:ID_WWN=0x50014ee2\nE:ID_WWN_WITH_EXTENSION=0x50014ee2a\nE:ID_BUS=ata\nE:ID_REVISION=\nG:systemd\n";
        assert_eq!(
            parse(text),
            UdevProperties {
                wwn: Some("0x50014ee2a".into()),
                serial: Some("WD-1".into()),
                model: Some("WDC_WD20EFRX".into()),
                bus: Some("ata".into()),
                ..UdevProperties::default()
            }
        );
    }

    #[test]
    fn a_logical_volume() {
        let text = b"E:DM_VG_NAME=vg_jts\nE:DM_LV_NAME=pool\nE:DM_LV_LAYER=tpool\nE:ID_FS_TYPE=LVM2_member\n";
        assert_eq!(
            parse(text),
            UdevProperties {
                content: Some("LVM2_member".into()),
                dm_vg: Some("vg_jts".into()),
                dm_lv: Some("pool".into()),
                dm_layer: Some("tpool".into()),
                ..UdevProperties::default()
            }
        );
    }

    #[test]
    fn a_carriage_return_is_part_of_a_value() {
        assert_eq!(parse(b"E:ID_MODEL=a\r\n").model.as_deref(), Some("a\r"));
    }

    proptest! {
        #[test]
        fn any_properties_survive_writing(
            values in proptest::collection::vec(proptest::option::of("[^\n]{1,20}"), 4),
            other in "[A-Z]:[^\n]{0,20}",
        ) {
            let keys = ["ID_WWN", "ID_SERIAL_SHORT", "ID_MODEL", "ID_BUS"];
            let mut text = String::from("S:disk/by-id/x\n");
            for (key, value) in keys.iter().zip(&values) {
                if let Some(value) = value {
                    text += &format!("E:{key}={value}\n");
                }
            }
            if !other.starts_with("E:") {
                text += &other;
            }
            let read = parse(text.as_bytes());
            prop_assert_eq!(vec![read.wwn, read.serial, read.model, read.bus], values);
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
        }
    }
}

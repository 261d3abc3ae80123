//! Names of device mapper's devices: which volume of LVM is behind one.
//!
//! Format: libdevmapper, `dm_split_lvm_name`, `dm_build_dm_name`: volume group, logical volume and, for the parts
//! that LVM hides, a layer, joined by `-`; a hyphen within each is doubled. The identifier is `LVM-`, 32 letters
//! of the volume group, 32 of the logical volume, and again the layer.

use crate::device::udev::UdevProperties;

/// What a device is to LVM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// The volume group.
    pub vg: String,
    /// The logical volume.
    pub lv: String,
    /// Of a hidden part which: `real`, `cow`, `tpool`…; empty for the volume itself.
    pub layer: String,
}

/// The volume behind a device, by what udev has taken apart already, else by its name. `None` when its
/// identifier says that it is not LVM's.
pub fn volume(name: &str, uuid: &str, udev: &UdevProperties) -> Option<Volume> {
    uuid.strip_prefix("LVM-")?;
    let split = split(name);
    let (Some(vg), Some(lv)) = (&udev.dm_vg, &udev.dm_lv) else {
        return split;
    };
    let layer = split.map(|volume| volume.layer).unwrap_or_default();
    Some(Volume {
        vg: vg.clone(),
        lv: lv.clone(),
        layer: udev.dm_layer.clone().unwrap_or(layer),
    })
}

/// Takes a name apart; `None` when it has not two parts.
pub fn split(name: &str) -> Option<Volume> {
    let (vg, rest) = first(name);
    let (lv, layer) = first(rest);
    (!vg.is_empty() && !lv.is_empty()).then(|| Volume {
        vg,
        lv,
        layer: layer.to_owned(),
    })
}

/// The first part, its hyphens single again, and what comes after the hyphen that ends it.
fn first(name: &str) -> (String, &str) {
    let mut part = String::new();
    let mut chars = name.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '-' {
            match name[at + 1..].chars().next() {
                Some('-') => {
                    chars.next();
                }
                Some(_) => return (part, &name[at + 1..]),
                // The last one stands for itself.
                None => {}
            }
        }
        part.push(c);
    }
    (part, "")
}

/// The identifiers of volume group and logical volume in that of a device, without LVM's own hyphens.
pub fn identifiers(uuid: &str) -> Option<(&str, &str)> {
    let both = uuid.strip_prefix("LVM-")?;
    Some((both.get(..32)?, both.get(32..64)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(name: &str) -> Option<(String, String, String)> {
        split(name).map(|v| (v.vg, v.lv, v.layer))
    }

    #[test]
    fn names_as_lvm_writes_them() {
        let of = |vg: &str, lv: &str, layer: &str| Some((vg.into(), lv.into(), layer.into()));
        assert_eq!(parts("vg_jts-postgresql"), of("vg_jts", "postgresql", ""));
        assert_eq!(parts("vg--r-mir----ror"), of("vg-r", "mir--ror", ""));
        assert_eq!(parts("vg_jts-pool-tpool"), of("vg_jts", "pool", "tpool"));
        assert_eq!(
            parts("a---b"),
            of("a-", "b", ""),
            "doubled first, from the left"
        );
        assert_eq!(parts("vg-lv-"), of("vg", "lv-", ""), "as libdevmapper");
        for other in ["", "plain", "-", "--", "plain--x", "-lv"] {
            assert_eq!(parts(other), None, "{other}");
        }
    }

    #[test]
    fn only_what_is_of_lvm_has_a_volume() {
        let uuid = format!("LVM-{}{}-real", "a".repeat(32), "b".repeat(32));
        let udev = UdevProperties::default();
        let found = volume("vg-lv-real", &uuid, &udev).unwrap();
        assert_eq!((found.vg.as_str(), found.layer.as_str()), ("vg", "real"));
        assert_eq!(volume("vg-lv", "CRYPT-LUKS2-1-vg-lv", &udev), None);
        let udev = UdevProperties {
            dm_vg: Some("v".into()),
            dm_lv: Some("l".into()),
            ..udev
        };
        let found = volume("vg-lv-real", &uuid, &udev).unwrap();
        assert_eq!(
            found,
            Volume {
                vg: "v".into(),
                lv: "l".into(),
                layer: "real".into()
            }
        );
        let (vg, lv) = identifiers(&uuid).unwrap();
        assert_eq!((vg, lv), ("a".repeat(32).as_str(), "b".repeat(32).as_str()));
        assert_eq!(identifiers("LVM-short"), None);
        assert_eq!(identifiers(&format!("LVM-a{}", "ü".repeat(40))), None);
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_again(
            vg in "[a-z_.+]([a-z-]{0,6}[a-z])?",
            lv in "[a-z_.+]([a-z-]{0,6}[a-z])?",
            layer in proptest::option::of("[a-z]{1,5}"),
        ) {
            let mut name = format!("{}-{}", vg.replace('-', "--"), lv.replace('-', "--"));
            if let Some(layer) = &layer {
                name = format!("{name}-{layer}");
            }
            prop_assert_eq!(parts(&name), Some((vg, lv, layer.unwrap_or_default())));
        }

        #[test]
        fn any_name_is_no_panic(name in ".{0,80}") {
            let _ = (split(&name), identifiers(&name));
        }
    }
}

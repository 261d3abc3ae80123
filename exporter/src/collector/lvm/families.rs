//! From LVM's report to families.

use std::collections::{BTreeMap, HashSet};

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use crate::collector::table::{Row, filled};
use crate::device::lvm::{LogicalVolume, PhysicalVolume, VolumeGroup};
use crate::host::blocks::Blocks;

const VG_LABELS: &[&str] = &["tier", "vg"];
const PV_LABELS: &[&str] = &["tier", "vg", "pv"];
const LV_LABELS: &[&str] = &["tier", "vg", "lv"];

/// How a value is found; `None`: not known.
type Read<T> = fn(&T) -> Option<Value>;

pub static VG_INFO: FamilySpec = FamilySpec::info(
    "tidegauge_lvm_vg_info",
    "A volume group. Where two have the same name, `vg` is the name with the beginning of the identifier behind an @.",
    &["tier", "vg", "uuid"],
);

pub static VG: [Row<Read<VolumeGroup>>; 11] = [
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_size_bytes",
            "Size of all physical volumes of the group, those missing too.",
            VG_LABELS,
        ),
        |vg| vg.size.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_free_bytes",
            "What no logical volume of the group has.",
            VG_LABELS,
        ),
        |vg| vg.free.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_extent_size_bytes",
            "The unit by which the group gives space away.",
            VG_LABELS,
        ),
        |vg| vg.extent_size.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_missing_pvs",
            "Physical volumes of the group whose disks are not there.",
            VG_LABELS,
        ),
        |vg| vg.missing_pvs.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_partial",
            "Whether any physical volume of the group is missing.",
            VG_LABELS,
        ),
        |vg| vg.partial.map(Value::from),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_exported",
            "Whether the group was made ready to be moved to another host, so that it is of no use here.",
            VG_LABELS,
        ),
        |vg| vg.exported.map(Value::from),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_pvs",
            "Number of the group's physical volumes.",
            VG_LABELS,
        ),
        |vg| vg.pv_count.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_lvs",
            "Number of the group's logical volumes, hidden parts not counted.",
            VG_LABELS,
        ),
        |vg| vg.lv_count.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_snapshots",
            "Number of the group's copy-on-write snapshots.",
            VG_LABELS,
        ),
        |vg| vg.snapshot_count.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_mda_size_bytes",
            "Size of the smallest area for the group's own metadata.",
            VG_LABELS,
        ),
        |vg| vg.metadata_size.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_vg_mda_free_bytes",
            "Of that what is free; without any the group cannot be changed.",
            VG_LABELS,
        ),
        |vg| vg.metadata_free.map(Value::U64),
    ),
];

pub static PV_INFO: FamilySpec = FamilySpec::info(
    "tidegauge_lvm_pv_info",
    "A physical volume and the device that it is on. `pv` is its node or, when it is missing, its identifier.",
    &["tier", "vg", "pv", "device", "uuid"],
);

pub static PV: [Row<Read<PhysicalVolume>>; 6] = [
    (
        FamilySpec::gauge(
            "tidegauge_lvm_pv_size_bytes",
            "What the physical volume gives to its group.",
            PV_LABELS,
        ),
        |pv| pv.size.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_pv_free_bytes",
            "What no logical volume has of it.",
            PV_LABELS,
        ),
        |pv| pv.free.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_pv_used_bytes",
            "What logical volumes have of it.",
            PV_LABELS,
        ),
        |pv| pv.used.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_pv_dev_size_bytes",
            "Size of the device that it is on.",
            PV_LABELS,
        ),
        |pv| pv.device_size.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_pv_missing",
            "Whether its device is not there.",
            PV_LABELS,
        ),
        |pv| pv.missing.map(Value::from),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_pv_allocatable",
            "Whether new logical volumes may be put on it.",
            PV_LABELS,
        ),
        |pv| pv.allocatable.map(Value::from),
    ),
];

pub static LV_INFO: FamilySpec = FamilySpec::info(
    "tidegauge_lvm_lv_info",
    "A logical volume: kind (linear, raid1, snapshot, thin_snapshot, thin, thin_pool, cache…), what it is a snapshot of, the pool that it lives in, the volume that it is a hidden part of.",
    &[
        "tier", "vg", "lv", "uuid", "kind", "origin", "pool", "parent",
    ],
);

pub static LV: [Row<Read<LogicalVolume>>; 4] = [
    (
        FamilySpec::gauge(
            "tidegauge_lvm_lv_size_bytes",
            "Size of the logical volume; of a copy-on-write snapshot that of its store.",
            LV_LABELS,
        ),
        |lv| lv.size.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_lv_metadata_size_bytes",
            "Size of a pool's metadata.",
            LV_LABELS,
        ),
        |lv| lv.metadata_size.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_lv_creation_timestamp_seconds",
            "When the logical volume was made.",
            LV_LABELS,
        ),
        |lv| lv.created.map(Value::U64),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_lvm_lv_partial",
            "Whether a part of the logical volume is on a disk that is missing.",
            LV_LABELS,
        ),
        |lv| Some(lv.partial.into()),
    ),
];

/// A group with its labels.
pub struct ShownGroup<'a> {
    /// Its identifier, as device mapper writes it.
    pub key: String,
    /// `tier`, `vg`.
    pub labels: Labels,
    group: &'a VolumeGroup,
}

/// The report, labelled.
pub struct Shown<'a> {
    /// Volume groups.
    pub groups: Vec<ShownGroup<'a>>,
    pvs: Vec<(Labels, Labels, &'a PhysicalVolume)>,
    lvs: Vec<(Labels, Labels, &'a LogicalVolume)>,
}

/// Gives labels to everything. `node` finds the kernel's name behind a device node of another name.
pub fn show<'a>(
    groups: &'a [VolumeGroup],
    blocks: &Blocks,
    node: impl Fn(&str) -> Option<String>,
) -> Shown<'a> {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for group in groups {
        *names.entry(&group.name).or_default() += 1;
    }
    let mapped: BTreeMap<&str, &str> = blocks
        .iter()
        .filter(|(_, device)| device.dm_uuid.starts_with("LVM-"))
        .map(|(_, device)| (device.dm_uuid.as_str(), device.name.as_str()))
        .collect();
    let mut shown = Shown {
        groups: Vec::new(),
        pvs: Vec::new(),
        lvs: Vec::new(),
    };
    // Two with the same labels would make Prometheus refuse the whole scrape.
    let mut seen: HashSet<Labels> = HashSet::new();
    for group in groups {
        let key = group.uuid.replace('-', "");
        let name = if names.get(group.name.as_str()).is_some_and(|&n| n > 1) {
            let beginning: String = group.uuid.chars().take(6).collect();
            format!("{}@{beginning}", group.name)
        } else {
            group.name.clone()
        };
        let devices: Vec<String> = group
            .pvs
            .iter()
            .map(|pv| kernel_name(&pv.name, blocks, &node))
            .collect();
        let prefix = format!("LVM-{key}");
        let volumes = mapped
            .range(prefix.as_str()..)
            .take_while(|(uuid, _)| uuid.starts_with(&prefix) && !key.is_empty())
            .map(|(_, name)| *name);
        let all = devices.iter().map(String::as_str).chain(volumes);
        let of_group = blocks.hottest(all).to_owned();
        let labels = Labels::new(&[("tier", &of_group), ("vg", &name)]);
        // Disks that belong to no group are reported together under no name.
        if !group.name.is_empty() && seen.insert(labels.clone()) {
            shown.groups.push(ShownGroup {
                key: key.clone(),
                labels,
                group,
            });
        }
        for (pv, device) in group.pvs.iter().zip(&devices) {
            let own = blocks.tier(device);
            let tier = if own.is_empty() { &of_group } else { own };
            let pv_name = if pv.name.is_empty() {
                &pv.uuid
            } else {
                &pv.name
            };
            let labels = Labels::new(&[("tier", tier), ("vg", &name), ("pv", pv_name)]);
            if seen.insert(labels.clone()) {
                let info = labels.with("device", device).with("uuid", &pv.uuid);
                shown.pvs.push((labels, info, pv));
            }
        }
        for lv in &group.lvs {
            let uuid = format!("{prefix}{}", lv.uuid.replace('-', ""));
            let own = mapped
                .get(uuid.as_str())
                .map_or("", |name| blocks.tier(name));
            let tier = if own.is_empty() { &of_group } else { own };
            let labels = Labels::new(&[("tier", tier), ("vg", &name), ("lv", &lv.name)]);
            if seen.insert(labels.clone()) {
                let info = [
                    ("uuid", lv.uuid.as_str()),
                    ("kind", lv.kind()),
                    ("origin", &lv.origin),
                    ("pool", &lv.pool),
                    ("parent", &lv.parent),
                ];
                let info = info.iter().fold(labels.clone(), |labels, (name, value)| {
                    labels.with(name, value)
                });
                shown.lvs.push((labels, info, lv));
            }
        }
    }
    shown
}

/// The kernel's name of a physical volume's device; empty when it is missing.
fn kernel_name(pv: &str, blocks: &Blocks, node: &impl Fn(&str) -> Option<String>) -> String {
    let name = pv.strip_prefix("/dev/").unwrap_or(pv);
    if blocks.get(name).is_some() {
        return name.to_owned();
    }
    let by_dm_name = name.strip_prefix("mapper/").and_then(|name| {
        blocks
            .iter()
            .find(|(_, device)| device.dm_name == name)
            .map(|(_, device)| device.name.clone())
    });
    by_dm_name.or_else(|| node(pv)).unwrap_or_default()
}

/// All families.
pub fn families(shown: &Shown<'_>) -> Vec<Family> {
    let mut vg_info = Family::new(&VG_INFO);
    for group in &shown.groups {
        vg_info.push(&group.labels.with("uuid", &group.group.uuid), true);
    }
    let mut pv_info = Family::new(&PV_INFO);
    for (_, info, _) in &shown.pvs {
        pv_info.push(info, true);
    }
    let mut lv_info = Family::new(&LV_INFO);
    for (_, info, _) in &shown.lvs {
        lv_info.push(info, true);
    }
    let groups: Vec<_> = shown.groups.iter().map(|g| (&g.labels, g.group)).collect();
    let pvs: Vec<_> = shown
        .pvs
        .iter()
        .map(|(labels, _, pv)| (labels, *pv))
        .collect();
    let lvs: Vec<_> = shown
        .lvs
        .iter()
        .map(|(labels, _, lv)| (labels, *lv))
        .collect();
    let mut all = vec![vg_info];
    all.extend(filled(&VG, &groups, |read, of| read(of)));
    all.push(pv_info);
    all.extend(filled(&PV, &pvs, |read, of| read(of)));
    all.push(lv_info);
    all.extend(filled(&LV, &lvs, |read, of| read(of)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, uuid: &str, pv: &str, lv: &str) -> VolumeGroup {
        VolumeGroup {
            name: name.into(),
            uuid: uuid.into(),
            size: Some(10),
            pvs: vec![
                PhysicalVolume {
                    name: pv.into(),
                    uuid: format!("pv-{uuid}"),
                    missing: Some(pv.is_empty()),
                    ..PhysicalVolume::default()
                };
                2
            ],
            lvs: vec![LogicalVolume {
                name: lv.into(),
                ..LogicalVolume::default()
            }],
            ..VolumeGroup::default()
        }
    }

    fn series(families: &[Family], name: &str) -> Vec<String> {
        let family = families.iter().find(|f| f.spec.name == name).unwrap();
        let labels = family
            .samples
            .iter()
            .map(|s| s.labels.rendered().to_owned());
        labels.collect()
    }

    #[test]
    fn groups_of_the_same_name_do_not_collide() {
        let groups = [
            group("a", "RxbOTe-EmTq", "/dev/sda", "one"),
            group("a", "4HV9Ak-FuUg", "", "one"),
            group("b", "D67Sob-7Z0K", "/dev/sdb", "one"),
            group("", "", "/dev/sdc", ""),
        ];
        let shown = show(&groups, &Blocks::default(), |_| None);
        let found = families(&shown);
        assert_eq!(
            series(&found, "tidegauge_lvm_vg_size_bytes"),
            [
                r#"tier="",vg="a@RxbOTe""#,
                r#"tier="",vg="a@4HV9Ak""#,
                r#"tier="",vg="b""#
            ],
            "the one without a name is no group"
        );
        assert_eq!(
            series(&found, "tidegauge_lvm_pv_missing"),
            [
                r#"tier="",vg="a@RxbOTe",pv="/dev/sda""#,
                r#"tier="",vg="a@4HV9Ak",pv="pv-4HV9Ak-FuUg""#,
                r#"tier="",vg="b",pv="/dev/sdb""#,
                r#"tier="",vg="",pv="/dev/sdc""#
            ],
            "each once, though each was reported twice"
        );
        assert_eq!(series(&found, "tidegauge_lvm_lv_partial").len(), 4);
        assert_eq!(shown.groups[0].key, "RxbOTeEmTq");
    }
}

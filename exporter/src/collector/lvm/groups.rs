//! What the kernel and udev know of LVM's groups, without asking LVM.

use std::collections::{BTreeMap, BTreeSet};

use tidegauge_model::metric::Labels;

use crate::device::block::BlockDevice;
use crate::device::dm::name::identifiers;
use crate::host::blocks::Blocks;

/// What udev finds on a physical volume.
const MEMBER: &str = "LVM2_member";

/// Nodes of what udev or the kernel knows for physical volumes. What lies on a logical volume is a guest's, of which
/// LVM wants to know nothing, unless a group of this host's is active on it.
pub fn members(blocks: &Blocks) -> Vec<String> {
    fn group(device: &BlockDevice) -> Option<&str> {
        identifiers(&device.dm_uuid).map(|(group, _)| group)
    }
    let mut names: BTreeSet<&str> = blocks
        .iter()
        .filter(|(_, device)| device.content == MEMBER && group(device).is_none())
        .map(|(_, device)| device.name.as_str())
        .collect();
    for (_, device) in blocks.iter().filter(|(_, d)| group(d).is_some()) {
        let below = device.slaves.iter().filter_map(|name| blocks.get(name));
        names.extend(
            below
                .filter(|below| group(below) != group(device))
                .map(|below| below.name.as_str()),
        );
    }
    names
        .into_iter()
        .map(|name| format!("/dev/{name}"))
        .collect()
}

/// The groups that have a volume in device mapper, by identifier: known without LVM.
pub fn active(blocks: &Blocks) -> BTreeMap<String, Labels> {
    let mut found: BTreeMap<&str, (&str, Vec<&str>)> = BTreeMap::new();
    for (_, device) in blocks.iter() {
        if let (Some((group, _)), Some(volume)) = (identifiers(&device.dm_uuid), &device.volume) {
            let (_, names) = found.entry(group).or_insert((&volume.vg, Vec::new()));
            names.push(&device.name);
        }
    }
    let mut all = BTreeMap::new();
    for (group, (name, devices)) in found {
        let tier = blocks.hottest(devices);
        all.insert(
            group.to_owned(),
            Labels::new(&[("tier", tier), ("vg", name)]),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disks_of_this_hosts_groups_are_looked_at() {
        let device =
            |name: &str, group: Option<char>, content: &str, slaves: &[&str]| BlockDevice {
                name: name.into(),
                dm_uuid: group.map_or_else(String::new, |group| {
                    format!("LVM-{}", group.to_string().repeat(64))
                }),
                content: content.into(),
                slaves: slaves.iter().map(|&slave| slave.to_owned()).collect(),
                ..BlockDevice::default()
            };
        let blocks = Blocks::of(vec![
            device("sda1", None, MEMBER, &[]),
            device("sda2", None, "ext4", &[]),
            // Of which udev knows nothing, but a volume lies on it.
            device("sdb", None, "", &[]),
            device("dm-0", Some('a'), "", &["sdb"]),
            device("dm-1", Some('a'), MEMBER, &["dm-0"]),
            device("dm-2", Some('a'), MEMBER, &["dm-0"]),
            device("dm-3", Some('b'), "", &["dm-2"]),
        ]);
        assert_eq!(
            members(&blocks),
            ["/dev/dm-2", "/dev/sda1", "/dev/sdb"],
            "dm-1 is the disk of a guest"
        );
        assert_eq!(
            active(&blocks).len(),
            0,
            "without names there are no labels"
        );
    }
}

//! The host's block devices and the tier that each serves, for collectors of disks and of what lies on them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use tidegauge_model::mount::{DeviceNumber, Mount};
use tidegauge_model::tier::Tier;

use super::storage::MountLayout;
use crate::device::block::{BlockDevice, BlockSource};
use crate::device::dm::name::identifiers;

/// What was read is good for this long while the mounts stay the same.
const FRESH: Duration = Duration::from_secs(30);

/// Block devices by their kernel names.
pub type BlockTable = FxHashMap<String, (DeviceNumber, BlockDevice)>;

/// Works out the tier (as index) of every device: that of the filesystems on it, and for what they lie on in
/// turn the same. Where filesystems of several tiers share a disk, the hottest is the disk's. Disks
/// without any take the tier whose device glob matches. What is left of a volume group (snapshots, hidden parts
/// of pools, swap) takes the hottest tier of the group, and other mapped devices that of what they lie on.
pub fn tiers_of<'a>(
    devices: impl Iterator<Item = (DeviceNumber, &'a BlockDevice)>,
    source: &BlockSource,
    layout: &MountLayout,
    tiers: &[Tier],
) -> FxHashMap<&'a str, usize> {
    let (mut by_name, mut by_number) = (FxHashMap::default(), FxHashMap::default());
    for (dev, device) in devices {
        by_name.insert(device.name.as_str(), device);
        by_number.insert(dev, device);
    }
    let btrfs = source.btrfs_devices();
    let mut work: Vec<(&str, usize)> = Vec::new();
    for mount in layout.table.visible() {
        let Some(tier) = layout.placement.tier_of(mount.dev) else {
            continue;
        };
        if let Some(device) = by_number.get(&mount.dev) {
            work.push((&device.name, tier));
        } else if mount.fstype == "btrfs" {
            // btrfs has a device number of its own; sysfs tells what it lies on.
            let source = mount.source.to_string_lossy();
            let known = |name: &String| by_name.get(name.as_str()).copied();
            let on = btrfs
                .iter()
                .filter(|set| set.iter().any(|n| is_at(n, known(n), &source)))
                .flatten()
                .filter_map(known);
            work.extend(on.map(|device| (device.name.as_str(), tier)));
        }
    }
    let mut found: FxHashMap<&str, usize> = FxHashMap::default();
    while let Some((name, tier)) = work.pop() {
        if found.get(name).is_some_and(|&known| known <= tier) {
            continue;
        }
        if let Some(device) = by_name.get(name) {
            let below = device.slaves.iter().chain([&device.parent]);
            work.extend(below.filter(|n| !n.is_empty()).map(|n| (n.as_str(), tier)));
        }
        found.insert(name, tier);
    }
    for device in by_name.values() {
        if !found.contains_key(device.name.as_str())
            && let Some(tier) = tiers
                .iter()
                .position(|t| t.devices.iter().any(|glob| matches(glob, device)))
        {
            found.insert(&device.name, tier);
        }
    }
    inherit(&by_name, &mut found);
    found
}

/// Stacks are no deeper than this: encryption on volumes on RAID on encryption and the like.
const DEEPEST: usize = 8;

/// Gives a tier to what has none by itself, from its volume group or from what it lies on. What has one keeps it.
fn inherit<'a>(
    by_name: &FxHashMap<&'a str, &'a BlockDevice>,
    found: &mut FxHashMap<&'a str, usize>,
) {
    let own = found.clone();
    for _ in 0..DEEPEST {
        let mut groups: FxHashMap<&str, usize> = FxHashMap::default();
        for device in by_name.values() {
            if let Some((group, _)) = identifiers(&device.dm_uuid)
                && let Some(&tier) = found.get(device.name.as_str())
            {
                let hottest = groups.entry(group).or_insert(tier);
                *hottest = tier.min(*hottest);
            }
        }
        let mut given: Vec<(&'a str, usize)> = Vec::new();
        for device in by_name.values().copied() {
            let group = identifiers(&device.dm_uuid).and_then(|(group, _)| groups.get(group));
            let below = device.slaves.iter().filter_map(|n| found.get(n.as_str()));
            let Some(&tier) = group.into_iter().chain(below).min() else {
                continue;
            };
            given.push((&device.name, tier));
            if group.is_some() {
                // The disks that hold only snapshots serve the group too.
                given.extend(device.slaves.iter().map(|name| (name.as_str(), tier)));
            }
        }
        let mut changed = false;
        for (name, tier) in given {
            if by_name.contains_key(name)
                && !own.contains_key(name)
                && found.get(name).is_none_or(|&known| tier < known)
            {
                found.insert(name, tier);
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Whether the kernel's device `name` is what a mount calls `source`.
fn is_at(name: &str, device: Option<&BlockDevice>, source: &str) -> bool {
    source.strip_prefix("/dev/") == Some(name)
        || device.is_some_and(|device| {
            !device.dm_name.is_empty()
                && source.strip_prefix("/dev/mapper/") == Some(&device.dm_name)
        })
}

fn matches(glob: &str, device: &BlockDevice) -> bool {
    let mapped = !device.dm_name.is_empty();
    fast_glob::glob_match(glob, &device.name)
        || fast_glob::glob_match(glob, format!("/dev/{}", device.name))
        || (mapped && fast_glob::glob_match(glob, format!("/dev/mapper/{}", device.dm_name)))
}

/// All block devices at one moment. Empty ones (loop devices with nothing behind them) are left out.
#[derive(Debug, Default)]
pub struct Blocks {
    table: BlockTable,
    numbers: FxHashMap<DeviceNumber, String>,
    /// Kernel names of the devices of each btrfs.
    btrfs: Vec<Vec<String>>,
    tiers: FxHashMap<String, usize>,
    names: Arc<[Tier]>,
}

impl Blocks {
    /// The device of this kernel name (`sda`, `nvme0n1p2`, `dm-3`).
    pub fn get(&self, name: &str) -> Option<&BlockDevice> {
        self.table.get(name).map(|(_, device)| device)
    }

    /// The device of this number.
    pub fn by_number(&self, dev: DeviceNumber) -> Option<&BlockDevice> {
        self.get(self.numbers.get(&dev)?)
    }

    /// The devices that a filesystem lies on directly: a disk, a partition or a mapped device, and for btrfs all
    /// of its devices. None where it lies on none of this host.
    pub fn under(&self, mount: &Mount) -> Vec<&BlockDevice> {
        if let Some(device) = self.by_number(mount.dev) {
            return vec![device];
        }
        if mount.fstype != "btrfs" {
            return Vec::new();
        }
        let source = mount.source.to_string_lossy();
        let set = self
            .btrfs
            .iter()
            .find(|set| set.iter().any(|n| is_at(n, self.get(n), &source)));
        let names = set.into_iter().flatten();
        names.filter_map(|name| self.get(name)).collect()
    }

    /// The whole disks at the bottom of what these devices lie on: never a partition, a volume or an array.
    pub fn disks_below<'a>(
        &'a self,
        devices: impl IntoIterator<Item = &'a BlockDevice>,
    ) -> BTreeMap<&'a str, &'a BlockDevice> {
        let mut work: Vec<&BlockDevice> = devices.into_iter().collect();
        let mut met: FxHashSet<&str> = FxHashSet::default();
        let mut disks = BTreeMap::new();
        while let Some(device) = work.pop() {
            if !met.insert(&device.name) {
                continue;
            }
            let below: Vec<&BlockDevice> = device
                .slaves
                .iter()
                .chain([&device.parent])
                .filter_map(|name| self.get(name))
                .collect();
            if below.is_empty() {
                disks.insert(device.name.as_str(), device);
            }
            work.extend(below);
        }
        disks
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceNumber, &BlockDevice)> {
        self.table.values().map(|(dev, device)| (*dev, device))
    }

    /// The name of the tier that a device serves, for a label: empty when none.
    pub fn tier(&self, name: &str) -> &str {
        self.hottest([name])
    }

    /// The hottest tier that any of these devices serves; empty when none.
    pub fn hottest<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> &str {
        let tiers = names.into_iter().filter_map(|name| self.tiers.get(name));
        tiers.min().map_or("", |&index| &self.names[index].name)
    }
}

#[cfg(test)]
impl Blocks {
    /// These devices, in no tier.
    pub fn of(devices: Vec<BlockDevice>) -> Self {
        let numbered = devices.into_iter().enumerate().map(|(minor, device)| {
            let minor = u32::try_from(minor).unwrap_or_default();
            let dev = DeviceNumber { major: 253, minor };
            (device.name.clone(), (dev, device))
        });
        Self {
            table: numbered.collect(),
            ..Self::default()
        }
    }
}

/// Keeps the last reading of [`Blocks`].
#[derive(Debug, Default)]
pub struct BlockCache {
    known: Option<(Instant, Arc<MountLayout>, Arc<Blocks>)>,
}

impl BlockCache {
    /// What sysfs tells, or told a short while ago with the same mounts.
    pub fn read(
        &mut self,
        source: &BlockSource,
        layout: &Arc<MountLayout>,
        tiers: &Arc<[Tier]>,
    ) -> Arc<Blocks> {
        let now = Instant::now();
        if let Some((at, by, blocks)) = &self.known
            && Arc::ptr_eq(by, layout)
            && now.saturating_duration_since(*at) < FRESH
        {
            return Arc::clone(blocks);
        }
        let table: BlockTable = source
            .list()
            .into_iter()
            .map(|(name, dev)| {
                let device = source.read(&name, dev);
                (name, (dev, device))
            })
            .collect();
        let devices = table.values().map(|(dev, device)| (*dev, device));
        let found = tiers_of(devices, source, layout, tiers);
        let found = found
            .into_iter()
            .map(|(name, tier)| (name.to_owned(), tier));
        let blocks = Arc::new(Blocks {
            numbers: table
                .iter()
                .map(|(name, (dev, _))| (*dev, name.clone()))
                .collect(),
            btrfs: source.btrfs_devices(),
            tiers: found.collect(),
            table,
            names: Arc::clone(tiers),
        });
        self.known = Some((now, Arc::clone(layout), Arc::clone(&blocks)));
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, uuid: &str, slaves: &[&str]) -> BlockDevice {
        BlockDevice {
            name: name.into(),
            dm_uuid: uuid.into(),
            slaves: slaves.iter().map(|&slave| slave.to_owned()).collect(),
            ..BlockDevice::default()
        }
    }

    fn lv(group: char, volume: char) -> String {
        format!(
            "LVM-{}{}",
            group.to_string().repeat(32),
            volume.to_string().repeat(32)
        )
    }

    #[test]
    fn what_nobody_mounts_takes_the_tier_of_its_group_or_of_what_it_lies_on() {
        let all = [
            device("sda", "", &[]),
            device("sdb", "", &[]),
            device("sdc", "", &[]),
            device("dm-0", &lv('g', '0'), &["sda"]),
            // A snapshot on a disk of its own, and one of another tier than its group's.
            device("dm-1", &lv('g', '1'), &["sdb"]),
            device("dm-2", &lv('g', '2'), &["sda"]),
            device("dm-3", "CRYPT-LUKS2-x", &["dm-1"]),
            device("dm-4", &lv('h', '0'), &["sdc"]),
        ];
        let by_name: FxHashMap<&str, &BlockDevice> =
            all.iter().map(|d| (d.name.as_str(), d)).collect();
        let mut found: FxHashMap<&str, usize> =
            [("dm-0", 1), ("sda", 1), ("dm-2", 2)].into_iter().collect();
        inherit(&by_name, &mut found);
        let of = |name: &str| found.get(name).copied();
        assert_eq!((of("dm-0"), of("dm-2")), (Some(1), Some(2)), "their own");
        assert_eq!((of("dm-1"), of("sdb")), (Some(1), Some(1)));
        assert_eq!(of("dm-3"), Some(1));
        assert_eq!((of("dm-4"), of("sdc")), (None, None));
    }

    #[test]
    fn devices_that_lie_on_each_other_are_no_endless_loop() {
        let all = [
            device("a", "", &["b"]),
            device("b", "", &["a", "c"]),
            device("c", "", &[]),
        ];
        let by_name: FxHashMap<&str, &BlockDevice> =
            all.iter().map(|d| (d.name.as_str(), d)).collect();
        let mut found: FxHashMap<&str, usize> = [("c", 0)].into_iter().collect();
        inherit(&by_name, &mut found);
        assert_eq!(found.len(), 3);
    }
}

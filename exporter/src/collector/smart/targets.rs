//! Which disks to ask: those that sysfs shows, which costs them nothing; the members of RAID arrays that smartctl's
//! scan finds, which sysfs does not show; and what the operator names.
//!
//! The scan opens no disk, only RAID controllers. `--scan-open` would: it could wake a disk that sleeps.

use std::collections::BTreeMap;

use tidegauge_model::metric::Labels;

use crate::device::block::BlockDevice;
use crate::device::smartctl::{Entry, clip};
use crate::host::blocks::Blocks;

/// One disk to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its kernel name; for one of several behind a node that with its type.
    pub label: String,
    /// The same for the same disk, whatever its name: world wide name, else serial number, else the label.
    pub key: String,
    /// The device node.
    pub node: String,
    /// As after `-d`; smartctl finds it out by itself when there is none.
    pub kind: Option<String>,
    /// The tier that it serves; empty when none.
    pub tier: String,
    /// Whether sysfs shows it.
    pub in_sysfs: bool,
}

impl Target {
    /// `tier` and `device`.
    pub(super) fn labels(&self) -> Labels {
        Labels::new(&[("tier", &self.tier), ("device", &self.label)])
    }
}

/// What the operator names: words `NODE:TYPE`. A type may hold a comma, which parts words too.
pub(super) fn declared(words: &[String]) -> Vec<Entry> {
    let mut whole: Vec<String> = Vec::new();
    for word in words {
        match whole.last_mut() {
            Some(before) if !word.starts_with('/') => {
                before.push(',');
                before.push_str(word);
            }
            _ => whole.push(word.clone()),
        }
    }
    let entry = |word: &String| {
        // A node's name may hold a colon (by-path), a type does not.
        let (node, kind) = word.rsplit_once(':')?;
        Entry::new(node, kind)
    };
    whole
        .iter()
        .filter_map(|word| {
            let entry = entry(word);
            if entry.is_none() {
                tracing::warn!(
                    device = word,
                    "collectors.smart.devices: not of the form /dev/NODE:TYPE, left out"
                );
            }
            entry
        })
        .collect()
}

/// Every disk to ask, each once, sorted by label.
pub(super) fn all(
    blocks: &Blocks,
    scanned: &[Entry],
    declared: &[Entry],
    selects: impl Fn(&str) -> bool,
) -> Vec<Target> {
    let mut targets: BTreeMap<String, Target> = BTreeMap::new();
    let disks = blocks.iter().map(|(_, device)| device);
    for device in disks.filter(|device| is_disk(device) && selects(&device.name)) {
        let target = of_sysfs(device, blocks);
        targets.insert(target.label.clone(), target);
    }
    let members = scanned
        .iter()
        .filter(|entry| entry.is_member() && selects(&entry.label()));
    for entry in declared.iter().chain(members) {
        let label = clip(&entry.label(), 128);
        let kind = Some(entry.kind.clone());
        // How to ask a disk that is there anyway, or one more.
        let device = blocks.get(&label).filter(|device| is_disk(device));
        let target = match device {
            Some(device) => Target {
                kind,
                ..of_sysfs(device, blocks)
            },
            None => Target {
                key: label.clone(),
                label: label.clone(),
                node: entry.node.clone(),
                kind,
                tier: String::new(),
                in_sysfs: false,
            },
        };
        if targets.get(&label).is_none_or(|known| known.kind.is_none()) {
            targets.insert(label, target);
        }
    }
    let mut targets: Vec<Target> = targets.into_values().collect();
    tell_apart(&mut targets);
    targets
}

/// Serial numbers are not always unique (USB bridges), and a disk may be seen by two paths.
fn tell_apart(targets: &mut [Target]) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for target in &*targets {
        *times.entry(target.key.clone()).or_default() += 1;
    }
    for target in targets {
        if times.get(&target.key).is_some_and(|times| *times > 1) {
            target.key = format!("{} at {}", target.key, target.label);
        }
    }
}

/// Disks of the SCSI layer (SATA, SAS, USB), of the old IDE layer, and NVMe namespaces; no partitions.
fn is_disk(device: &BlockDevice) -> bool {
    let named = |prefix: &str| device.name.starts_with(prefix);
    device.parent.is_empty() && (named("sd") || named("hd") || is_namespace(&device.name))
}

/// `nvme0n1`, but not a hidden path such as `nvme0c1n1`.
fn is_namespace(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    name.strip_prefix("nvme")
        .and_then(|rest| rest.split_once('n'))
        .is_some_and(|(controller, namespace)| number(controller) && number(namespace))
}

fn of_sysfs(device: &BlockDevice, blocks: &Blocks) -> Target {
    // sysfs and udev write the same name in two ways.
    let wwn = device.wwn.trim_start_matches("naa.");
    let wwn = wwn.trim_start_matches("0x");
    let known = [wwn, &device.serial, &device.name];
    let key = known.into_iter().find(|name| !name.is_empty());
    Target {
        label: device.name.clone(),
        key: clip(key.unwrap_or_default(), 128),
        node: format!("/dev/{}", device.name),
        kind: None,
        tier: blocks.tier(&device.name).to_owned(),
        in_sysfs: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn entry(node: &str, kind: &str) -> Entry {
        Entry::new(node, kind).unwrap()
    }

    #[test]
    fn types_with_commas_are_put_together_again() {
        assert_eq!(
            declared(&words(
                "/dev/twa0:3ware,0,/dev/sdb:sat,/dev/disk/by-path/a:b:usbjmicron,x"
            )),
            [
                entry("/dev/twa0", "3ware,0"),
                entry("/dev/sdb", "sat"),
                entry("/dev/disk/by-path/a:b", "usbjmicron,x"),
            ]
        );
        for wrong in [
            "/dev/sdb",
            "sat",
            "/etc/passwd:sat",
            "/dev/sdb:-s",
            "/dev/sdb:",
        ] {
            assert_eq!(declared(&words(wrong)), [], "{wrong}");
        }
    }

    #[test]
    fn members_behind_one_node_are_told_apart_and_other_scanned_ones_are_not_asked_twice() {
        let scanned = [
            entry("/dev/bus/0", "megaraid,0"),
            entry("/dev/bus/0", "megaraid,1"),
            entry("/dev/sda", "scsi"),
            entry("/dev/nvme0", "nvme"),
        ];
        let named = [
            entry("/dev/bus/0", "sat+megaraid,1"),
            entry("/dev/bus/0", "megaraid,1"),
        ];
        let all = all(&Blocks::default(), &scanned, &named, |_| true);
        let labels: Vec<&str> = all.iter().map(|target| target.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "bus/0_megaraid_0",
                "bus/0_megaraid_1",
                "bus/0_sat_megaraid_1"
            ]
        );
        assert_eq!(all[0].node, "/dev/bus/0");
    }

    #[test]
    fn the_same_serial_number_twice_is_two_disks() {
        let target = |label: &str, key: &str| Target {
            label: label.into(),
            key: key.into(),
            node: format!("/dev/{label}"),
            kind: None,
            tier: String::new(),
            in_sysfs: true,
        };
        let mut targets = [target("sda", "S"), target("sdb", "S"), target("sdc", "T")];
        tell_apart(&mut targets);
        let keys: Vec<&str> = targets.iter().map(|t| t.key.as_str()).collect();
        assert_eq!(keys, ["S at sda", "S at sdb", "T"]);
    }

    #[test]
    fn what_is_a_disk() {
        let disk = |name: &str, parent: &str| {
            is_disk(&BlockDevice {
                name: name.into(),
                parent: parent.into(),
                ..BlockDevice::default()
            })
        };
        for name in ["sda", "sdaa", "hda", "nvme0n1", "nvme10n2"] {
            assert!(disk(name, ""), "{name}");
        }
        for name in ["loop0", "dm-0", "md0", "sr0", "vda", "nvme1c1n1", "zram0"] {
            assert!(!disk(name, ""), "{name}");
        }
        assert!(!disk("sda1", "sda"));
    }
}

//! Finds the host's storage and sorts it into tiers, with the reason for each choice.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;
use tidegauge_model::expect::Expect;
use tidegauge_model::mount::{DeviceNumber, FsClass, Mount, MountTable, displayable};
use tidegauge_model::tier::{Thresholds, Tier};

use crate::device::block::{BlockDevice, BlockSource};
use crate::settings::Settings;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// `hot`, `warm` and `cold`, those of them that have a filesystem.
    pub tiers: Vec<Tier>,
    /// Every mount that a look-up reaches, in the kernel's order, with what was decided on it.
    pub choices: Vec<Choice>,
}

/// What was decided on one mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// Its source as text.
    pub device: String,
    /// Filesystem type.
    pub fstype: String,
    /// Name of its tier; `None` when it was left out.
    pub tier: Option<&'static str>,
    /// Why.
    pub reason: String,
}

const NAMES: [&str; 3] = ["hot", "warm", "cold"];

/// Where the storage lies, before it is known whether there is an NVMe at all.
enum Place {
    Nvme(String),
    Disk(String),
    Network,
}

/// Sorts the mounts of `table`. `selection` holds the settings of the `filesystem` collector, whose
/// excluded mounts are left out.
pub fn discover(table: &MountTable, blocks: &BlockSource, selection: &Settings) -> Discovery {
    let finder = Finder {
        blocks,
        btrfs: blocks.btrfs_devices(),
    };
    let mut seen: FxHashSet<DeviceNumber> = FxHashSet::default();
    let mut order: Vec<&Mount> = table.visible().collect();
    // The mount that shows the whole filesystem at the shortest path stands for it.
    order.sort_by_key(|m| (m.root != Path::new("/"), m.mountpoint.as_os_str().len()));
    let decided: Vec<(&Mount, Result<Place, String>)> = order
        .into_iter()
        .map(|mount| {
            let decision = left_out(mount, selection).map_or_else(
                || {
                    if seen.insert(mount.dev) {
                        Ok(finder.place(mount))
                    } else {
                        Err("another mount of the same filesystem, which counts once".to_owned())
                    }
                },
                Err,
            );
            (mount, decision)
        })
        .collect();
    let any_nvme = decided.iter().any(|(_, d)| matches!(d, Ok(Place::Nvme(_))));
    let mut paths: [Vec<PathBuf>; 3] = Default::default();
    let mut choices = Vec::new();
    for (mount, decision) in decided {
        let (tier, reason) = match decision {
            Err(reason) => (None, reason),
            Ok(Place::Nvme(device)) => (Some(0), format!("on NVMe ({device})")),
            Ok(Place::Disk(device)) if any_nvme => (Some(1), format!("on a local disk ({device})")),
            Ok(Place::Disk(device)) => (
                Some(0),
                format!("on a local disk ({device}), and this host has no NVMe filesystem"),
            ),
            Ok(Place::Network) => (Some(2), format!("on the network ({})", mount.fstype)),
        };
        if let Some(index) = tier {
            paths[index].push(mount.mountpoint.clone());
        }
        choices.push(Choice {
            mountpoint: mount.mountpoint.clone(),
            device: displayable(mount.source.as_os_str()).into_owned(),
            fstype: mount.fstype.clone(),
            tier: tier.map(|index| NAMES[index]),
            reason,
        });
    }
    choices.sort_by(|a, b| a.mountpoint.cmp(&b.mountpoint));
    let tiers = NAMES
        .iter()
        .zip(paths)
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(name, mut paths)| {
            paths.sort();
            Tier {
                name: (*name).to_owned(),
                paths,
                devices: Vec::new(),
                thresholds: Thresholds::default(),
                require_mount: true,
                directories: Vec::new(),
                expect: Expect::default(),
            }
        })
        .collect();
    Discovery { tiers, choices }
}

fn left_out(mount: &Mount, selection: &Settings) -> Option<String> {
    let reason = match mount.class() {
        FsClass::Pseudo => "no storage: a view of the kernel",
        FsClass::Memory => "in memory",
        FsClass::View => "a view of other files (an overlay or an image)",
        FsClass::UserSpace => {
            "in user space, on storage unknown here; name it in a tier if it counts"
        }
        FsClass::Local | FsClass::Network => {
            let point = mount.mountpoint.to_string_lossy();
            if mount.mountpoint.to_str().is_none() {
                "its path is no text, so that no configuration can name it"
            } else if !selection.selects("mount_points_include", "mount_points_exclude", &point) {
                "excluded by its mount point: containers and packages are counted where they lie"
            } else if !selection.selects("fs_types_include", "fs_types_exclude", &mount.fstype) {
                "excluded by its filesystem type"
            } else {
                return None;
            }
        }
    };
    Some(reason.to_owned())
}

struct Finder<'a> {
    blocks: &'a BlockSource,
    btrfs: Vec<Vec<String>>,
}

impl Finder<'_> {
    fn place(&self, mount: &Mount) -> Place {
        if mount.class() == FsClass::Network {
            return Place::Network;
        }
        let source = mount.source.to_string_lossy();
        let name = self
            .blocks
            .name_of(mount.dev)
            .or_else(|| self.blocks.name_of_node(&mount.source))
            .unwrap_or_else(|| source.strip_prefix("/dev/").unwrap_or(&source).to_owned());
        let set = self
            .btrfs
            .iter()
            .find(|set| mount.fstype == "btrfs" && set.contains(&name));
        let mut work = set.cloned().unwrap_or_else(|| vec![name.clone()]);
        let mut met: FxHashSet<String> = work.iter().cloned().collect();
        while let Some(next) = work.pop() {
            let BlockDevice {
                transport,
                parent,
                slaves,
                ..
            } = self.blocks.read(&next, DeviceNumber { major: 0, minor: 0 });
            if transport == "nvme" {
                return Place::Nvme(next);
            }
            work.extend(
                slaves
                    .into_iter()
                    .chain([parent])
                    .filter(|n| !n.is_empty() && met.insert(n.clone())),
            );
        }
        Place::Disk(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::filesystem;

    fn found(lines: &[&str], build: impl Fn(&Path)) -> Discovery {
        let sysfs = tempfile::tempdir().unwrap();
        build(sysfs.path());
        let blocks = BlockSource {
            sysfs: sysfs.path().to_owned(),
            udev: sysfs.path().join("none"),
        };
        let table = MountTable::parse(lines.join("\n").as_bytes()).unwrap();
        discover(
            &table,
            &blocks,
            &Settings::defaults(filesystem::SPEC.settings),
        )
    }

    fn summary(found: &Discovery) -> Vec<String> {
        found
            .choices
            .iter()
            .map(|c| format!("{} {}", c.tier.unwrap_or("-"), c.mountpoint.display()))
            .collect()
    }

    const HOST: &[&str] = &[
        "1 0 259:2 / / rw - ext4 /dev/nvme0n1p2 rw",
        "2 1 253:0 / /var/lib/pg rw - xfs /dev/mapper/vg-pg rw",
        "3 1 0:40 / /data/warm rw - btrfs /dev/sda2 rw",
        "4 1 0:40 /@home /home rw - btrfs /dev/sda2 rw",
        "5 1 0:50 / /mnt/nas rw - nfs nas:/x rw",
        "6 1 0:60 / /tmp rw - tmpfs tmpfs rw",
        "7 1 0:61 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
        "8 1 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro",
        "9 1 259:2 /d /var/lib/docker/volumes/v rw - ext4 /dev/nvme0n1p2 rw",
        "10 1 0:5 / /proc rw - proc proc rw",
        "11 1 7:2 / /mnt/image rw - ext4 /dev/loop2 rw",
    ];

    fn disks(sys: &Path) {
        let class = sys.join("class/block");
        std::fs::create_dir_all(class.join("dm-0/slaves/nvme0n1p3")).unwrap();
        std::fs::create_dir_all(class.join("nvme0n1p3")).unwrap();
        std::fs::create_dir_all(sys.join("dev/block")).unwrap();
        for (number, name) in [("259:2", "nvme0n1p2"), ("253:0", "dm-0"), ("7:2", "loop2")] {
            std::os::unix::fs::symlink(
                format!("../../x/{name}"),
                sys.join("dev/block").join(number),
            )
            .unwrap();
        }
    }

    #[test]
    fn three_tiers() {
        let found = found(HOST, disks);
        assert_eq!(
            summary(&found),
            [
                "hot /",
                "warm /data/warm",
                "- /home",
                "warm /mnt/image",
                "cold /mnt/nas",
                "- /proc",
                "- /snap/core/1",
                "- /tmp",
                "- /var/lib/docker/overlay2/x/merged",
                "- /var/lib/docker/volumes/v",
                "hot /var/lib/pg"
            ]
        );
        let names: Vec<_> = found.tiers.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["hot", "warm", "cold"]);
    }

    #[test]
    fn local_disks_are_hot_where_there_is_no_nvme() {
        let found = found(&HOST[2..6], |_| {});
        assert_eq!(
            summary(&found),
            ["hot /data/warm", "- /home", "cold /mnt/nas", "- /tmp"]
        );
    }
}

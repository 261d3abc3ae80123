//! Which mounts are of which filesystem, and how a device is called.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tidegauge_model::mount::{DeviceNumber, Mount, MountTable};

use crate::device::block::BlockSource;

/// Where a filesystem is mounted, the whole of it first.
#[derive(Clone, Debug)]
pub struct Mounted {
    /// Its superblock.
    pub dev: DeviceNumber,
    /// The UUID of the filesystem that its source belongs to, as far as the name tells.
    pub guess: Option<String>,
    /// For each mount what of the filesystem it shows, and where that is found from here.
    pub at: Vec<(PathBuf, PathBuf)>,
}

/// The btrfs filesystems of a mount table, and which of those in sysfs (UUID, devices) each is, by its source.
pub fn mounted(
    table: &MountTable,
    known: &[(&str, &[String])],
    blocks: &BlockSource,
    dm_name: impl Fn(&str) -> Option<String>,
    rooted: impl Fn(&Path) -> PathBuf,
) -> Vec<Mounted> {
    let mut found: BTreeMap<(u32, u32), (Mounted, Vec<&Mount>)> = BTreeMap::new();
    for mount in table.visible().filter(|mount| mount.fstype == "btrfs") {
        let key = (mount.dev.major, mount.dev.minor);
        let (_, mounts) = found.entry(key).or_insert_with(|| {
            let source = device_name(mount.source.as_os_str(), blocks, &dm_name);
            let has = |name: &String| Some(name) == source.as_ref();
            let guess = known.iter().find(|(_, devices)| devices.iter().any(has));
            let one = Mounted {
                dev: mount.dev,
                guess: guess.map(|(uuid, _)| (*uuid).to_owned()),
                at: Vec::new(),
            };
            (one, Vec::new())
        });
        mounts.push(mount);
    }
    let place = |(mut one, mut mounts): (Mounted, Vec<&Mount>)| {
        mounts.sort_by_key(|m| (m.root != Path::new("/"), m.mountpoint.as_os_str().len()));
        let at = |m: &&Mount| (m.root.clone(), rooted(&m.mountpoint));
        one.at = mounts.iter().map(at).collect();
        one
    };
    found.into_values().map(place).collect()
}

/// The kernel name of a device by its node.
pub fn device_name(
    node: &OsStr,
    blocks: &BlockSource,
    dm_name: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let by_name = || {
        let text = node.to_str()?;
        match text.strip_prefix("/dev/mapper/") {
            Some(mapped) => dm_name(mapped),
            None => {
                let name = text.strip_prefix("/dev/")?;
                let folder = blocks
                    .sysfs
                    .join("class/block")
                    .join(name.replace('/', "!"));
                (!name.is_empty() && folder.exists()).then(|| name.to_owned())
            }
        }
    };
    by_name().or_else(|| blocks.name_of_node(Path::new(node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filesystems_of_the_mount_table() {
        let sysfs = tempfile::tempdir().unwrap();
        for name in ["sda2", "sdb", "dm-0"] {
            std::fs::create_dir_all(sysfs.path().join("class/block").join(name)).unwrap();
        }
        let blocks = BlockSource {
            sysfs: sysfs.path().to_owned(),
            udev: sysfs.path().to_owned(),
        };
        let text = "27 1 259:2 / / rw - ext4 /dev/root rw\n\
            32 27 0:40 /@warm /data rw - btrfs /dev/sda2 rw\n\
            33 27 0:40 / /mnt/top rw - btrfs /dev/sda2 rw\n\
            34 27 0:41 / /mnt/lv rw - btrfs /dev/mapper/vg-x rw\n\
            35 27 0:42 / /mnt/odd rw - btrfs /dev/nothing rw\n";
        let table = MountTable::parse(text.as_bytes()).unwrap();
        let (first, second) = (["sda2".to_owned(), "sdb".to_owned()], ["dm-0".to_owned()]);
        let known = [("A", &first[..]), ("B", &second[..])];
        let dm_name = |name: &str| (name == "vg-x").then(|| "dm-0".to_owned());
        let found = mounted(&table, &known, &blocks, dm_name, Path::to_owned);
        let guesses: Vec<_> = found.iter().map(|one| one.guess.as_deref()).collect();
        assert_eq!(guesses, [Some("A"), Some("B"), None]);
        let whole_first = [("/", "/mnt/top"), ("/@warm", "/data")];
        assert_eq!(
            found[0].at,
            whole_first.map(|(root, at)| (root.into(), at.into()))
        );
    }
}

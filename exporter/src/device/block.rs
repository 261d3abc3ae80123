//! Block devices as sysfs shows them: who they are and what they lie on.
//!
//! Source: kernel `Documentation/ABI/stable/sysfs-block`; partitions are folders of their disk, device
//! mapper and md list what they lie on in `slaves`.

use std::path::{Path, PathBuf};

use tidegauge_model::mount::DeviceNumber;

use super::dm::name::Volume;
use super::kernel_file::attribute;
use super::{dm, udev};

/// A block device. Texts are empty where the kernel and udev do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockDevice {
    /// Kernel name.
    pub name: String,
    /// World wide name, or the NVMe namespace's identifier.
    pub wwn: String,
    /// Serial number.
    pub serial: String,
    /// Model.
    pub model: String,
    /// How it is attached: `nvme`, `sata`, `sas`, `usb`, `virtio`, `loop`, `dm`, `md` or what udev says.
    pub transport: String,
    /// Spins. `None` where the kernel does not say.
    pub rotational: Option<bool>,
    /// The I/O scheduler in force.
    pub scheduler: String,
    /// Takes discards (trim).
    pub discard: Option<bool>,
    /// Name in `/dev/mapper`.
    pub dm_name: String,
    /// Identifier in device mapper: `LVM-…`, `CRYPT-…`.
    pub dm_uuid: String,
    /// The logical volume that this is, or is a part of.
    pub volume: Option<Volume>,
    /// What udev found on it: `ext4`, `LVM2_member`.
    pub content: String,
    /// The disk that this is a partition of.
    pub parent: String,
    /// Kernel names of the devices that this one (device mapper, md) lies on.
    pub slaves: Vec<String>,
    /// Grows with each new disk: tells a replaced disk from the old one of that name.
    pub diskseq: String,
}

/// Where block devices are described.
#[derive(Clone, Debug)]
pub struct BlockSource {
    /// `/sys` or where it is re-rooted.
    pub sysfs: PathBuf,
    /// `/run/udev/data`.
    pub udev: PathBuf,
}

impl BlockSource {
    /// Reads everything of one device. Attributes that are not there stay empty.
    pub fn read(&self, name: &str, dev: DeviceNumber) -> BlockDevice {
        let folder = self.folder(name);
        let is_partition = folder.join("partition").exists();
        let real = std::fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone());
        let parent_folder = if is_partition { real.parent() } else { None };
        let disk = parent_folder.unwrap_or(&folder);
        let of_disk = |file: &str| attribute(&disk.join(file)).unwrap_or_default();
        let udev = udev::read(&self.udev, dev);
        let or_udev = |file: &str, known: Option<String>| known.unwrap_or_else(|| of_disk(file));
        let flag = |file: &str| attribute(&disk.join(file)).map(|v| v != "0");
        let of_dm = |file: &str| attribute(&folder.join("dm").join(file)).unwrap_or_default();
        let (dm_name, dm_uuid) = (of_dm("name"), of_dm("uuid"));
        let volume = dm::name::volume(&dm_name, &dm_uuid, &udev);
        BlockDevice {
            name: name.to_owned(),
            // sysfs first for NVMe, whose namespace has it; udev for SATA, where sysfs hides it.
            wwn: attribute(&disk.join("wwid"))
                .or(udev.wwn)
                .unwrap_or_else(|| of_disk("device/wwid")),
            serial: or_udev("device/serial", udev.serial),
            model: attribute(&disk.join("device/model"))
                .or(udev.model)
                .unwrap_or_default(),
            transport: transport(name, &real, udev.bus.as_deref()),
            rotational: flag("queue/rotational"),
            scheduler: self.scheduler_in(disk),
            discard: flag("queue/discard_max_bytes"),
            volume,
            content: udev.content.unwrap_or_default(),
            dm_name,
            dm_uuid,
            parent: parent_folder
                .and_then(Path::file_name)
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default(),
            slaves: names_in(&folder.join("slaves")),
            diskseq: of_disk("diskseq"),
        }
    }

    /// Every block device that has a size, with its number.
    pub fn list(&self) -> Vec<(String, DeviceNumber)> {
        let folder = self.sysfs.join("class/block");
        names_in(&folder)
            .into_iter()
            .filter(|name| {
                attribute(&folder.join(name).join("size")).is_none_or(|size| size != "0")
            })
            .filter_map(|name| {
                let dev = attribute(&folder.join(&name).join("dev"))?;
                let (major, minor) = dev.split_once(':')?;
                let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
                Some((name.replace('!', "/"), DeviceNumber { major, minor }))
            })
            .collect()
    }

    /// What may change while the device stays the same one: diskseq, scheduler, and what a mapped device lies on.
    pub fn volatile(&self, device: &BlockDevice) -> (String, String, Vec<String>) {
        let disk = self.folder(if device.parent.is_empty() {
            &device.name
        } else {
            &device.parent
        });
        (
            attribute(&disk.join("diskseq")).unwrap_or_default(),
            self.scheduler_in(&disk),
            names_in(&self.folder(&device.name).join("slaves")),
        )
    }

    /// Kernel names of the devices of each btrfs filesystem that the kernel has open.
    pub fn btrfs_devices(&self) -> Vec<Vec<String>> {
        names_in(&self.sysfs.join("fs/btrfs"))
            .iter()
            .map(|uuid| names_in(&self.sysfs.join("fs/btrfs").join(uuid).join("devices")))
            .filter(|devices| !devices.is_empty())
            .collect()
    }

    /// The kernel's name of the device with this number.
    pub fn name_of(&self, dev: DeviceNumber) -> Option<String> {
        let link = std::fs::read_link(self.sysfs.join("dev/block").join(dev.to_string())).ok()?;
        Some(link.file_name()?.to_str()?.to_owned())
    }

    /// The kernel's name of the device behind a device node such as `/dev/mapper/vg-lv`.
    pub fn name_of_node(&self, node: &Path) -> Option<String> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        // Only below /dev, where a look-up cannot hang on another host.
        let metadata = node
            .starts_with("/dev")
            .then(|| std::fs::metadata(node).ok())??;
        let (major, minor) = (
            rustix::fs::major(metadata.rdev()),
            rustix::fs::minor(metadata.rdev()),
        );
        metadata
            .file_type()
            .is_block_device()
            .then(|| self.name_of(DeviceNumber { major, minor }))?
    }

    fn folder(&self, name: &str) -> PathBuf {
        // A slash in a kernel name (cciss/c0d0) is an exclamation mark in sysfs.
        self.sysfs.join("class/block").join(name.replace('/', "!"))
    }

    fn scheduler_in(&self, disk: &Path) -> String {
        let line = attribute(&disk.join("queue/scheduler")).unwrap_or_default();
        let chosen = line
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'));
        chosen.map_or(line.as_str(), |(name, _)| name).to_owned()
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// How a device is attached, by its name and by the buses on the way to it in sysfs.
fn transport(name: &str, real: &Path, udev_bus: Option<&str>) -> String {
    let by_name = [
        ("nvme", "nvme"),
        ("loop", "loop"),
        ("dm-", "dm"),
        ("md", "md"),
        ("zram", "zram"),
        ("mmcblk", "mmc"),
    ];
    if let Some((_, transport)) = by_name.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return (*transport).to_owned();
    }
    let path = real.to_string_lossy();
    let by_path = [
        ("/usb", "usb"),
        ("/ata", "sata"),
        ("/end_device-", "sas"),
        ("/session", "iscsi"),
        ("/virtio", "virtio"),
    ];
    match by_path.iter().find(|(part, _)| path.contains(part)) {
        Some((_, transport)) => (*transport).to_owned(),
        None => match udev_bus {
            Some("ata") => "sata".to_owned(),
            other => other.unwrap_or_default().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports() {
        let t = |name, path: &str, bus| transport(name, Path::new(path), bus);
        assert_eq!(
            t(
                "nvme0n1p2",
                "/sys/devices/pci0000:00/0000:00:1d.0/nvme/nvme0/nvme0n1",
                None
            ),
            "nvme"
        );
        assert_eq!(
            t(
                "sda",
                "/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda",
                None
            ),
            "sata"
        );
        assert_eq!(
            t(
                "sdb",
                "/sys/devices/pci0/usb2/2-1/host6/block/sdb",
                Some("usb")
            ),
            "usb"
        );
        assert_eq!(
            t(
                "sdc",
                "/sys/devices/pci0/host0/port-0:0/end_device-0:0/block/sdc",
                Some("scsi")
            ),
            "sas"
        );
        assert_eq!(t("vda", "/sys/devices/virtio0/block/vda", None), "virtio");
        assert_eq!(t("sdd", "/sys/elsewhere", Some("ata")), "sata");
    }
}

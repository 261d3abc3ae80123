//! Controllers and namespaces as sysfs shows them: `/sys/class/nvme/nvme0` and what lies in it.
//!
//! Source: kernel `drivers/nvme/host/sysfs.c`, `multipath.c`. A namespace is a block device in its controller's
//! folder (`nvme0n1`), or, where the subsystem may have several controllers, one of the subsystem
//! (`nvme3n1`: the number is the subsystem's) and in the folder of each controller a hidden path to it
//! (`nvme3c0n1`).

use std::path::Path;

use crate::device::kernel_file::attribute;

/// A controller. Texts are empty where the kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// Kernel name: `nvme0`.
    pub name: String,
    /// Serial number.
    pub serial: String,
    /// Model.
    pub model: String,
    /// Firmware revision.
    pub firmware: String,
    /// Number among the controllers of its subsystem.
    pub cntlid: String,
    /// Name of its subsystem.
    pub subsystem: String,
    /// `pcie`, `tcp`, `rdma`, `fc`, `loop`.
    pub transport: String,
    /// Where it is: a PCI address, or the target's.
    pub address: String,
    /// `live`, `resetting`, `dead` and so on. Linux 4.5.
    pub state: String,
    /// `io`, `discovery`, `admin`. Linux 5.17.
    pub kind: String,
    /// Its namespaces.
    pub paths: Vec<NamespacePath>,
}

/// A controller's way to a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacePath {
    /// The block device that everybody uses.
    pub device: String,
    /// Identifier within the subsystem.
    pub nsid: String,
    /// How well it is reached this way (ANA), where the subsystem tells: `optimized`, `inaccessible` …
    pub ana_state: String,
}

/// The sizes of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// In bytes.
    pub size: Option<u64>,
    /// Of a logical block, in bytes.
    pub block_size: Option<u64>,
    /// Of the metadata beside each block, in bytes. Linux 6.8.
    pub metadata_size: Option<u64>,
}

/// All controllers, in the order of their numbers. None where there is no NVMe.
pub fn controllers(sysfs: &Path) -> Vec<Controller> {
    let folder = sysfs.join("class/nvme");
    let mut found: Vec<(u32, Controller)> = names_in(&folder)
        .into_iter()
        .filter_map(|name| {
            let number = name.strip_prefix("nvme")?.parse().ok()?;
            Some((number, controller(&folder.join(&name), name)))
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found
        .into_iter()
        .map(|(_, controller)| controller)
        .collect()
}

fn controller(folder: &Path, name: String) -> Controller {
    let of = |file: &str| attribute(&folder.join(file)).unwrap_or_default();
    let mut paths: Vec<NamespacePath> = names_in(folder)
        .into_iter()
        .filter_map(|entry| {
            let device = namespace_of(&entry)?;
            let of = |file: &str| attribute(&folder.join(&entry).join(file)).unwrap_or_default();
            Some(NamespacePath {
                device,
                nsid: of("nsid"),
                ana_state: of("ana_state"),
            })
        })
        .collect();
    paths.sort_by(|a, b| a.device.cmp(&b.device));
    // A kernel that shows both the device and the path to it.
    paths.dedup_by(|a, b| a.device == b.device);
    Controller {
        serial: of("serial"),
        model: of("model"),
        firmware: of("firmware_rev"),
        cntlid: of("cntlid"),
        subsystem: of("subsysnqn"),
        transport: of("transport"),
        address: of("address"),
        state: of("state"),
        kind: of("cntrltype"),
        paths,
        name,
    }
}

/// The block device that an entry of a controller's folder stands for: `nvme3n1` for itself and for
/// `nvme3c0n1`; `None` for all else.
pub fn namespace_of(entry: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (owner, namespace) = entry.strip_prefix("nvme")?.split_once('n')?;
    let subsystem = match owner.split_once('c') {
        Some((subsystem, controller)) => is_number(controller).then_some(subsystem)?,
        None => owner,
    };
    (is_number(subsystem) && is_number(namespace)).then(|| format!("nvme{subsystem}n{namespace}"))
}

/// The sizes of the namespace that is this block device.
pub fn namespace(sysfs: &Path, device: &str) -> Namespace {
    let number = |file: &str| number_of(sysfs, device, file);
    Namespace {
        // In units of 512 bytes, whatever the device's own.
        size: number("size").and_then(|sectors| sectors.checked_mul(512)),
        block_size: number("queue/logical_block_size"),
        metadata_size: number("metadata_bytes"),
    }
}

/// Bytes of it that are in use, as the namespace itself tells. Linux 6.8, which asks the controller for it:
/// this may take as long as a command does.
pub fn used(sysfs: &Path, device: &str) -> Option<u64> {
    let blocks = number_of(sysfs, device, "nuse")?;
    blocks.checked_mul(number_of(sysfs, device, "queue/logical_block_size")?)
}

fn number_of(sysfs: &Path, device: &str, file: &str) -> Option<u64> {
    let folder = sysfs.join("class/block").join(device);
    attribute(&folder.join(file))?.parse().ok()
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_namespaces() {
        let found = |entry| namespace_of(entry);
        assert_eq!(found("nvme0n1").as_deref(), Some("nvme0n1"));
        assert_eq!(found("nvme3c0n12").as_deref(), Some("nvme3n12"));
        for other in [
            "nvme0",
            "ng0n1",
            "nvme0n1p1",
            "nvmen1",
            "nvme0c1",
            "nvme0cn1",
            "hwmon3",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn controllers_and_the_way_to_their_namespaces() {
        let sysfs = tempfile::tempdir().unwrap();
        let put = |path: &str, content: &str| {
            let path = sysfs.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        put("class/nvme/nvme10/serial", "B\n");
        put("class/nvme/nvme2/serial", "A    \n");
        put("class/nvme/nvme2/state", "live\n");
        put("class/nvme/nvme2/nvme7c2n1/nsid", "1\n");
        put("class/nvme/nvme2/nvme7c2n1/ana_state", "optimized\n");
        put("class/nvme/nvme2/power/control", "auto\n");
        put("class/nvme/other/serial", "C\n");
        put("class/block/nvme7n1/size", "8\n");
        put("class/block/nvme7n1/nuse", "1\n");
        put("class/block/nvme7n1/queue/logical_block_size", "4096\n");
        put("class/block/nvme8n1/size", "18446744073709551615\n");

        let found = controllers(sysfs.path());
        let names: Vec<_> = found
            .iter()
            .map(|c| (c.name.as_str(), c.serial.as_str()))
            .collect();
        assert_eq!(names, [("nvme2", "A"), ("nvme10", "B")]);
        let path = NamespacePath {
            device: "nvme7n1".into(),
            nsid: "1".into(),
            ana_state: "optimized".into(),
        };
        assert_eq!(
            (found[0].state.as_str(), &found[0].paths),
            ("live", &vec![path])
        );
        assert_eq!(
            namespace(sysfs.path(), "nvme7n1"),
            Namespace {
                size: Some(4096),
                block_size: Some(4096),
                metadata_size: None
            }
        );
        assert_eq!(used(sysfs.path(), "nvme7n1"), Some(4096));
        assert_eq!(
            namespace(sysfs.path(), "nvme8n1").size,
            None,
            "it cannot be"
        );
        assert_eq!(namespace(sysfs.path(), "nvme9n1"), Namespace::default());
        assert_eq!(controllers(Path::new("/no/such/folder")), []);
    }

    proptest! {
        #[test]
        fn any_name(entry in "(nvme)?[nc0-9p]{0,8}") {
            if let Some(device) = namespace_of(&entry) {
                prop_assert_eq!(namespace_of(&device), Some(device.clone()));
            }
        }
    }
}

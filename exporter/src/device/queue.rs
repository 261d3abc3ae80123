//! How the kernel drives a disk, and how far it reads ahead.
//!
//! Source: kernel `Documentation/ABI/stable/sysfs-block` (`queue/`), `Documentation/ABI/testing/sysfs-class-bdi`;
//! NVMe multipath, kernel `drivers/nvme/host/multipath.c`: a disk `nvme1n1` without a scheduler of its own lies on
//! hidden ones, `nvme1c0n1`, which have.

use std::io;
use std::path::{Path, PathBuf};

use tidegauge_model::expect::WriteCache;
use tidegauge_model::mount::DeviceNumber;

/// A value, or why the kernel does not tell it: `NotFound` where it has none.
pub type Told<T> = io::Result<T>;

/// The queues of one disk, mapped device or the like; partitions have none of their own.
#[derive(Clone, Debug)]
pub struct Queue {
    folder: PathBuf,
}

impl Queue {
    /// Of the device with this kernel name.
    pub fn of(sysfs: &Path, name: &str) -> Self {
        // A slash in a kernel name (cciss/c0d0) is an exclamation mark in sysfs.
        let device = sysfs.join("class/block").join(name.replace('/', "!"));
        Self {
            folder: device.join("queue"),
        }
    }

    /// Whether the device is still there.
    pub fn exists(&self) -> bool {
        self.folder.exists()
    }

    /// The I/O scheduler in force.
    pub fn scheduler(&self) -> Told<String> {
        self.read("scheduler", |line| Some(chosen(line).to_owned()))
    }

    /// How the write cache is treated.
    pub fn write_cache(&self) -> Told<WriteCache> {
        self.read("write_cache", WriteCache::parse)
    }

    /// A size or number: `nr_requests`, `discard_max_bytes`.
    pub fn number(&self, file: &str) -> Told<u64> {
        self.read(file, |line| line.parse().ok())
    }

    /// Bytes that are read ahead.
    pub fn read_ahead(&self) -> Told<u64> {
        self.read("read_ahead_kb", kib)
    }

    fn read<T>(&self, file: &str, parse: impl FnOnce(&str) -> Option<T>) -> Told<T> {
        read(&self.folder.join(file), parse)
    }
}

/// Bytes that a filesystem reads ahead which has a device number of its own (NFS and others).
pub fn read_ahead_of(sysfs: &Path, dev: DeviceNumber) -> Told<u64> {
    let folder = sysfs.join("class/bdi").join(dev.to_string());
    read(&folder.join("read_ahead_kb"), kib)
}

/// Bytes that the btrfs reads ahead which has a device of this kernel name: it heeds none of its devices' own.
pub fn read_ahead_of_btrfs(sysfs: &Path, device: &str) -> Told<u64> {
    for filesystem in std::fs::read_dir(sysfs.join("fs/btrfs"))?.flatten() {
        let folder = filesystem.path();
        if folder.join("devices").join(device).exists() {
            return read(&folder.join("bdi/read_ahead_kb"), kib);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// The hidden devices that an NVMe namespace with several controllers lies on; none for all others.
pub fn nvme_paths(sysfs: &Path, name: &str) -> Vec<String> {
    let Some((subsystem, namespace)) = nvme_parts(name) else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir(sysfs.join("class/block")) else {
        return Vec::new();
    };
    let is_path = |other: &str| {
        let rest = other.strip_prefix(subsystem)?.strip_prefix('c')?;
        let (controller, of) = rest.split_once('n')?;
        (digits(controller) && of == namespace).then_some(())
    };
    let mut paths: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| is_path(other).is_some())
        .collect();
    paths.sort();
    paths
}

/// `nvme1n2` as `nvme1` and `2`.
fn nvme_parts(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix("nvme")?;
    let (number, namespace) = rest.split_once('n')?;
    let whole = digits(number) && digits(namespace);
    whole.then(|| (&name[..name.len() - namespace.len() - 1], namespace))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The one in brackets; a device without a choice shows its one without.
fn chosen(line: &str) -> &str {
    let rest = line
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    rest.map_or(line, |(name, _)| name)
}

fn kib(line: &str) -> Option<u64> {
    line.parse::<u64>().ok()?.checked_mul(1024)
}

fn read<T>(path: &Path, parse: impl FnOnce(&str) -> Option<T>) -> Told<T> {
    let text = std::fs::read_to_string(path)?;
    let line = text.trim();
    parse(line).ok_or_else(|| {
        let start: String = line.chars().take(80).collect();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} says {start:?}", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_kernel_writes() {
        let sysfs = tempfile::tempdir().unwrap();
        let folder = sysfs.path().join("class/block/cciss!c0d0/queue");
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in [
            ("scheduler", "[none] mq-deadline kyber bfq \n"),
            ("write_cache", "write back\n"),
            ("read_ahead_kb", "128\n"),
            ("nr_requests", "1023\n"),
            ("fua", "perhaps\n"),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        let queue = Queue::of(sysfs.path(), "cciss/c0d0");
        assert!(queue.exists());
        assert_eq!(queue.scheduler().unwrap(), "none");
        assert_eq!(queue.write_cache().unwrap(), WriteCache::Back);
        assert_eq!(queue.read_ahead().unwrap(), 131_072);
        assert_eq!(queue.number("nr_requests").unwrap(), 1023);
        let wrong = queue.number("fua").unwrap_err();
        assert_eq!(wrong.kind(), io::ErrorKind::InvalidData);
        let missing = queue.number("discard_max_bytes").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(!Queue::of(sysfs.path(), "sda").exists());
    }

    #[test]
    fn paths_of_a_namespace_with_several_controllers() {
        let sysfs = tempfile::tempdir().unwrap();
        for name in [
            "nvme1c1n1",
            "nvme1c2n1",
            "nvme1c1n2",
            "nvme1n1",
            "nvme11c1n1",
            "nvme1c1n1p1",
        ] {
            fs::create_dir_all(sysfs.path().join("class/block").join(name)).unwrap();
        }
        assert_eq!(
            nvme_paths(sysfs.path(), "nvme1n1"),
            ["nvme1c1n1", "nvme1c2n1"]
        );
        for name in [
            "nvme0n1",
            "sda",
            "nvme1n1p1",
            "nvme",
            "nvmen",
            "nvme1c1n1",
            "",
        ] {
            assert_eq!(nvme_paths(sysfs.path(), name), [""; 0], "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in ".*") {
            let _ = (chosen(&line), kib(&line), nvme_parts(&line), WriteCache::parse(&line));
        }
    }
}

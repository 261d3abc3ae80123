//! A btrfs filesystem on two loop devices.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::mount::run;
use crate::scratch::Scratch;

/// Where `btrfs scrub` writes.
const STATUS: &str = "/var/lib/btrfs";

/// A filesystem on two loop devices of 1 GiB each, mounted; gone without a trace when dropped, with what `btrfs
/// scrub` wrote of it.
///
/// Needs `root`, `loop`, `mkfs.btrfs` and `blkid`.
#[derive(Debug)]
pub struct BtrfsPair {
    scratch: Scratch,
    images: [PathBuf; 2],
    devices: [String; 2],
    uuid: String,
    had_status: bool,
}

impl BtrfsPair {
    /// Makes and mounts one with these profiles: `-d raid1 -m raid1`.
    ///
    /// # Panics
    /// When a step fails, with what the failing program said.
    pub fn new(profiles: &str) -> Self {
        let scratch = Scratch::new("btrfs");
        let images = ["a", "b"].map(|name| {
            let path = scratch.path().join(name);
            File::create(&path)
                .and_then(|file| file.set_len(1 << 30))
                .unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
            path
        });
        let mut pair = Self {
            scratch,
            images,
            devices: [String::new(), String::new()],
            uuid: String::new(),
            had_status: Path::new(STATUS).exists(),
        };
        for (image, device) in pair.images.iter().zip(&mut pair.devices) {
            *device = run(Command::new("losetup")
                .args(["--find", "--show"])
                .arg(image));
        }
        let [a, b] = &pair.devices;
        run(Command::new("mkfs.btrfs")
            .args(["-q", "-f", "-L", "warm"])
            .args(profiles.split(' '))
            .args([a, b]));
        run(Command::new("btrfs").args(["device", "scan", a, b]));
        pair.uuid = run(Command::new("blkid").args(["-p", "-s", "UUID", "-o", "value", a]));
        pair.mount(0, "defaults");
        pair
    }

    /// Mounts it again by one of its devices.
    ///
    /// # Panics
    /// When mount fails.
    pub fn mount(&self, by: usize, options: &str) {
        let at = self.scratch.folder("mnt");
        run(Command::new("mount")
            .args(["-t", "btrfs", "-o", options, &self.devices[by]])
            .arg(at));
    }

    /// Unmounts it.
    ///
    /// # Panics
    /// When it is busy.
    pub fn unmount(&self) {
        run(Command::new("umount").arg(self.at()));
    }

    /// Takes one of its devices away, while it is not mounted.
    ///
    /// # Panics
    /// When a step fails.
    pub fn lose(&mut self, index: usize) {
        let [a, b] = &self.devices;
        run(Command::new("btrfs").args(["device", "scan", "--forget", a, b]));
        // Forgotten first: its name may soon be that of somebody else's device.
        let device = std::mem::take(&mut self.devices[index]);
        run(Command::new("losetup").args(["-d", &device]));
    }

    /// Where it is mounted.
    pub fn at(&self) -> PathBuf {
        self.scratch.path().join("mnt")
    }

    /// Makes a folder beside the mount point.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.scratch.folder(name)
    }

    /// Its UUID.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Its devices, as `/dev/loop3`.
    pub fn devices(&self) -> &[String; 2] {
        &self.devices
    }

    /// What lies behind the devices.
    pub fn images(&self) -> &[PathBuf; 2] {
        &self.images
    }

    /// A file of its folder in sysfs.
    pub fn sysfs(&self, file: &str) -> PathBuf {
        Path::new("/sys/fs/btrfs").join(&self.uuid).join(file)
    }

    /// Runs a `btrfs` command, in which `@` is the mount point, and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn btrfs(&self, command: &str) -> String {
        let command = command.replace('@', &self.at().display().to_string());
        run(Command::new("sh").args(["-c", &format!("btrfs {command}")]))
    }
}

impl Drop for BtrfsPair {
    fn drop(&mut self) {
        let at = self.at();
        let at = at.display();
        let mut script = format!(
            "btrfs scrub cancel {at}; btrfs balance cancel {at}; umount -R {at} || umount -l {at};"
        );
        if !self.uuid.is_empty() {
            script += &format!("rm -f {STATUS}/scrub.*.{}*;", self.uuid);
        }
        for device in self.devices.iter().filter(|device| !device.is_empty()) {
            script += &format!("losetup -d {device};");
        }
        if !self.had_status {
            script += &format!("rmdir {STATUS};");
        }
        // What was undone by the test itself cannot be undone again.
        let _ = Command::new("sh").args(["-c", &script]).output();
    }
}

//! Real filesystems on loop devices.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::mount::{Mount, run};
use crate::scratch::Scratch;

/// Which filesystem to make. Smallest sizes with today's tools: XFS 300 MiB, btrfs 110 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsKind {
    /// ext4
    Ext4,
    /// XFS
    Xfs,
    /// btrfs, one device
    Btrfs,
}

impl FsKind {
    /// As the kernel names it in its list of mounts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}

/// A filesystem on a loop device over a sparse image, mounted; gone without a trace when dropped.
///
/// Needs `root`, `loop` and the `mkfs` of its kind.
#[derive(Debug)]
pub struct LoopFs {
    // Dropped in this order: the mount before its device, the image last.
    mount: Mount,
    device: LoopDevice,
    scratch: Scratch,
    kind: FsKind,
}

impl LoopFs {
    /// Makes and mounts one.
    ///
    /// # Panics
    /// When a step fails, with what the failing program said.
    pub fn new(kind: FsKind, size_mib: u64) -> Self {
        Self::with(kind, size_mib, &[], "")
    }

    /// Makes and mounts one that keeps quotas of projects, which the kernel must have.
    ///
    /// # Panics
    /// As [`Self::new`], and for btrfs.
    pub fn with_project_quota(kind: FsKind, size_mib: u64) -> Self {
        let features: &[&str] = match kind {
            FsKind::Ext4 => &["-O", "quota,project", "-E", "quotatype=prjquota"],
            FsKind::Xfs => &[],
            FsKind::Btrfs => panic!("btrfs has no projects"),
        };
        Self::with(kind, size_mib, features, "prjquota")
    }

    /// Makes one with more arguments for its `mkfs`, and mounts it with these options; none when empty.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn with(kind: FsKind, size_mib: u64, features: &[&str], options: &str) -> Self {
        let scratch = Scratch::new(kind.name());
        let image = scratch.path().join("image");
        File::create(&image)
            .and_then(|file| file.set_len(size_mib << 20))
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", image.display()));
        let device = LoopDevice::attach(&image);
        // -q and -f mean other things to each of them.
        let (mkfs, quiet): (_, &[&str]) = match kind {
            // Nothing is left to be written later: numbers stay still while a test looks at them.
            FsKind::Ext4 => (
                "mkfs.ext4",
                &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            ),
            FsKind::Xfs => ("mkfs.xfs", &["-q"]),
            FsKind::Btrfs => ("mkfs.btrfs", &["-q"]),
        };
        run(Command::new(mkfs)
            .args(quiet)
            .args(features)
            .arg(&device.path));
        let source = device.path.to_str().expect("a device's name is ASCII");
        let mut arguments = vec!["-t", kind.name()];
        if !options.is_empty() {
            arguments.extend(["-o", options]);
        }
        arguments.push(source);
        let mount = Mount::new(&arguments, &scratch.path().join("mnt"));
        Self {
            mount,
            device,
            scratch,
            kind,
        }
    }

    /// Where it is mounted.
    pub fn mountpoint(&self) -> &Path {
        self.mount.path()
    }

    /// Its loop device, as `/dev/loop3`.
    pub fn device(&self) -> &Path {
        &self.device.path
    }

    /// Mounts its root a second time, by `mount --bind`.
    ///
    /// # Panics
    /// When mount fails.
    pub fn bind(&self, at: &Path) -> Mount {
        let source = self
            .mountpoint()
            .to_str()
            .expect("the project's path is UTF-8");
        Mount::new(&["--bind", source], at)
    }

    /// Makes a btrfs subvolume and mounts it by itself, beside the whole filesystem.
    ///
    /// # Panics
    /// When this is no btrfs, or a step fails.
    pub fn subvolume(&self, name: &str) -> Mount {
        assert_eq!(self.kind, FsKind::Btrfs, "only btrfs has subvolumes");
        let inside = self.mountpoint().join(name);
        run(Command::new("btrfs")
            .args(["subvolume", "create"])
            .arg(inside));
        let device = self.device.path.to_str().expect("a device's name is ASCII");
        let at = self.scratch.path().join("subvolumes").join(name);
        Mount::new(
            &["-t", "btrfs", "-o", &format!("subvol={name}"), device],
            &at,
        )
    }

    /// Changes the mount's options: `"ro"`, `"rw,noatime"`.
    ///
    /// # Panics
    /// When mount fails.
    pub fn remount(&self, options: &str) {
        run(Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.mountpoint()));
    }
}

/// A loop device with a file behind it; detached when dropped.
#[derive(Debug)]
struct LoopDevice {
    path: PathBuf,
}

impl LoopDevice {
    fn attach(image: &Path) -> Self {
        let path = run(Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image));
        Self { path: path.into() }
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // Still mounted somewhere, the kernel detaches it when the last mount goes.
        let detached = Command::new("losetup")
            .arg("--detach")
            .arg(&self.path)
            .status();
        if !detached.is_ok_and(|status| status.success()) {
            eprintln!("rig: cannot detach {}", self.path.display());
        }
    }
}

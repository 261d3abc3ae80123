//! What the collector must ask the kernel for, because no file of `/proc`, `/sys` or `/etc` tells it. Nothing here
//! writes, and nothing follows a link or a mount to where it should not be.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RawDir, ResolveFlags, StatxAttributes, StatxFlags, openat, openat2,
    statx,
};
use tidegauge_model::mount::DeviceNumber;

use crate::device::ext4;

/// Asks the kernel; recordings in tests.
pub trait Look: Send + Sync {
    /// The number of a block device by its node.
    fn device_number(&self, node: &Path) -> io::Result<DeviceNumber>;
    /// The superblock of the ext4 filesystem on the device with this node, if that node still has this number.
    fn superblock(&self, node: &Path, dev: DeviceNumber) -> io::Result<Vec<u8>>;
    /// The folder `relative` of the filesystem that is mounted at `mount`, never one of another.
    fn mount_point(&self, mount: &Path, relative: &Path) -> io::Result<MountPoint>;
}

/// A folder on which something is to be mounted.
#[derive(Debug)]
pub struct MountPoint {
    /// Whether nothing is in it.
    pub empty: io::Result<bool>,
    /// Whether it is marked so that nobody can write to it (`chattr +i`); `None` where the filesystem knows no such
    /// mark.
    pub immutable: Option<bool>,
}

/// The kernel itself.
#[derive(Debug)]
pub struct Kernel;

impl Look for Kernel {
    fn device_number(&self, node: &Path) -> io::Result<DeviceNumber> {
        number_of(&std::fs::metadata(node)?)
    }

    fn superblock(&self, node: &Path, dev: DeviceNumber) -> io::Result<Vec<u8>> {
        // Another kind of file would wait for its other end.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().try_into().unwrap_or_default())
            .open(node)?;
        if number_of(&file.metadata()?)? != dev {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the node is another device's now",
            ));
        }
        let mut superblock = vec![0; ext4::LENGTH];
        file.read_exact_at(&mut superblock, ext4::OFFSET)?;
        Ok(superblock)
    }

    fn mount_point(&self, mount: &Path, relative: &Path) -> io::Result<MountPoint> {
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let links = ResolveFlags::NO_SYMLINKS;
        let root = openat2(CWD, mount, path, Mode::empty(), links)?;
        let inside = links | ResolveFlags::NO_XDEV;
        let folder = openat2(&root, relative, path, Mode::empty(), inside)?;
        let found = statx(&folder, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
        let knows = found
            .stx_attributes_mask
            .contains(StatxAttributes::IMMUTABLE);
        Ok(MountPoint {
            empty: openat(
                &folder,
                ".",
                OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(io::Error::from)
            .and_then(|open| is_empty(&File::from(open))),
            immutable: knows.then(|| found.stx_attributes.contains(StatxAttributes::IMMUTABLE)),
        })
    }
}

fn number_of(metadata: &std::fs::Metadata) -> io::Result<DeviceNumber> {
    if !metadata.file_type().is_block_device() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no block device",
        ));
    }
    Ok(DeviceNumber {
        major: rustix::fs::major(metadata.rdev()),
        minor: rustix::fs::minor(metadata.rdev()),
    })
}

fn is_empty(folder: &File) -> io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(entry) = entries.next() {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_looked_at_without_following_links() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("full/inner")).unwrap();
        std::os::unix::fs::symlink("full", root.join("link")).unwrap();
        let look = |path: &str| Kernel.mount_point(&root, Path::new(path));
        assert!(!look("full").unwrap().empty.unwrap());
        let inner = look("full/inner").unwrap();
        assert!(inner.empty.unwrap());
        assert_ne!(inner.immutable, Some(true));
        let error = |path: &str| look(path).unwrap_err().raw_os_error();
        assert_eq!(error("link"), Some(rustix::io::Errno::LOOP.raw_os_error()));
        assert_eq!(look("nothing").unwrap_err().kind(), io::ErrorKind::NotFound);
        // Another filesystem is none of ours.
        let proc = Kernel.mount_point(Path::new("/"), Path::new("proc/self"));
        assert_eq!(
            proc.unwrap_err().raw_os_error(),
            Some(rustix::io::Errno::XDEV.raw_os_error())
        );
    }

    #[test]
    fn only_block_devices_have_superblocks() {
        let dev = DeviceNumber { major: 1, minor: 3 };
        for node in ["/dev/null", "/proc/self/stat"] {
            let error = Kernel.superblock(Path::new(node), dev).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{node}");
        }
    }
}

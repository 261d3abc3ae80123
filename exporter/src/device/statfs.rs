//! How full a filesystem is: one `statfs` call.
//!
//! It can block for ever (a dead NFS server), so it is only called by [`super::probe`].

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tidegauge_model::mount::DeviceNumber;
use tidegauge_model::reading::Why;

/// Space and inodes of a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub size: u64,
    /// Free bytes, those reserved for root included.
    pub free: u64,
    /// Bytes that anyone may still write.
    pub avail: u64,
    /// Inodes in all; 0 where the filesystem makes them as needed (btrfs).
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
}

impl Space {
    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.size.saturating_sub(self.free)
    }

    /// Fill level as `df` computes it: used / (used + avail), so that a filesystem into which users
    /// cannot write is full although root's reserve is not. `None` for one without any space.
    pub fn used_ratio(&self) -> Option<f64> {
        ratio(self.used(), self.avail)
    }
}

/// used / (used + avail), `None` when both are 0.
pub fn ratio(used: u64, avail: u64) -> Option<f64> {
    let whole = u128::from(used) + u128::from(avail);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio has no need of more than 53 bits"
    )]
    (whole > 0).then(|| used as f64 / whole as f64)
}

/// The superblock magic of filesystem types whose number is fixed (`linux/magic.h`; XFS_SUPER_MAGIC).
fn magic(fstype: &str) -> Option<u64> {
    Some(match fstype {
        "ext2" | "ext3" | "ext4" => 0xEF53,
        "xfs" => 0x5846_5342,
        "btrfs" => 0x9123_683E,
        "nfs" | "nfs4" => 0x6969,
        "f2fs" => 0xF2F5_2010,
        "bcachefs" => 0xCA45_1A4E,
        "tmpfs" => 0x0102_1994,
        _ => return None,
    })
}

/// Asks the filesystem at `path`, which the mount table says is of type `fstype`. A path that shows
/// another type (mounted over, or not in this mount namespace) is a failure: its numbers would be
/// another filesystem's.
pub fn statfs(path: &Path, fstype: &str) -> Result<Space, Why> {
    space(&rustix::fs::statfs(path).map_err(why)?, fstype)
}

/// As [`statfs`], for a time in which mounts come and go: what answers is held by a descriptor and must
/// be the superblock `dev`. Filesystems without a block device of their own show other numbers in
/// `stat` (btrfs one for each subvolume), so of those only the type is compared.
pub fn statfs_of(path: &Path, fstype: &str, dev: DeviceNumber) -> Result<Space, Why> {
    let held =
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(why)?;
    let found = rustix::fs::fstat(&held).map_err(why)?.st_dev;
    let found = DeviceNumber {
        major: rustix::fs::major(found),
        minor: rustix::fs::minor(found),
    };
    if found != dev && (found.major, dev.major) != (0, 0) {
        return Err(Why::OtherFilesystem);
    }
    space(&rustix::fs::fstatfs(&held).map_err(why)?, fstype)
}

fn why(errno: Errno) -> Why {
    match errno {
        Errno::ACCESS | Errno::PERM => Why::Denied,
        other => Why::Errno(other.raw_os_error()),
    }
}

fn space(stat: &rustix::fs::StatFs, fstype: &str) -> Result<Space, Why> {
    let found = u64::try_from(stat.f_type).unwrap_or_default() & 0xFFFF_FFFF;
    if magic(fstype).is_some_and(|expected| expected != found) {
        return Err(Why::OtherFilesystem);
    }
    let unit = u64::try_from(if stat.f_frsize > 0 {
        stat.f_frsize
    } else {
        stat.f_bsize
    })
    .unwrap_or(0);
    Ok(Space {
        size: stat.f_blocks.saturating_mul(unit),
        free: stat.f_bfree.saturating_mul(unit),
        avail: avail(stat.f_bavail, unit),
        files: stat.f_files,
        files_free: stat.f_ffree,
    })
}

/// Some servers report less than nothing as available, as a negative number; `df` shows that as 0.
fn avail(blocks: u64, unit: u64) -> u64 {
    if blocks > i64::MAX as u64 {
        0
    } else {
        blocks.saturating_mul(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_filesystem_has_space() {
        let space = statfs(Path::new("/"), "unknown to us").unwrap();
        assert!(space.size > 0 && space.free <= space.size && space.avail <= space.free);
    }

    #[test]
    fn another_type_than_the_mount_table_says_is_a_failure() {
        assert_eq!(
            statfs(Path::new("/proc"), "ext4"),
            Err(Why::OtherFilesystem)
        );
        assert_eq!(
            statfs(Path::new("/no/such/path"), "ext4"),
            Err(Why::Errno(2))
        );
    }

    #[test]
    fn another_superblock_than_expected_is_a_failure() {
        let root = rustix::fs::stat("/").unwrap().st_dev;
        let root = DeviceNumber {
            major: rustix::fs::major(root),
            minor: rustix::fs::minor(root),
        };
        assert!(statfs_of(Path::new("/"), "?", root).is_ok());
        let other = DeviceNumber {
            major: 7,
            minor: 99,
        };
        assert_eq!(
            statfs_of(Path::new("/"), "?", other),
            Err(Why::OtherFilesystem)
        );
    }

    #[test]
    fn less_than_nothing_available_is_nothing() {
        assert_eq!(avail(u64::MAX - 3, 4096), 0);
        assert_eq!(ratio(10, 0), Some(1.0));
        assert_eq!(ratio(0, 0), None);
        assert_eq!(ratio(u64::MAX, u64::MAX), Some(0.5));
    }
}

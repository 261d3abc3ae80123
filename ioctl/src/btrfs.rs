//! What anybody may ask btrfs about a subvolume: `linux/btrfs.h`.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, Updater, ioctl, opcode};

const MAGIC: u8 = 0x94;

/// `struct btrfs_ioctl_fs_info_args`, of which only the beginning is of use here.
#[repr(C)]
struct FsInfo {
    max_id: u64,
    num_devices: u64,
    fsid: [u8; 16],
    rest: [u64; 124],
}

/// `struct btrfs_ioctl_get_subvol_info_args`, of which only the beginning is of use here.
#[repr(C)]
struct SubvolumeInfo {
    treeid: u64,
    rest: [u64; 62],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`.
#[repr(C)]
struct RootRefs {
    min_treeid: u64,
    refs: [[u64; 2]; 255],
    num_items: u8,
    align: [u8; 7],
}

/// The filesystem's id (its UUID), by any open file on it.
pub fn filesystem_id(file: impl AsFd) -> Result<[u8; 16], Errno> {
    const REQUEST: u32 = opcode::read::<FsInfo>(MAGIC, 31);
    // SAFETY: the request's number holds the size of the struct, all of whose bit patterns are valid;
    // the kernel fills it whole or fails.
    let found = unsafe { ioctl(file, Getter::<REQUEST, FsInfo>::new()) }?;
    Ok(found.fsid)
}

/// The number of the subvolume that holds an open file. Linux 4.18.
pub fn subvolume_id(file: impl AsFd) -> Result<u64, Errno> {
    const REQUEST: u32 = opcode::read::<SubvolumeInfo>(MAGIC, 60);
    // SAFETY: as in `filesystem_id`.
    let found = unsafe { ioctl(file, Getter::<REQUEST, SubvolumeInfo>::new()) }?;
    Ok(found.treeid)
}

/// Whether further subvolumes (snapshots too) lie in the one whose root is open. Linux 4.18.
pub fn has_subvolumes(root: impl AsFd) -> Result<bool, Errno> {
    const REQUEST: u32 = opcode::read_write::<RootRefs>(MAGIC, 61);
    let mut found = RootRefs {
        min_treeid: 0,
        refs: [[0; 2]; 255],
        num_items: 0,
        align: [0; 7],
    };
    // SAFETY: the request's number holds the size of the struct, which is initialised, borrowed by
    // nobody else and of which all bit patterns are valid.
    let answer = unsafe { ioctl(root, Updater::<REQUEST, RootRefs>::new(&mut found)) };
    match answer {
        Ok(()) => Ok(found.num_items > 0),
        // More than fit into one answer.
        Err(Errno::OVERFLOW) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!(opcode::read::<FsInfo>(MAGIC, 31), 0x8400_941F);
        assert_eq!(opcode::read::<SubvolumeInfo>(MAGIC, 60), 0x81F8_943C);
        assert_eq!(opcode::read_write::<RootRefs>(MAGIC, 61), 0xD000_943D);
    }

    #[test]
    fn another_filesystem_has_an_answer() {
        let file = || std::fs::File::open("/proc/self/stat").unwrap();
        assert!(filesystem_id(file()).is_err());
        assert!(subvolume_id(file()).is_err());
        assert!(has_subvolumes(file()).is_err());
    }
}

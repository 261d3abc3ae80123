//! What btrfs tells of a filesystem, its devices and its subvolumes: `linux/btrfs.h`.

mod search;
mod subvolume;
mod work;

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, Updater, ioctl, opcode};

pub use search::{SearchKey, tree_search};
pub use subvolume::{
    Child, SubvolumeInfo, children, directory_path, has_subvolumes, subvolume_id, subvolume_info,
    user_path,
};
pub use work::{BalanceProgress, ScrubProgress, balance_progress, scrub_progress};

const MAGIC: u8 = 0x94;

/// `struct btrfs_ioctl_fs_info_args`, of which only the beginning is of use here.
#[repr(C)]
struct FsInfo {
    max_id: u64,
    num_devices: u64,
    fsid: [u8; 16],
    rest: [u64; 124],
}

/// `struct btrfs_ioctl_dev_info_args`.
#[repr(C)]
struct DevInfo {
    devid: u64,
    uuid: [u8; 16],
    bytes_used: u64,
    total_bytes: u64,
    unused: [u64; 379],
    path: [u8; 1024],
}

/// A filesystem as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filesystem {
    /// Its UUID.
    pub id: [u8; 16],
    /// The highest number of a device in it.
    pub highest_device: u64,
    /// How many devices it has, missing ones too.
    pub devices: u64,
}

/// A device of a filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its number in the filesystem.
    pub id: u64,
    /// Bytes of it that belong to the filesystem.
    pub size: u64,
    /// Bytes of it that block groups have taken.
    pub allocated: u64,
    /// Its node as it was when it was found; empty when it is missing.
    pub path: Vec<u8>,
}

/// The filesystem's id (its UUID), by any open file on it.
pub fn filesystem_id(file: impl AsFd) -> Result<[u8; 16], Errno> {
    const REQUEST: u32 = opcode::read::<FsInfo>(MAGIC, 31);
    // SAFETY: the request's number holds the size of the struct, all of whose bit patterns are valid;
    // the kernel fills it whole or fails.
    let found = unsafe { ioctl(file, Getter::<REQUEST, FsInfo>::new()) }?;
    Ok(found.fsid)
}

/// The filesystem as a whole, by any open file on it.
pub fn filesystem(file: impl AsFd) -> Result<Filesystem, Errno> {
    const REQUEST: u32 = opcode::read::<FsInfo>(MAGIC, 31);
    // SAFETY: as in `filesystem_id`.
    let found = unsafe { ioctl(file, Getter::<REQUEST, FsInfo>::new()) }?;
    Ok(Filesystem {
        id: found.fsid,
        highest_device: found.max_id,
        devices: found.num_devices,
    })
}

/// A device of the filesystem by its number; the target of a replacement has 0. `ENODEV`: there is none.
pub fn device(file: impl AsFd, id: u64) -> Result<Device, Errno> {
    const REQUEST: u32 = opcode::read_write::<DevInfo>(MAGIC, 30);
    let mut found = Box::new(DevInfo {
        devid: id,
        uuid: [0; 16],
        bytes_used: 0,
        total_bytes: 0,
        unused: [0; 379],
        path: [0; 1024],
    });
    // SAFETY: the request's number holds the size of the struct, which is initialised, borrowed by
    // nobody else and of which all bit patterns are valid.
    unsafe { ioctl(file, Updater::<REQUEST, DevInfo>::new(&mut found)) }?;
    Ok(Device {
        id: found.devid,
        size: found.total_bytes,
        allocated: found.bytes_used,
        path: until_nul(&found.path).to_vec(),
    })
}

/// A text in a buffer of fixed size.
fn until_nul(buffer: &[u8]) -> &[u8] {
    let end = buffer.iter().position(|byte| *byte == 0);
    &buffer[..end.unwrap_or(buffer.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!(opcode::read::<FsInfo>(MAGIC, 31), 0x8400_941F);
        assert_eq!(opcode::read_write::<DevInfo>(MAGIC, 30), 0xD000_941E);
    }

    #[test]
    fn another_filesystem_has_an_answer() {
        let file = || std::fs::File::open("/proc/self/stat").unwrap();
        assert!(filesystem_id(file()).is_err());
        assert!(filesystem(file()).is_err());
        assert!(device(file(), 1).is_err());
    }

    #[test]
    fn texts_end_at_their_nul_or_with_the_buffer() {
        assert_eq!(until_nul(b"/dev/sda\0\0x"), b"/dev/sda");
        assert_eq!(until_nul(b"full"), b"full");
    }
}

//! Subvolumes: what anybody may ask who can open them, and their paths.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, Updater, ioctl, opcode};

use super::{MAGIC, until_nul};

/// `BTRFS_ROOT_SUBVOL_RDONLY`.
const READ_ONLY: u64 = 1;

/// `struct btrfs_ioctl_timespec`.
#[repr(C)]
struct Time {
    sec: u64,
    nsec: u32,
}

/// `struct btrfs_ioctl_get_subvol_info_args`.
#[repr(C)]
struct Info {
    treeid: u64,
    name: [u8; 256],
    parent_id: u64,
    dirid: u64,
    generation: u64,
    flags: u64,
    uuid: [u8; 16],
    parent_uuid: [u8; 16],
    received_uuid: [u8; 16],
    transids: [u64; 4],
    ctime: Time,
    otime: Time,
    stime: Time,
    rtime: Time,
    reserved: [u64; 8],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`.
#[repr(C)]
struct RootRefs {
    min_treeid: u64,
    refs: [[u64; 2]; 255],
    num_items: u8,
    align: [u8; 7],
}

/// `struct btrfs_ioctl_ino_lookup_user_args`.
#[repr(C)]
struct LookupUser {
    dirid: u64,
    treeid: u64,
    name: [u8; 256],
    path: [u8; 3824],
}

/// `struct btrfs_ioctl_ino_lookup_args`.
#[repr(C)]
struct Lookup {
    treeid: u64,
    objectid: u64,
    name: [u8; 4080],
}

/// A subvolume, which may be a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubvolumeInfo {
    /// Its number.
    pub id: u64,
    /// The subvolume that it lies in; 0 for the top one, and for one that is deleted.
    pub parent: u64,
    /// Its UUID; zeros where an old kernel made it.
    pub uuid: [u8; 16],
    /// That of the subvolume of which it is a snapshot; zeros for none.
    pub snapshot_of: [u8; 16],
    /// That of the subvolume, on another filesystem perhaps, from which it was received; zeros for none.
    pub received_from: [u8; 16],
    /// Whether it can be written.
    pub read_only: bool,
    /// When it was made, in seconds since 1970; 0 where an old kernel made it.
    pub created: u64,
}

/// A subvolume that lies right in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its number.
    pub id: u64,
    /// The inode of the directory that it lies in.
    pub directory: u64,
}

/// The number of the subvolume that holds an open file. Linux 4.18.
pub fn subvolume_id(file: impl AsFd) -> Result<u64, Errno> {
    info(file).map(|found| found.treeid)
}

/// The subvolume that holds an open file. Linux 4.18.
pub fn subvolume_info(file: impl AsFd) -> Result<SubvolumeInfo, Errno> {
    let found = info(file)?;
    Ok(SubvolumeInfo {
        id: found.treeid,
        parent: found.parent_id,
        uuid: found.uuid,
        snapshot_of: found.parent_uuid,
        received_from: found.received_uuid,
        read_only: found.flags & READ_ONLY != 0,
        created: found.otime.sec,
    })
}

fn info(file: impl AsFd) -> Result<Info, Errno> {
    const REQUEST: u32 = opcode::read::<Info>(MAGIC, 60);
    // SAFETY: the request's number holds the size of the struct, all of whose bit patterns are valid;
    // the kernel fills it whole or fails.
    unsafe { ioctl(file, Getter::<REQUEST, Info>::new()) }
}

/// Whether further subvolumes (snapshots too) lie in the one whose root is open. Linux 4.18.
pub fn has_subvolumes(root: impl AsFd) -> Result<bool, Errno> {
    children(root, 0).map(|(found, _)| !found.is_empty())
}

/// Subvolumes with numbers from `least` on that lie right in the one that holds an open directory, 255 at
/// most, and whether there are more. Linux 4.18.
pub fn children(file: impl AsFd, least: u64) -> Result<(Vec<Child>, bool), Errno> {
    const REQUEST: u32 = opcode::read_write::<RootRefs>(MAGIC, 61);
    let mut found = Box::new(RootRefs {
        min_treeid: least,
        refs: [[0; 2]; 255],
        num_items: 0,
        align: [0; 7],
    });
    // SAFETY: the request's number holds the size of the struct, which is initialised, borrowed by
    // nobody else and of which all bit patterns are valid.
    let answer = unsafe { ioctl(file, Updater::<REQUEST, RootRefs>::new(&mut found)) };
    let more = match answer {
        Ok(()) => false,
        // More than fit into one answer.
        Err(Errno::OVERFLOW) => true,
        Err(error) => return Err(error),
    };
    let refs = &found.refs[..usize::from(found.num_items)];
    let child = |&[id, directory]: &[u64; 2]| Child { id, directory };
    Ok((refs.iter().map(child).collect(), more))
}

/// Where a child of the subvolume that holds an open directory lies, as a path from that directory, when the
/// caller may enter what leads there. `EACCES`: not; `ENOENT`: not below the directory. Linux 4.18.
pub fn user_path(directory: impl AsFd, child: Child) -> Result<Vec<u8>, Errno> {
    const REQUEST: u32 = opcode::read_write::<LookupUser>(MAGIC, 62);
    let mut found = Box::new(LookupUser {
        dirid: child.directory,
        treeid: child.id,
        name: [0; 256],
        path: [0; 3824],
    });
    // SAFETY: as in `children`.
    unsafe { ioctl(directory, Updater::<REQUEST, LookupUser>::new(&mut found)) }?;
    // The path ends in a slash, or is empty.
    Ok([until_nul(&found.path), until_nul(&found.name)].concat())
}

/// The path of a directory from the root of its subvolume, ending in a slash or empty. CAP_SYS_ADMIN.
pub fn directory_path(file: impl AsFd, subvolume: u64, inode: u64) -> Result<Vec<u8>, Errno> {
    const REQUEST: u32 = opcode::read_write::<Lookup>(MAGIC, 18);
    let mut found = Box::new(Lookup {
        treeid: subvolume,
        objectid: inode,
        name: [0; 4080],
    });
    // SAFETY: as in `children`.
    unsafe { ioctl(file, Updater::<REQUEST, Lookup>::new(&mut found)) }?;
    Ok(until_nul(&found.name).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!(opcode::read::<Info>(MAGIC, 60), 0x81F8_943C);
        assert_eq!(opcode::read_write::<RootRefs>(MAGIC, 61), 0xD000_943D);
        assert_eq!(opcode::read_write::<LookupUser>(MAGIC, 62), 0xD000_943E);
        assert_eq!(opcode::read_write::<Lookup>(MAGIC, 18), 0xD000_9412);
        let (name, uuid, otime) = (
            std::mem::offset_of!(Info, parent_id),
            std::mem::offset_of!(Info, uuid),
            std::mem::offset_of!(Info, otime),
        );
        assert_eq!((name, uuid, otime), (264, 296, 392));
    }

    #[test]
    fn another_filesystem_has_an_answer() {
        let file = || std::fs::File::open("/proc/self/stat").unwrap();
        assert!(subvolume_id(file()).is_err());
        assert!(subvolume_info(file()).is_err());
        assert!(has_subvolumes(file()).is_err());
        let child = Child {
            id: 256,
            directory: 256,
        };
        assert!(user_path(file(), child).is_err());
        assert!(directory_path(file(), 5, 256).is_err());
    }
}

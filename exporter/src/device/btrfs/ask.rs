//! Asks the kernel about a mounted filesystem. All of it may block for as long as a device does.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tidegauge_ioctl::btrfs::{
    self, BalanceProgress, Child, Device, Filesystem, ScrubProgress, SearchKey, SubvolumeInfo,
};

use super::subvolumes::{
    self, FIRST, Incomplete, Item, LAST, Listing, Place, ROOT_BACKREF, ROOT_ITEM, TOP,
};

/// `BTRFS_ROOT_TREE_OBJECTID`.
const ROOT_TREE: u64 = 1;
/// Room for the answers to a search: 140 subvolumes or so.
const BUFFER: usize = 64 << 10;
/// A filesystem has no device of a higher number: a bound for what the kernel could tell.
const HIGHEST_DEVICE: u64 = 1024;
/// Paths are asked for of this many subvolumes with snapshots.
const MOST_PATHS: usize = 1024;
/// Subvolumes that lie in each other are followed no deeper than this.
const DEEPEST: usize = 64;

/// Opens mount points. The seam between the collector and the kernel.
pub trait Ask: Send + Sync {
    /// Opens one, for [`Volume`]'s questions.
    fn open(&self, mountpoint: &Path) -> io::Result<Box<dyn Volume>>;
}

/// A filesystem by an open mount point of it.
pub trait Volume {
    /// Which it is.
    fn filesystem(&self) -> Result<Filesystem, Errno>;
    /// Its devices, missing ones too.
    fn devices(&self, of: &Filesystem) -> Result<Vec<Device>, Errno>;
    /// The scrub that runs on a device. CAP_SYS_ADMIN (`EPERM`).
    fn scrub(&self, device: u64) -> Result<Option<ScrubProgress>, Errno>;
    /// The balance that has begun and not ended. CAP_SYS_ADMIN (`EPERM`).
    fn balance(&self) -> Result<Option<BalanceProgress>, Errno>;
    /// Its subvolumes, `most` of them: all with CAP_SYS_ADMIN, else those that can be reached from here. `root`
    /// is what of the filesystem is mounted here, as the list of mounts has it.
    fn subvolumes(&self, root: &Path, most: usize) -> Result<Listing, Errno>;
}

/// The kernel.
#[derive(Clone, Copy, Debug)]
pub struct Kernel;

impl Ask for Kernel {
    fn open(&self, mountpoint: &Path) -> io::Result<Box<dyn Volume>> {
        let open = rustix::fs::open(mountpoint, FLAGS, Mode::empty())?;
        Ok(Box::new(Open(open)))
    }
}

const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

struct Open(OwnedFd);

impl Volume for Open {
    fn filesystem(&self) -> Result<Filesystem, Errno> {
        btrfs::filesystem(&self.0)
    }

    fn devices(&self, of: &Filesystem) -> Result<Vec<Device>, Errno> {
        let mut found = Vec::new();
        for id in 0..=of.highest_device.min(HIGHEST_DEVICE) {
            match btrfs::device(&self.0, id) {
                Ok(device) => found.push(device),
                // Numbers of devices that were removed are not used again.
                Err(Errno::NODEV) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn scrub(&self, device: u64) -> Result<Option<ScrubProgress>, Errno> {
        match btrfs::scrub_progress(&self.0, device) {
            // A device that is missing, or went.
            Err(Errno::NODEV) => Ok(None),
            other => other,
        }
    }

    fn balance(&self) -> Result<Option<BalanceProgress>, Errno> {
        btrfs::balance_progress(&self.0)
    }

    fn subvolumes(&self, root: &Path, most: usize) -> Result<Listing, Errno> {
        match self.search(most) {
            Err(Errno::PERM) => self.walk(root, most),
            other => other,
        }
    }
}

impl Open {
    /// Reads the root tree.
    fn search(&self, most: usize) -> Result<Listing, Errno> {
        let mut listing = Listing::default();
        let mut places: BTreeMap<u64, Place> = BTreeMap::new();
        let mut key = SearchKey {
            tree: ROOT_TREE,
            min: (TOP, ROOT_ITEM, 0),
            max: (LAST, ROOT_BACKREF, u64::MAX),
        };
        let mut buffer = Vec::new();
        loop {
            let count = btrfs::tree_search(&self.0, &key, &mut buffer, BUFFER)?;
            let (items, last) = subvolumes::items(&buffer, count);
            for item in items {
                match item {
                    Item::Subvolume(one) => {
                        listing.subvolumes.insert(one.id, one);
                    }
                    Item::Place(id, place) => {
                        places.insert(id, place);
                    }
                }
            }
            if listing.subvolumes.len() > most {
                listing.incomplete = Some(Incomplete::TooMany);
                while listing.subvolumes.len() > most {
                    listing.subvolumes.pop_last();
                }
                break;
            }
            let Some(next) = last.and_then(after) else {
                break;
            };
            key.min = next;
        }
        listing.top = self.top();
        let sources: Vec<u64> = listing.sources();
        for id in sources.into_iter().filter(|id| *id != TOP).take(MOST_PATHS) {
            let directory = |subvolume, inode| {
                let root = inode == FIRST;
                let ask = || btrfs::directory_path(&self.0, subvolume, inode).ok();
                if root { Some(Vec::new()) } else { ask() }
            };
            if let Some(path) = subvolumes::path(id, &places, directory) {
                listing.paths.insert(id, path);
            }
        }
        Ok(listing)
    }

    /// The UUID of the top subvolume.
    fn top(&self) -> [u8; 16] {
        let key = SearchKey {
            tree: ROOT_TREE,
            min: (TOP, ROOT_ITEM, 0),
            max: (TOP, ROOT_ITEM, u64::MAX),
        };
        let mut buffer = Vec::new();
        let count = btrfs::tree_search(&self.0, &key, &mut buffer, 4096);
        count.map_or([0; 16], |count| subvolumes::top_uuid(&buffer, count))
    }

    /// Goes from the mounted subvolume down into those that lie in it.
    fn walk(&self, root: &Path, most: usize) -> Result<Listing, Errno> {
        let here = btrfs::subvolume_info(&self.0)?;
        let mut listing = Listing::default();
        let root = root.as_os_str().as_bytes();
        let is_whole = here.id == TOP && root == b"/";
        let mut closed = !is_whole;
        if here.id == TOP {
            listing.top = here.uuid;
        } else {
            listing.subvolumes.insert(here.id, here);
            if rustix::fs::fstat(&self.0)?.st_ino == FIRST {
                listing.paths.insert(here.id, shown(root));
            }
        }
        let above = root.strip_suffix(b"/").unwrap_or(root).to_vec();
        let start = rustix::fs::openat(&self.0, ".", FLAGS, Mode::empty())?;
        let below = all_children(&start)?;
        // From each to the first in it: so few descriptors are open as subvolumes lie in each other.
        let mut stack = vec![(start, above, below)];
        while let Some((directory, above, left)) = stack.last_mut() {
            let Some(child) = left.pop_front() else {
                stack.pop();
                continue;
            };
            if listing.subvolumes.len() >= most {
                listing.incomplete = Some(Incomplete::TooMany);
                return Ok(listing);
            }
            if let Some((open, info, name)) = enter(directory, child, &mut closed)? {
                let path = [above, b"/".as_slice(), &name].concat();
                listing.paths.insert(info.id, shown(&path));
                // Those that were met by another way need no second visit.
                let is_new = listing.subvolumes.insert(info.id, info).is_none();
                if is_new && stack.len() < DEEPEST {
                    let below = all_children(&open)?;
                    stack.push((open, path, below));
                }
            }
        }
        listing.incomplete = closed.then_some(Incomplete::Rights);
        Ok(listing)
    }
}

fn shown(path: &[u8]) -> String {
    tidegauge_model::mount::displayable(OsStr::from_bytes(path)).into_owned()
}

fn all_children(directory: &OwnedFd) -> Result<VecDeque<Child>, Errno> {
    let mut all: VecDeque<Child> = VecDeque::new();
    let mut least = 0;
    loop {
        let (some, more) = btrfs::children(directory, least)?;
        all.extend(&some);
        match some.last().and_then(|child| child.id.checked_add(1)) {
            Some(next) if more && next > least => least = next,
            _ => return Ok(all),
        }
    }
}

/// Opens a subvolume that lies in an open one, if it is still the one that was there. `closed` becomes true
/// when the rights for it are missing.
fn enter(
    directory: &OwnedFd,
    child: Child,
    closed: &mut bool,
) -> Result<Option<(OwnedFd, SubvolumeInfo, Vec<u8>)>, Errno> {
    let open = || {
        let path = btrfs::user_path(directory, child)?;
        let flags = FLAGS | OFlags::NOFOLLOW;
        let open = rustix::fs::openat(directory, path.as_slice(), flags, Mode::empty())?;
        let info = btrfs::subvolume_info(&open)?;
        Ok((info.id == child.id).then_some((open, info, path)))
    };
    match open() {
        Err(Errno::ACCESS | Errno::PERM) => {
            *closed = true;
            Ok(None)
        }
        // Deleted meanwhile, or not below the mounted directory.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        other => other,
    }
}

/// The key after one.
fn after((object, kind, offset): (u64, u32, u64)) -> Option<(u64, u32, u64)> {
    if let Some(offset) = offset.checked_add(1) {
        return Some((object, kind, offset));
    }
    match kind.checked_add(1) {
        Some(kind) if kind <= 255 => Some((object, kind, 0)),
        _ => Some((object.checked_add(1)?, 0, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_after_one() {
        assert_eq!(after((256, 132, 0)), Some((256, 132, 1)));
        assert_eq!(after((256, 132, u64::MAX)), Some((256, 133, 0)));
        assert_eq!(after((256, 255, u64::MAX)), Some((257, 0, 0)));
        assert_eq!(after((u64::MAX, 255, u64::MAX)), None);
    }

    #[test]
    fn another_filesystem_has_an_answer() {
        let folder = Path::new("/proc/self");
        let volume = Kernel.open(folder).unwrap();
        assert!(volume.filesystem().is_err());
        assert!(volume.balance().is_err());
        assert!(volume.subvolumes(Path::new("/"), 10).is_err());
        assert!(Kernel.open(&folder.join("stat")).is_err());
    }
}

//! How much a directory tree holds.
//!
//! Never leaves the mount it begins on, follows no symbolic link, counts a hard link once. A tree that
//! cannot be read whole is a failure: a part would pass for the whole.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;
use thiserror::Error;
use tidegauge_model::mount::displayable;

/// What a tree holds, its own directory included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes allocated on the device: what `du` tells.
    pub allocated: u64,
    /// Bytes that the files say they have: what `du --apparent-size` adds up, directories left out.
    pub apparent: u64,
    /// Everything but directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
}

/// A tree that could not be read whole.
#[derive(Debug, Error)]
#[error("cannot read {}: {source}", displayable(path.as_os_str()))]
pub struct TreeError {
    /// The first place that could not be read.
    pub path: PathBuf,
    source: Errno,
}

/// Adds up the tree below `root`. Files that vanish meanwhile do not count.
pub fn measure(root: &Path) -> Result<Usage, TreeError> {
    let fail = |path: &Path, source| TreeError {
        path: path.to_owned(),
        source,
    };
    let top = stat(rustix::fs::CWD, root.as_os_str()).map_err(|e| fail(root, e))?;
    let mount = mount_of(&top);
    let mut usage = Usage {
        allocated: top.stx_blocks * 512,
        directories: 1,
        ..Usage::default()
    };
    let mut linked: HashSet<(u32, u32, u64)> = HashSet::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if path != root => continue,
            Err(error) => return Err(fail(&path, error)),
        };
        for entry in Dir::read_from(&folder).map_err(|e| fail(&path, e))? {
            let entry = entry.map_err(|e| fail(&path, e))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let found = match stat(folder.as_fd(), name) {
                Ok(found) => found,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(fail(&path.join(name), error)),
            };
            if mount_of(&found) != mount {
                continue;
            }
            if FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory {
                usage.directories += 1;
                pending.push(path.join(name));
            } else {
                let identity = (found.stx_dev_major, found.stx_dev_minor, found.stx_ino);
                if found.stx_nlink > 1 && !linked.insert(identity) {
                    continue;
                }
                usage.files += 1;
                usage.apparent = usage.apparent.saturating_add(found.stx_size);
            }
            usage.allocated = usage
                .allocated
                .saturating_add(found.stx_blocks.saturating_mul(512));
        }
    }
    Ok(usage)
}

fn stat(folder: impl AsFd, name: &OsStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let mask = StatxFlags::TYPE
        | StatxFlags::NLINK
        | StatxFlags::INO
        | StatxFlags::SIZE
        | StatxFlags::BLOCKS
        | StatxFlags::MNT_ID;
    rustix::fs::statx(folder, name, flags, mask)
}

/// The mount by its id (Linux 5.8); before that by the device, which also differs between the
/// subvolumes of a btrfs.
fn mount_of(found: &Statx) -> (u64, u32, u32) {
    if found.stx_mask & StatxFlags::MNT_ID.bits() != 0 {
        (found.stx_mnt_id, 0, 0)
    } else {
        (0, found.stx_dev_major, found.stx_dev_minor)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn du(arguments: &[&str], path: &Path) -> u64 {
        let output = Command::new("du")
            .args(arguments)
            .arg(path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    #[test]
    fn a_tree_with_everything_in_it_is_as_du_says() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("a/b/c")).unwrap();
        std::fs::write(at("a/file"), vec![1; 100_000]).unwrap();
        std::fs::hard_link(at("a/file"), at("a/b/again")).unwrap();
        std::os::unix::fs::symlink("..", at("a/b/loop")).unwrap();
        std::fs::File::create(at("a/sparse"))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        std::fs::write(root.path().join(OsStr::from_bytes(b"odd \n \xff")), "x").unwrap();
        for n in 0..2000 {
            std::fs::write(at(&format!("a/b/c/{n}")), "y").unwrap();
        }
        let usage = measure(root.path()).unwrap();
        assert_eq!(usage.allocated, du(&["-s", "--block-size=1"], root.path()));
        assert_eq!((usage.files, usage.directories), (2004, 4));
        assert!(usage.apparent > 1 << 30);
    }

    #[test]
    fn a_missing_tree_is_told() {
        let error = measure(Path::new("/no/such/tree")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read /no/such/tree: No such file"),
            "{error}"
        );
    }
}

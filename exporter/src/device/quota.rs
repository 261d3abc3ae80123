//! What a filesystem itself keeps of a directory's total: project quotas (ext4, XFS, f2fs) and btrfs
//! qgroups. Read in constant time, whatever lies in the directory.
//!
//! A total is used only when it is the directory's: its project is not 0, what is made in it joins the
//! project, and so did what lies right in it (the first 64 entries are asked); a qgroup is that of a subvolume
//! without further ones in it, and is not being rebuilt.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;
use thiserror::Error;
use tidegauge_ioctl::{btrfs, fsxattr, quota};

use super::btrfs::uuid_text;

/// Filesystem types by their magic number (`linux/magic.h`).
const EXT4: u64 = 0xEF53;
const XFS: u64 = 0x5846_5342;
const F2FS: u64 = 0xF2F5_2010;
const BTRFS: u64 = 0x9123_683E;
/// The inode of every subvolume's root (`BTRFS_FIRST_FREE_OBJECTID`).
const SUBVOLUME_ROOT: u64 = 256;
/// So many entries of a directory are asked for their project: one that was marked without what was in
/// it already would show far too little.
const SAMPLED: usize = 64;

/// Where a total comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The quota of the project with this number.
    Project(u32),
    /// The qgroup of the subvolume with this number.
    Qgroup(u64),
}

/// What the filesystem keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Bytes allocated. For a qgroup those that the subvolume refers to, its own metadata included,
    /// compressed as they lie on the device, shared ones counted once.
    pub bytes: u64,
    /// Files and directories, where they are counted.
    pub inodes: Option<u64>,
    /// Who keeps it.
    pub source: Source,
    /// The filesystem, as major and minor number: two directories with one source share a total.
    pub device: (u32, u32),
}

/// The answer for a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A total.
    Total(Total),
    /// Nothing is kept for it.
    Nothing,
    /// Something is, but it cannot be used.
    Unusable(Unusable),
}

/// Why a total that is kept is not used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    /// An entry of the directory belongs to another project.
    #[error(
        "{entry} in it is not of project {project}; give all of it to the project (chattr -R -p {project}, xfs_quota -x -c 'project -s')"
    )]
    Mixed {
        /// The directory's.
        project: u32,
        /// Such an entry, made printable.
        entry: String,
    },
    /// The rights are missing, and no limit is set, with which anybody may ask.
    #[error("project {0} can be read only with CAP_SYS_ADMIN, or where it has a limit by anybody")]
    Denied(u32),
    /// Further subvolumes lie in it.
    #[error("other subvolumes lie in it, which its qgroup does not count")]
    Subvolumes,
    /// The qgroups have to be rebuilt.
    #[error("the qgroups are inconsistent; `btrfs quota rescan` rebuilds them")]
    Inconsistent,
}

/// The directory could not be asked.
#[derive(Debug, Error)]
#[error("cannot ask for the quota of {path}: {source}")]
pub struct QuotaError {
    path: String,
    source: io::Error,
}

/// Asks what is kept for a directory. `sysfs` is where sysfs is mounted.
pub fn kept(directory: &Path, sysfs: &Path) -> Result<Kept, QuotaError> {
    let ask = || -> io::Result<Kept> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = rustix::fs::open(directory, flags, Mode::empty())?;
        #[expect(
            clippy::cast_sign_loss,
            reason = "a magic number is 32 bits without a sign, in a type that has one"
        )]
        let magic = rustix::fs::fstatfs(&open)?.f_type as u64 & 0xFFFF_FFFF;
        match magic {
            EXT4 | XFS | F2FS => of_project(&open),
            BTRFS => of_subvolume(&open, sysfs),
            _ => Ok(Kept::Nothing),
        }
    };
    ask().map_err(|source| QuotaError {
        path: tidegauge_model::mount::displayable(directory.as_os_str()).into_owned(),
        source,
    })
}

fn of_project(open: &OwnedFd) -> io::Result<Kept> {
    let project = match fsxattr::project(open) {
        Ok(project) if project.id != 0 && project.inherited => project.id,
        Ok(_) | Err(Errno::NOTTY | Errno::OPNOTSUPP) => return Ok(Kept::Nothing),
        Err(error) => return Err(error.into()),
    };
    let (bytes, inodes) = match quota::project_usage(open, project) {
        Ok(usage) => (usage.bytes, usage.inodes),
        // Not switched on, nothing kept yet, or a kernel without.
        Err(Errno::SRCH | Errno::NOENT | Errno::NOSYS) => return Ok(Kept::Nothing),
        Err(Errno::PERM) => match by_limit(open)? {
            Some(usage) => usage,
            None => return Ok(Kept::Unusable(Unusable::Denied(project))),
        },
        Err(error) => return Err(error.into()),
    };
    if let Some(entry) = other_project(open, project)? {
        return Ok(Kept::Unusable(Unusable::Mixed { project, entry }));
    }
    Ok(Kept::Total(Total {
        bytes,
        inodes: Some(inodes),
        source: Source::Project(project),
        device: device(open.as_fd())?,
    }))
}

/// Anybody may ask by statfs(2): where the project has a limit, a directory of it shows the limit as its
/// size. Over the limit nothing is free, and then it does not tell how much is used.
fn by_limit(open: &OwnedFd) -> io::Result<Option<(u64, u64)>> {
    let here = rustix::fs::fstatvfs(open)?;
    let whole = root_of_filesystem(open)?;
    let has_limits = here.f_blocks != whole.0 && here.f_files != whole.1;
    if !has_limits || here.f_bfree == 0 || here.f_ffree == 0 {
        return Ok(None);
    }
    let bytes = here.f_blocks.saturating_sub(here.f_bfree);
    Ok(Some((
        bytes.saturating_mul(here.f_frsize),
        here.f_files.saturating_sub(here.f_ffree),
    )))
}

/// Blocks and inodes of the filesystem as a directory without a project sees them: the nearest one
/// above.
fn root_of_filesystem(open: &OwnedFd) -> io::Result<(u64, u64)> {
    let mount = device(open.as_fd())?;
    let mut at = open.try_clone()?;
    loop {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::openat(&at, "..", flags, Mode::empty())?;
        let same = rustix::fs::fstat(&parent)?.st_ino == rustix::fs::fstat(&at)?.st_ino;
        if same || device(parent.as_fd())? != mount {
            break;
        }
        at = parent;
        if !matches!(fsxattr::project(&at), Ok(p) if p.id != 0) {
            break;
        }
    }
    let whole = rustix::fs::fstatvfs(&at)?;
    Ok((whole.f_blocks, whole.f_files))
}

/// An entry of another project among the first of the directory.
fn other_project(open: &OwnedFd, project: u32) -> io::Result<Option<String>> {
    let mut buffer = [MaybeUninit::uninit(); 8192];
    // A descriptor of its own: reading moves its position.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listing = rustix::fs::openat(open, ".", flags, Mode::empty())?;
    let mut entries = RawDir::new(listing, &mut buffer);
    let mut left = SAMPLED;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        let plain = matches!(
            entry.file_type(),
            FileType::Directory | FileType::RegularFile
        );
        if matches!(name.to_bytes(), b"." | b"..") || !plain {
            continue;
        }
        if left == 0 {
            break;
        }
        left -= 1;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // What cannot be opened (rights, or gone) says nothing.
        let Ok(file) = rustix::fs::openat(open, name, flags, Mode::empty()) else {
            continue;
        };
        if device(file.as_fd())? == device(open.as_fd())?
            && let Ok(found) = fsxattr::project(&file)
            && found.id != project
        {
            return Ok(Some(format!("`{}`", name.to_bytes().escape_ascii())));
        }
    }
    Ok(None)
}

fn device(file: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let found = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::INO)?;
    Ok((found.stx_dev_major, found.stx_dev_minor))
}

fn of_subvolume(open: &OwnedFd, sysfs: &Path) -> io::Result<Kept> {
    if rustix::fs::fstat(open)?.st_ino != SUBVOLUME_ROOT {
        return Ok(Kept::Nothing);
    }
    let id = btrfs::subvolume_id(open)?;
    let groups = sysfs
        .join("fs/btrfs")
        .join(uuid_text(btrfs::filesystem_id(open)?))
        .join("qgroups");
    let text = match fs::read_to_string(groups.join(format!("0_{id}/referenced"))) {
        Ok(text) => text,
        // Quotas are not on.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Nothing),
        Err(error) => return Err(error),
    };
    // Since Linux 6.1; before that nobody can tell without rights.
    if fs::read(groups.join("inconsistent")).is_ok_and(|flag| flag.first() == Some(&b'1')) {
        return Ok(Kept::Unusable(Unusable::Inconsistent));
    }
    if btrfs::has_subvolumes(open)? {
        return Ok(Kept::Unusable(Unusable::Subvolumes));
    }
    Ok(Kept::Total(Total {
        bytes: referenced(&text)?,
        inodes: None,
        source: Source::Qgroup(id),
        device: device(open.as_fd())?,
    }))
}

/// The content of a qgroup's `referenced`: a number and a newline.
pub fn referenced(text: &str) -> io::Result<u64> {
    text.trim_end_matches('\n').parse().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{}` is not a qgroup's size", text.escape_debug()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn where_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let answer = kept(folder.path(), Path::new("/sys")).unwrap();
        assert_eq!(answer, Kept::Nothing);
        let error = kept(Path::new("/no/such"), Path::new("/sys")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot ask for the quota of /no/such: No such file or directory (os error 2)"
        );
    }

    proptest! {
        #[test]
        fn any_reply_has_an_answer(text in "(?s).{0,30}", number: u64) {
            let _ = referenced(&text);
            prop_assert_eq!(referenced(&format!("{number}\n")).unwrap(), number);
        }
    }
}

//! A file's extended flags and project: `FS_IOC_FSGETXATTR` of `linux/fs.h`.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, ioctl, opcode};

/// `FS_XFLAG_PROJINHERIT`: what is made in the directory belongs to its project.
const PROJINHERIT: u32 = 0x200;

/// `struct fsxattr`.
#[repr(C)]
struct FsXattr {
    xflags: u32,
    extsize: u32,
    nextents: u32,
    projid: u32,
    cowextsize: u32,
    pad: [u8; 8],
}

/// The project that a file or directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its number; 0 is that of everything without one.
    pub id: u32,
    /// For a directory: what is made in it belongs to the project too.
    pub inherited: bool,
}

/// The project of an open file. `ENOTTY` or `EOPNOTSUPP` where the filesystem knows none.
pub fn project(file: impl AsFd) -> Result<Project, Errno> {
    const REQUEST: u32 = opcode::read::<FsXattr>(b'X', 31);
    // SAFETY: the request's number holds the size of the struct, all of whose bit patterns are valid;
    // the kernel fills it whole or fails.
    let found = unsafe { ioctl(file, Getter::<REQUEST, FsXattr>::new()) }?;
    Ok(Project {
        id: found.projid,
        inherited: found.xflags & PROJINHERIT != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<FsXattr>(), 28);
        let request: u32 = opcode::read::<FsXattr>(b'X', 31);
        assert_eq!(request, 0x801C_581F);
    }

    #[test]
    fn a_file_without_projects_has_an_answer() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert!(project(file).is_err());
    }
}

//! What the filesystem's quota keeps for a project: quotactl_fd(2), Linux 5.14.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// `QCMD(Q_GETQUOTA, PRJQUOTA)` of `linux/quota.h`.
const GET_PROJECT_QUOTA: libc::c_uint = (0x0080_0007 << 8) | 2;

/// `struct if_dqblk`.
#[repr(C)]
#[derive(Default)]
struct Dqblk {
    bhardlimit: u64,
    bsoftlimit: u64,
    curspace: u64,
    ihardlimit: u64,
    isoftlimit: u64,
    curinodes: u64,
    btime: u64,
    itime: u64,
    valid: u32,
}

/// What a project uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectUsage {
    /// Bytes allocated.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

/// What the project uses on the filesystem of an open file. Needs CAP_SYS_ADMIN (`EPERM`). `ESRCH`:
/// project quotas are not on; `ENOENT`: nothing is kept for this project; `ENOSYS`: an older kernel.
pub fn project_usage(file: impl AsFd, project: u32) -> Result<ProjectUsage, Errno> {
    let mut found = Dqblk::default();
    // SAFETY: the descriptor is open for the time of the call; the last argument points to a struct of
    // the layout that Q_GETQUOTA fills, which lives until after it and is borrowed by nobody else.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            file.as_fd().as_raw_fd(),
            GET_PROJECT_QUOTA,
            project,
            &raw mut found,
        )
    };
    if answer != 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    }
    Ok(ProjectUsage {
        bytes: found.curspace,
        inodes: found.curinodes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<Dqblk>(), 72);
        assert_eq!(GET_PROJECT_QUOTA, 0x8000_0702);
    }

    #[test]
    fn a_filesystem_without_quotas_has_an_answer() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert!(project_usage(file, 1).is_err());
    }
}

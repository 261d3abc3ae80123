//! What a filesystem is busy with: scrubs and balances under way. CAP_SYS_ADMIN.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, Updater, ioctl, opcode};

use super::MAGIC;

/// `BTRFS_BALANCE_STATE_RUNNING`.
const RUNNING: u64 = 1;

/// `struct btrfs_ioctl_scrub_args`.
#[repr(C)]
struct ScrubArgs {
    devid: u64,
    start: u64,
    end: u64,
    flags: u64,
    progress: ScrubProgress,
    unused: [u64; 109],
}

/// `struct btrfs_scrub_progress`: what the scrub of a device has found so far.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubProgress {
    /// Data extents read.
    pub data_extents_scrubbed: u64,
    /// Tree blocks read.
    pub tree_extents_scrubbed: u64,
    /// Bytes of data read.
    pub data_bytes_scrubbed: u64,
    /// Bytes of tree blocks read.
    pub tree_bytes_scrubbed: u64,
    /// Blocks that could not be read.
    pub read_errors: u64,
    /// Data blocks whose checksum is wrong.
    pub csum_errors: u64,
    /// Tree blocks that are not what they should be.
    pub verify_errors: u64,
    /// Data blocks without a checksum.
    pub no_csum: u64,
    /// Checksums without data.
    pub csum_discards: u64,
    /// Superblocks that are wrong.
    pub super_errors: u64,
    /// Times that the kernel had no memory for it.
    pub malloc_errors: u64,
    /// Errors that no intact copy could mend.
    pub uncorrectable_errors: u64,
    /// Errors that were mended.
    pub corrected_errors: u64,
    /// How far it is on the device.
    pub last_physical: u64,
    /// Errors that were none when looked at again.
    pub unverified_errors: u64,
}

/// `struct btrfs_ioctl_balance_args`, without its filters.
#[repr(C)]
struct BalanceArgs {
    flags: u64,
    state: u64,
    filters: [[u64; 17]; 3],
    expected: u64,
    considered: u64,
    completed: u64,
    unused: [u64; 72],
}

/// A balance that has begun and not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalanceProgress {
    /// Whether it runs; else it is paused.
    pub is_running: bool,
    /// How many chunks it will move, as estimated.
    pub expected: u64,
    /// How many it has looked at.
    pub considered: u64,
    /// How many it has moved.
    pub completed: u64,
}

/// The scrub that runs on a device, by its number in the filesystem; `None` when none does. `EPERM` without
/// CAP_SYS_ADMIN; `ENODEV`: no such device.
pub fn scrub_progress(file: impl AsFd, device: u64) -> Result<Option<ScrubProgress>, Errno> {
    const REQUEST: u32 = opcode::read_write::<ScrubArgs>(MAGIC, 29);
    let mut found = ScrubArgs {
        devid: device,
        start: 0,
        end: 0,
        flags: 0,
        progress: ScrubProgress::default(),
        unused: [0; 109],
    };
    // SAFETY: the request's number holds the size of the struct, which is initialised, borrowed by
    // nobody else and of which all bit patterns are valid.
    match unsafe { ioctl(file, Updater::<REQUEST, ScrubArgs>::new(&mut found)) } {
        Ok(()) => Ok(Some(found.progress)),
        Err(Errno::NOTCONN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The balance that has begun and not ended; `None` when there is none. `EPERM` without CAP_SYS_ADMIN.
pub fn balance_progress(file: impl AsFd) -> Result<Option<BalanceProgress>, Errno> {
    const REQUEST: u32 = opcode::read::<BalanceArgs>(MAGIC, 34);
    // SAFETY: the request's number holds the size of the struct, all of whose bit patterns are valid;
    // the kernel fills it whole or fails.
    match unsafe { ioctl(file, Getter::<REQUEST, BalanceArgs>::new()) } {
        Ok(found) => Ok(Some(BalanceProgress {
            is_running: found.state & RUNNING != 0,
            expected: found.expected,
            considered: found.considered,
            completed: found.completed,
        })),
        Err(Errno::NOTCONN) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_the_kernels() {
        assert_eq!(opcode::read_write::<ScrubArgs>(MAGIC, 29), 0xC400_941D);
        assert_eq!(opcode::read::<BalanceArgs>(MAGIC, 34), 0x8400_9422);
    }

    #[test]
    fn another_filesystem_has_an_answer() {
        let file = || std::fs::File::open("/proc/self/stat").unwrap();
        assert!(scrub_progress(file(), 1).is_err());
        assert!(balance_progress(file()).is_err());
    }
}

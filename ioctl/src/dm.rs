//! What device mapper tells of a device's targets: `linux/dm-ioctl.h`.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use rustix::io::Errno;

/// The control device.
const CONTROL: &str = "/dev/mapper/control";
/// `DM_TABLE_STATUS`.
const TABLE_STATUS: u32 = 0xC138_FD0C;
/// `sizeof(struct dm_ioctl)`.
const HEADER: usize = 312;
/// `DM_BUFFER_FULL_FLAG`: the answer did not fit.
const BUFFER_FULL: u32 = 1 << 8;
/// `DM_NOFLUSH_FLAG`: a thin pool is not made to commit first.
const NO_FLUSH: u32 = 1 << 11;
/// Most answers fit in this. One that does not is asked again with twice as much.
const FIRST: usize = 16 << 10;
/// No answer is taken that is longer: a table of thousands of targets.
const MOST: usize = 4 << 20;

/// Opens the control device for reading, which is enough to ask. `ENOENT` where there is none or the process
/// does not see it, `EACCES` for others than root without CAP_DAC_READ_SEARCH.
pub fn open_control() -> std::io::Result<File> {
    File::open(Path::new(CONTROL))
}

/// The whole answer, `struct dm_ioctl` first, of the device with this number: the state of each of its targets.
/// The tables themselves, which may hold keys, are not asked for. Needs CAP_SYS_ADMIN (`EACCES`). `ENXIO`: there
/// is no such device. `EMSGSIZE`: the answer is longer than any that is taken.
///
/// Blocks as long as a target's metadata does.
pub fn table_status(control: impl AsFd, major: u32, minor: u32) -> Result<Vec<u8>, Errno> {
    let mut size = FIRST;
    loop {
        let mut answer = question(size, major, minor);
        // SAFETY: the descriptor is open for the time of the call. The kernel reads and writes no more than the
        // `data_size` of the struct at the pointer, which is the length of the buffer; that lives until after
        // the call, is borrowed by nobody else, and any bytes are valid in it.
        let result = unsafe {
            libc::ioctl(
                control.as_fd().as_raw_fd(),
                libc::Ioctl::from(TABLE_STATUS),
                answer.as_mut_ptr(),
            )
        };
        if result < 0 {
            let error = std::io::Error::last_os_error();
            match Errno::from_io_error(&error).unwrap_or(Errno::IO) {
                Errno::INTR => continue,
                error => return Err(error),
            }
        }
        if flags(&answer) & BUFFER_FULL == 0 {
            return Ok(answer);
        }
        size *= 2;
        if size > MOST {
            return Err(Errno::MSGSIZE);
        }
    }
}

/// A `struct dm_ioctl` with room for the answer behind it.
fn question(size: usize, major: u32, minor: u32) -> Vec<u8> {
    let mut bytes = vec![0; size.max(HEADER)];
    let number =
        (u64::from(minor) & 0xFF) | (u64::from(major) << 8) | ((u64::from(minor) & !0xFF) << 12);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let header = u32::try_from(HEADER).unwrap_or(u32::MAX);
    // version 4.0.0: what every kernel of today understands
    bytes[0..4].copy_from_slice(&4u32.to_ne_bytes());
    bytes[12..16].copy_from_slice(&length.to_ne_bytes());
    bytes[16..20].copy_from_slice(&header.to_ne_bytes());
    bytes[28..32].copy_from_slice(&NO_FLUSH.to_ne_bytes());
    bytes[40..48].copy_from_slice(&number.to_ne_bytes());
    bytes
}

fn flags(answer: &[u8]) -> u32 {
    answer
        .get(28..32)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// `struct dm_ioctl`.
    #[repr(C)]
    struct DmIoctl {
        version: [u32; 3],
        data_size: u32,
        data_start: u32,
        target_count: u32,
        open_count: i32,
        flags: u32,
        event_nr: u32,
        padding: u32,
        dev: u64,
        name: [u8; 128],
        uuid: [u8; 129],
        data: [u8; 7],
    }

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<DmIoctl>(), HEADER);
        assert_eq!(
            TABLE_STATUS,
            rustix::ioctl::opcode::read_write::<DmIoctl>(0xFD, 12)
        );
        let offsets = [
            offset_of!(DmIoctl, version),
            offset_of!(DmIoctl, data_size),
            offset_of!(DmIoctl, data_start),
            offset_of!(DmIoctl, flags),
            offset_of!(DmIoctl, dev),
        ];
        assert_eq!(offsets, [0, 12, 16, 28, 40]);
    }

    #[test]
    fn great_minor_numbers_are_encoded_as_the_kernel_does() {
        let bytes = question(0, 253, 0x12345);
        assert_eq!(bytes.len(), HEADER);
        let number = u64::from_ne_bytes(bytes[40..48].try_into().unwrap());
        let decoded = (
            (number & 0xF_FF00) >> 8,
            (number & 0xFF) | ((number >> 12) & 0xF_FF00),
        );
        assert_eq!(decoded, (253, 0x12345));
        assert_eq!(flags(&bytes), NO_FLUSH);
    }

    #[test]
    fn another_file_has_an_answer() {
        let file = File::open("/proc/self/stat").unwrap();
        assert_eq!(table_status(file, 253, 0), Err(Errno::NOTTY));
    }
}

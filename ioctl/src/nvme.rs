//! Admin commands of NVMe controllers: `NVME_IOCTL_ADMIN_CMD` of `linux/nvme_ioctl.h`.
//!
//! Only the two that read are here: Identify and Get Log Page (NVMe Base Specification 2.0, 5.17 and 5.16).
//! Neither sets a time-out: one that runs out in the admin queue makes the kernel reset the controller, so
//! the kernel's own (a minute or more) holds, and who cannot wait asks on a thread of its own.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use thiserror::Error;

/// How many bytes Identify answers with.
pub const IDENTIFY_LENGTH: usize = 4096;
/// The most that is read of a log page at once: what any controller can transfer.
pub const LOG_LENGTH: usize = 4096;

const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
/// All namespaces, or none in particular.
const WHOLE_CONTROLLER: u32 = 0xFFFF_FFFF;
/// `EINTR` is also the kernel's answer for a command that it cancelled, as when a controller is reset: a
/// command is given again this often, and no more.
const ATTEMPTS: u32 = 3;

const REQUEST: Opcode = opcode::read_write::<Command>(b'N', 0x41);

/// `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Command {
    opcode: u8,
    flags: u8,
    rsvd1: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    addr: u64,
    metadata_len: u32,
    data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    result: u32,
}

/// Why a command has no answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    /// The kernel did not carry it out. `EACCES`: CAP_SYS_ADMIN is missing.
    #[error("{0}")]
    Os(Errno),
    /// The controller refused it, with this status: bits 7:0 status code, 10:8 status code type, 14 do not
    /// retry (NVMe 2.0, 3.3.3.2.1, without the phase bit).
    #[error("NVMe status {0:#x}")]
    Status(u16),
}

/// Which log page to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogPage {
    /// Log page identifier (LID).
    pub id: u8,
    /// Log specific identifier (LSI): which of several, as an endurance group; else 0.
    pub index: u16,
    /// Retain asynchronous event (RAE): an event that waits to be reported by this page stays. Controllers
    /// before NVMe 1.3 do not have the bit.
    pub retain: bool,
}

/// One command, with the buffer that its `addr` points to borrowed for as long as it lives.
struct Admin<'a> {
    command: Command,
    buffer: PhantomData<&'a mut [u8]>,
}

impl<'a> Admin<'a> {
    fn new(mut command: Command, buffer: &'a mut [u8]) -> Result<Self, CommandError> {
        command.addr = buffer.as_mut_ptr() as u64;
        command.data_len =
            u32::try_from(buffer.len()).map_err(|_| CommandError::Os(Errno::INVAL))?;
        Ok(Self {
            command,
            buffer: PhantomData,
        })
    }

    fn run(&mut self, file: impl AsFd) -> Result<(), CommandError> {
        let mut attempts = 1;
        loop {
            // SAFETY: the request's number holds the size of the struct; it is initialised, its `addr` and
            // `data_len` are those of a buffer that is borrowed by nobody else while `self` lives and of
            // which all bit patterns are valid, and there is no metadata.
            match unsafe { ioctl(file.as_fd(), Call(&mut self.command)) } {
                Ok(0) => return Ok(()),
                // Fifteen bits; anything else would be no status.
                Ok(status) => {
                    return Err(u16::try_from(status)
                        .map_or(CommandError::Os(Errno::IO), CommandError::Status));
                }
                Err(Errno::INTR) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(CommandError::Os(error)),
            }
        }
    }
}

struct Call<'a>(&'a mut Command);

// SAFETY: the pointer is to the struct that the request's number tells the size of; the kernel writes its
// `result` only. The output is the system call's own.
unsafe impl Ioctl for Call<'_> {
    type Output = c_int;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        REQUEST
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.0).cast()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> Result<Self::Output, Errno> {
        Ok(output)
    }
}

/// Identify (CNS `what`: 1 the controller, 19h its endurance groups). Blocks for as long as the kernel's
/// time-out. Linux 6.2 and later let anybody who may open the node identify the controller.
pub fn identify(
    file: impl AsFd,
    what: u8,
    buffer: &mut [u8; IDENTIFY_LENGTH],
) -> Result<(), CommandError> {
    let command = Command {
        opcode: IDENTIFY,
        cdw10: what.into(),
        ..Command::default()
    };
    Admin::new(command, buffer)?.run(file)
}

/// Get Log Page from its beginning, as much as the buffer holds: a multiple of 4 bytes, at most
/// [`LOG_LENGTH`] (else `EINVAL`). Needs CAP_SYS_ADMIN. Blocks for as long as the kernel's time-out.
pub fn log_page(file: impl AsFd, page: LogPage, buffer: &mut [u8]) -> Result<(), CommandError> {
    let command = log_command(page, buffer.len()).ok_or(CommandError::Os(Errno::INVAL))?;
    Admin::new(command, buffer)?.run(file)
}

fn log_command(page: LogPage, length: usize) -> Option<Command> {
    if length == 0 || !length.is_multiple_of(4) || length > LOG_LENGTH {
        return None;
    }
    let dwords = u32::try_from(length / 4 - 1).ok()?;
    Some(Command {
        opcode: GET_LOG_PAGE,
        nsid: WHOLE_CONTROLLER,
        cdw10: u32::from(page.id) | u32::from(page.retain) << 15 | dwords << 16,
        cdw11: u32::from(page.index) << 16,
        ..Command::default()
    })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<Command>(), 72);
        assert_eq!(REQUEST, 0xC048_4E41);
        assert_eq!(offset_of!(Command, nsid), 4);
        assert_eq!(offset_of!(Command, addr), 24);
        assert_eq!(offset_of!(Command, data_len), 36);
        assert_eq!(offset_of!(Command, cdw10), 40);
        assert_eq!(offset_of!(Command, timeout_ms), 64);
        assert_eq!(offset_of!(Command, result), 68);
    }

    #[test]
    fn commands_are_the_specifications() {
        let page = |id, index, retain| LogPage { id, index, retain };
        let health = log_command(page(0x02, 0, true), 512).unwrap();
        assert_eq!((health.cdw10, health.cdw11), (0x007F_8002, 0));
        assert_eq!(health.timeout_ms, 0);
        let health = log_command(page(0x02, 0, false), 512).unwrap();
        assert_eq!(health.cdw10, 0x007F_0002);
        let group = log_command(page(0x09, 7, true), 512).unwrap();
        assert_eq!(group.cdw11, 7 << 16);
        for length in [0, 3, 6, 4100] {
            assert!(log_command(page(2, 0, true), length).is_none(), "{length}");
        }
    }

    #[test]
    fn what_is_no_controller_has_an_answer() {
        let file = || std::fs::File::open("/dev/null").unwrap();
        let page = LogPage {
            id: 2,
            index: 0,
            retain: true,
        };
        let not = Err(CommandError::Os(Errno::NOTTY));
        assert_eq!(log_page(file(), page, &mut [0; 512]), not);
        assert_eq!(identify(file(), 1, &mut [0; IDENTIFY_LENGTH]), not);
        assert_eq!(
            log_page(file(), page, &mut [0; 3]),
            Err(CommandError::Os(Errno::INVAL))
        );
    }
}

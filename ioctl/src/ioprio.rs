//! The I/O priority of a thread: ioprio_set(2).

use rustix::io::Errno;

/// `IOPRIO_WHO_PROCESS`; with 0 it is the calling thread.
const WHO_PROCESS: libc::c_int = 1;
/// `IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)`.
const IDLE: libc::c_int = 3 << 13;

/// The calling thread's I/O waits for that of everybody else, where the device's scheduler heeds it
/// (BFQ, mq-deadline).
pub fn set_idle() -> Result<(), Errno> {
    // SAFETY: takes integers only.
    let answer = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, IDLE) };
    if answer == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_set() {
        super::set_idle().unwrap();
    }
}

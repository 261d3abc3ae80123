//! A program that listens, for as long as a test needs it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::http::{Response, get};
use crate::scratch::Scratch;
use crate::wait::wait_until;

/// For starting and for ending. Prometheus takes a second or two on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// After SIGKILL. A thread stuck in a hung filesystem keeps its process for longer than any wait.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// A port nobody listens on. Another program may take it before it is used; that is unlikely, and the
/// daemon that then fails to start says so.
///
/// # Panics
/// When none is free.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no port is free: {error}"))
        .port()
}

/// A running program; ended when dropped, and by the kernel when the thread that started it dies.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    address: String,
    log: PathBuf,
    /// Holds the log, and whatever the program was given to keep.
    scratch: Scratch,
}

impl Daemon {
    /// Starts a program and waits until `ready` (a path, as `/-/ready`) answers with this status at
    /// `address`.
    ///
    /// The folder is the program's: its configuration and data lie there and go with it.
    ///
    /// # Panics
    /// When it does not start, ends, or is not ready in time, with its log.
    pub fn start<Argument: AsRef<OsStr>>(
        program: &OsStr,
        arguments: impl IntoIterator<Item = Argument>,
        address: &str,
        ready: (&str, u16),
        scratch: Scratch,
    ) -> Self {
        let name = PathBuf::from(program)
            .file_name()
            .unwrap_or(program)
            .to_string_lossy()
            .into();
        let log = scratch.path().join("log");
        let (output, errors) = File::create(&log)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", log.display()));
        // setpriv becomes the program, which then dies with this test even if the test is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start setpriv (of util-linux): {error}"));
        let mut daemon = Self {
            name,
            child,
            address: address.to_owned(),
            log,
            scratch,
        };
        daemon.wait_until_ready(ready);
        daemon
    }

    fn wait_until_ready(&mut self, (path, status): (&str, u16)) {
        let outcome = wait_until(LIMIT, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(Err(status));
            }
            let response = get(&self.address, path, &[]).ok()?;
            (response.status == status).then_some(Ok(()))
        });
        match outcome {
            Some(Ok(())) => {}
            Some(Err(status)) => panic!("{} ended at once: {status}\n{}", self.name, self.log()),
            None => panic!("{} is not ready after {LIMIT:?}\n{}", self.name, self.log()),
        }
    }

    /// As `127.0.0.1:4711`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder that is its own.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// All that it wrote so far to standard output and standard error.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Asks it for a path.
    ///
    /// # Errors
    /// As [`get`].
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
        get(&self.address, path, headers)
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal)
            .unwrap_or_else(|error| panic!("cannot send {signal:?} to {}: {error}", self.name));
    }

    /// Waits until it has ended by itself; `None` when it does not in time.
    pub fn wait(&mut self) -> Option<ExitStatus> {
        wait_until(LIMIT, || self.child.try_wait().ok().flatten())
    }

    fn process(&self) -> Pid {
        // The child is ours and not yet waited for, so the number is still its own.
        Pid::from_child(&self.child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Errs only when it has just ended.
        let _ended = self.child.kill();
        // Never for ever: a filesystem that releases the process may be dropped only after this.
        if wait_until(KILL_LIMIT, || self.child.try_wait().ok().flatten()).is_none() {
            eprintln!(
                "rig: {} (pid {}) is stuck in the kernel",
                self.name,
                self.child.id()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "ended at once: exit status: 3\nno such thing")]
    fn a_program_that_ends_is_shown_with_its_log() {
        let arguments = ["-c", "echo no such thing >&2; exit 3"];
        let address = format!("127.0.0.1:{}", free_port());
        Daemon::start(
            "sh".as_ref(),
            arguments,
            &address,
            ("/", 200),
            Scratch::new("daemon"),
        );
    }
}

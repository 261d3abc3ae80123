//! Runs a tool of the system (smartctl, lvm) with a deadline and a bound on what it may print.
//!
//! A tool that hangs in the kernel cannot be ended. It is left behind, and no other is started in its place
//! until it has gone: never more than one for each [`Runner`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use thiserror::Error;

use crate::rights::hand_down;

/// Of what a tool says on standard error, this much is kept.
const MOST_ERRORS: usize = 4096;
/// What was ended is waited for this long before it is left behind.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// What a tool said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// The beginning of what it said of mistakes, as text.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

/// Why there is nothing from a tool.
#[derive(Debug, Error)]
pub enum ToolError {
    /// It is not there.
    #[error("{} is not there; install it, or name where it is in the configuration", .0.display())]
    Missing(PathBuf),
    /// It could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It was ended.
    #[error("{} did not end within {limit:?}; the device or a lock may hang", program.display())]
    Late {
        /// Which.
        program: PathBuf,
        /// What it was given.
        limit: Duration,
    },
    /// It was ended.
    #[error("{} printed more than {most} bytes", program.display())]
    TooMuch {
        /// Which.
        program: PathBuf,
        /// What it was given.
        most: usize,
    },
    /// The one before still hangs in the kernel, so none was started.
    #[error("{} still hangs in the kernel since an earlier reading", program.display())]
    Stuck {
        /// Which.
        program: PathBuf,
    },
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The program's file.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [&'a OsStr],
    /// It is ended after this long.
    pub limit: Duration,
    /// It is ended when it prints more than this many bytes.
    pub most: usize,
}

/// Finds a program in `PATH`, then where tools of administrators are; nothing relative.
pub fn find(name: &str) -> Result<PathBuf, ToolError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| ToolError::Missing(name.into()))
}

/// Runs one at a time.
#[derive(Debug, Default)]
pub struct Runner {
    left_behind: Option<Child>,
}

impl Runner {
    /// Runs it to its end or its deadline, with the rights of the calling thread, `LC_ALL=C` and nothing on
    /// standard input.
    pub fn run(&mut self, call: Call<'_>) -> Result<Output, ToolError> {
        let program = || call.program.to_owned();
        if let Some(mut child) = self.left_behind.take()
            && matches!(child.try_wait(), Ok(None))
        {
            self.left_behind = Some(child);
            return Err(ToolError::Stuck { program: program() });
        }
        let began = Instant::now();
        let failed = |source| ToolError::Start {
            program: program(),
            source,
        };
        hand_down().map_err(|error| failed(io::Error::other(error)))?;
        let mut child = Command::new(call.program)
            .args(call.arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its children too are ended with it.
            .process_group(0)
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => ToolError::Missing(program()),
                _ => failed(source),
            })?;
        let heard = listen(&mut child, began, call);
        let verdict = match heard {
            Ok(Heard::Ended(stdout, stderr)) => match child.wait() {
                Ok(status) => {
                    return Ok(Output {
                        code: status.code(),
                        signal: status.signal(),
                        stdout,
                        stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
                        took: began.elapsed(),
                    });
                }
                Err(source) => failed(source),
            },
            Ok(Heard::Late) => ToolError::Late {
                program: program(),
                limit: call.limit,
            },
            Ok(Heard::TooMuch) => ToolError::TooMuch {
                program: program(),
                most: call.most,
            },
            Err(source) => failed(source),
        };
        self.end(child);
        Err(verdict)
    }

    fn end(&mut self, mut child: Child) {
        if let Some(group) = pid_of(&child) {
            // Gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let ended = pidfd(&child)
            .is_ok_and(|fd| wait_for(&[fd.as_fd()], LAST_BREATH).is_ok_and(|ready| ready[0]));
        if !ended || !matches!(child.try_wait(), Ok(Some(_))) {
            self.left_behind = Some(child);
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(child) = &mut self.left_behind {
            let _ = child.try_wait();
        }
    }
}

enum Heard {
    Ended(Vec<u8>, Vec<u8>),
    Late,
    TooMuch,
}

/// Takes what the child prints until it has ended. A grandchild that keeps the pipes open is not waited for.
fn listen(child: &mut Child, began: Instant, call: Call<'_>) -> io::Result<Heard> {
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let end = pidfd(child)?;
    let out: OwnedFd = child.stdout.take().ok_or_else(missing)?.into();
    let errors: OwnedFd = child.stderr.take().ok_or_else(missing)?.into();
    for fd in [&out, &errors] {
        rustix::io::ioctl_fionbio(fd, true)?;
    }
    let (mut out, mut errors) = (Some(File::from(out)), Some(File::from(errors)));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        let left = call.limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(Heard::Late);
        }
        let pipes = [&out, &errors].into_iter().flatten().map(AsFd::as_fd);
        let all: Vec<_> = std::iter::once(end.as_fd()).chain(pipes).collect();
        let ended = wait_for(&all, left)?[0];
        drain(&mut out, &mut stdout, call.most)?;
        drain(&mut errors, &mut stderr, MOST_ERRORS)?;
        if stdout.len() > call.most {
            return Ok(Heard::TooMuch);
        }
        if ended {
            // What was in the pipes when it ended is there whole.
            drain(&mut out, &mut stdout, call.most)?;
            return Ok(Heard::Ended(stdout, stderr));
        }
    }
}

/// Reads what is there, but no more than a pipe holds, so that one who prints for ever does not keep us from
/// looking at the time. What goes over `most` by more than a byte is thrown away.
fn drain(pipe: &mut Option<File>, into: &mut Vec<u8>, most: usize) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    for _ in 0..4 {
        let Some(file) = pipe else { return Ok(()) };
        match file.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(n) => {
                let room = (most + 1).saturating_sub(into.len());
                into.extend_from_slice(&buffer[..n.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

fn pidfd(child: &Child) -> io::Result<OwnedFd> {
    let pid = pid_of(child).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Waits until one of them is ready; tells which are.
fn wait_for(fds: &[std::os::fd::BorrowedFd<'_>], limit: Duration) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    let limit = Timespec::try_from(limit).unwrap_or(Timespec {
        tv_sec: 3600,
        tv_nsec: 0,
    });
    match poll(&mut polled, Some(&limit)) {
        Ok(_) => Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(rustix::io::Errno::INTR) => Ok(vec![false; fds.len()]),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn sh(runner: &mut Runner, script: &str, limit: Duration) -> Result<Output, ToolError> {
        let arguments: Vec<OsString> = vec!["-c".into(), script.into()];
        let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
        runner.run(Call {
            program: Path::new("/bin/sh"),
            arguments: &arguments,
            limit,
            most: 100_000,
        })
    }

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn what_it_prints_and_how_it_ends() {
        let mut runner = Runner::default();
        let output = sh(&mut runner, "echo a; echo b >&2; exit 3", LONG).unwrap();
        assert_eq!(
            (output.code, output.stdout, output.stderr.as_str()),
            (Some(3), b"a\n".to_vec(), "b")
        );
        let output = sh(&mut runner, "kill -TERM $$", LONG).unwrap();
        assert_eq!((output.code, output.signal), (None, Some(15)));
    }

    #[test]
    fn one_that_hangs_is_ended_with_its_children() {
        let mut runner = Runner::default();
        let error = sh(&mut runner, "sleep 1000 & echo $!; wait", SHORT).unwrap_err();
        assert!(matches!(error, ToolError::Late { .. }), "{error}");
        assert!(runner.left_behind.is_none());
        assert_eq!(
            sh(&mut runner, "exit 0", LONG).unwrap().code,
            Some(0),
            "the next one runs"
        );
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipe_is_not_waited_for() {
        let mut runner = Runner::default();
        let output = sh(&mut runner, "sleep 1000 & echo $!", LONG).unwrap();
        let pid: i32 = String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn one_that_prints_for_ever_is_ended() {
        let mut runner = Runner::default();
        let error = sh(
            &mut runner,
            "while :; do echo aaaaaaaaaaaaaaaaaaaaaa; done",
            LONG,
        );
        assert!(matches!(error, Err(ToolError::TooMuch { .. })));
        let output = sh(
            &mut runner,
            "i=0; while [ $i -lt 9999 ]; do echo aaaaaaaa >&2; i=$((i+1)); done; echo end",
            LONG,
        )
        .unwrap();
        assert_eq!(
            output.stdout, b"end\n",
            "mistakes are cut off, not stopped at"
        );
        assert!(output.stderr.len() <= MOST_ERRORS + 1);
    }

    #[test]
    fn one_that_is_not_there() {
        assert!(matches!(find("no-such-tool"), Err(ToolError::Missing(_))));
        assert!(find("sh").unwrap().is_absolute());
        let error = Runner::default()
            .run(Call {
                program: Path::new("/no/such"),
                arguments: &[],
                limit: LONG,
                most: 1,
            })
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "/no/such is not there; install it, or name where it is in the configuration"
        );
    }
}

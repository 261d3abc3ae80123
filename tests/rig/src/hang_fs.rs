//! A filesystem that stops answering when told to: how a dead NAS looks to a program.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, INodeNo,
    MountOption, OpenFlags, ReplyAttr, ReplyDirectory, ReplyEntry, ReplyOpen, ReplyStatfs, Request,
    SessionACL,
};

use crate::mount::{minor_of, run};
use crate::scratch::Scratch;
use crate::wait::wait_until;

/// Where the kernel lets a FUSE connection be cut off (fusectl, Documentation/filesystems/fuse.rst).
const CONNECTIONS: &str = "/sys/fs/fuse/connections";

/// What statfs reports while it answers: 1 MiB in blocks of 4 KiB, a quarter of them free.
const BLOCKS: u64 = 256;
const FREE: u64 = 64;
const BLOCK_SIZE: u32 = 4096;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// At once
    Normal,
    /// Never, until another answer is set; then as that one says
    Hang,
    /// With EIO, at once
    Error,
    /// Well, but so long after it was asked
    After(Duration),
}

/// Which requests a new answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operations {
    /// statfs alone: stat and readdir go on
    Statfs,
    /// All of them, as when the server is gone
    All,
}

/// A mounted, empty directory; let go, cut off and unmounted when dropped, whoever hangs in it, and
/// also when the test is killed or the thread that made it ends.
///
/// Needs `root`, `fuse` and `setpriv`. A process that is killed while it waits for an answer stays
/// until it gets one: the FUSE protocol has it so.
#[derive(Debug)]
pub struct HangFs {
    switch: Switch,
    session: Option<BackgroundSession>,
    at: PathBuf,
    // Dropped in this order.
    lifeline: Lifeline,
    _scratch: Scratch,
}

impl HangFs {
    /// Mounts one that answers.
    ///
    /// # Panics
    /// When it cannot be mounted.
    pub fn new() -> Self {
        let scratch = Scratch::new("hangfs");
        let at = scratch.folder("mnt");
        let switch = Switch::default();
        let mut config = Config::default();
        // A type like that of a real network filesystem on FUSE (sshfs and its kin).
        config.mount_options = vec![
            MountOption::FSName("hangfs".into()),
            MountOption::Subtype("hangfs".into()),
        ];
        config.acl = SessionACL::All;
        let session = fuser::spawn_mount(
            Faulty {
                switch: switch.clone(),
            },
            &at,
            &config,
        )
        .unwrap_or_else(|error| panic!("cannot mount FUSE at {}: {error}", at.display()));
        let lifeline = Lifeline::new(&at);
        Self {
            switch,
            session: Some(session),
            at,
            lifeline,
            _scratch: scratch,
        }
    }

    /// Where it is mounted.
    pub fn mountpoint(&self) -> &Path {
        &self.at
    }

    /// Sets how it answers from now on, those that already wait included.
    pub fn set(&self, operations: Operations, answer: Answer) {
        self.switch.set(operations, answer);
    }

    /// A handle that other threads can switch with.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }
}

impl Default for HangFs {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for HangFs {
    fn drop(&mut self) {
        self.switch.set(Operations::All, Answer::Error);
        self.lifeline.cut();
        // Cut off, its thread ends by itself.
        let session = self.session.take().expect("only dropped once");
        let ended = || session.guard.is_finished().then_some(());
        if wait_until(Duration::from_secs(5), ended).is_none() {
            eprintln!("rig: the filesystem at {} does not end", self.at.display());
        }
    }
}

/// A process that cuts off and unmounts a FUSE filesystem at the latest when this process dies.
///
/// It must be another process. A killed one with a thread that hangs in its own filesystem is never
/// gone: the thread waits for an answer from its own process, and keeps the connection open.
#[derive(Debug)]
struct Lifeline {
    child: Child,
}

/// Waits for the end of its input, or for a signal; then ends the connection $0 and unmounts $1.
const CUT: &str = r#"trap : TERM; read -r _; echo 1 >"$0/abort"; umount --lazy "$1""#;

impl Lifeline {
    fn new(at: &Path) -> Self {
        let minor = minor_of(at).unwrap_or_else(|| panic!("{} is not mounted", at.display()));
        let connection = Path::new(CONNECTIONS).join(minor);
        if !connection.exists() {
            // systemd has it mounted always; left mounted, as every host has it.
            run(Command::new("mount").args(["-t", "fusectl", "fusectl", CONNECTIONS]));
        }
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", "sh", "-c", CUT])
            .args([&*connection, at])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // The test runner kills a test with all of its group; this one is needed then.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start setpriv (of util-linux): {error}"));
        Self { child }
    }

    /// Cuts the filesystem off, and waits until that is done.
    fn cut(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("rig: cannot wait for a FUSE connection's end: {error}");
        }
    }
}

/// Tells a [`HangFs`] how to answer. Clones switch the same one.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    statfs: Answer,
    others: Answer,
    waiting: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            statfs: Answer::Normal,
            others: Answer::Normal,
            waiting: 0,
        }
    }
}

impl Switch {
    /// As [`HangFs::set`].
    pub fn set(&self, operations: Operations, answer: Answer) {
        let mut state = self.state();
        state.statfs = answer;
        if operations == Operations::All {
            state.others = answer;
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// How many requests wait for their answer now.
    pub fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// Waits until so many requests hang, so that a test knows the code under test is stuck.
    ///
    /// # Panics
    /// When they do not come within 10 s.
    pub fn wait_for_hung(&self, requests: usize) {
        wait_until(Duration::from_secs(10), || {
            (self.waiting() >= requests).then_some(())
        })
        .unwrap_or_else(|| panic!("{} of {requests} requests hang", self.waiting()));
    }

    /// Answers now or on a thread of its own, so that the filesystem can go on with others.
    fn answer(&self, asked: fn(&State) -> Answer, reply: impl FnOnce(bool) + Send + 'static) {
        let mut state = self.state();
        match asked(&state) {
            Answer::Normal => reply(true),
            Answer::Error => reply(false),
            Answer::Hang | Answer::After(_) => {
                state.waiting += 1;
                let switch = self.clone();
                let since = Instant::now();
                thread::spawn(move || reply(switch.wait(asked, since)));
            }
        }
    }

    /// Whether to answer well, once it is time to.
    fn wait(&self, asked: fn(&State) -> Answer, since: Instant) -> bool {
        let mut state = self.state();
        let well = loop {
            let changed = &self.shared.changed;
            state = match asked(&state) {
                Answer::Normal => break true,
                Answer::Error => break false,
                Answer::Hang => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Answer::After(delay) => match delay.checked_sub(since.elapsed()) {
                    None => break true,
                    Some(rest) => {
                        changed
                            .wait_timeout(state, rest)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                },
            };
        };
        state.waiting -= 1;
        well
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked must not keep the filesystem from being let go.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

struct Faulty {
    switch: Switch,
}

/// Nothing is cached by the kernel: each stat is a request.
const NO_CACHE: Duration = Duration::ZERO;

impl Filesystem for Faulty {
    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        self.switch.answer(
            |state| state.statfs,
            move |well| {
                if well {
                    reply.statfs(BLOCKS, FREE, FREE, 1000, 999, BLOCK_SIZE, 255, BLOCK_SIZE);
                } else {
                    reply.error(Errno::EIO);
                }
            },
        );
    }

    fn getattr(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        self.switch.answer(
            |state| state.others,
            move |well| {
                if well {
                    reply.attr(&NO_CACHE, &root());
                } else {
                    reply.error(Errno::EIO);
                }
            },
        );
    }

    fn lookup(&self, _request: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEntry) {
        let answer = |well| reply.error(if well { Errno::ENOENT } else { Errno::EIO });
        self.switch.answer(|state| state.others, answer);
    }

    fn opendir(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.switch.answer(
            |state| state.others,
            move |well| {
                if well {
                    reply.opened(FileHandle(0), fuser::FopenFlags::empty());
                } else {
                    reply.error(Errno::EIO);
                }
            },
        );
    }

    fn readdir(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        _offset: u64,
        reply: ReplyDirectory,
    ) {
        self.switch.answer(
            |state| state.others,
            move |well| {
                if well {
                    reply.ok();
                } else {
                    reply.error(Errno::EIO);
                }
            },
        );
    }
}

/// The one thing in it: an empty directory.
fn root() -> FileAttr {
    let time = SystemTime::UNIX_EPOCH;
    FileAttr {
        ino: INodeNo::ROOT,
        size: 0,
        blocks: 0,
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: FileType::Directory,
        perm: 0o755,
        nlink: 2,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK_SIZE,
        flags: 0,
    }
}

//! A filesystem that stops answering when told to: how a dead NAS looks to a program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, INodeNo,
    MountOption, OpenFlags, ReplyAttr, ReplyDirectory, ReplyEntry, ReplyOpen, ReplyStatfs, Request,
    SessionACL,
};

use crate::lifeline::Lifeline;
use crate::scratch::Scratch;
use crate::switch::{Answer, Operations, Switch};
use crate::wait::wait_until;

/// What statfs reports while it answers: 1 MiB in blocks of 4 KiB, a quarter of them free.
const BLOCKS: u64 = 256;
const FREE: u64 = 64;
const BLOCK_SIZE: u32 = 4096;

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

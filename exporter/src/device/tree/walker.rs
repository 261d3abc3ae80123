//! The threads of a walk and what each does with a directory.

use std::collections::VecDeque;
use std::ffi::{CStr, OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, RawDir, Statx, StatxFlags};
use rustix::io::Errno;

use super::folder::Folder;
use super::links::Links;
use super::{Tree, TreeError, Usage, Walk};

/// For the entries of a directory: what one getdents64(2) fills. An ordinary directory fits into one.
const ENTRIES: usize = 64 << 10;

/// What can be done by any thread.
enum Work {
    /// Read a directory.
    Folder(Arc<Folder>),
    /// Look at some entries of a large directory: names, each with its NUL.
    Entries {
        folder: Arc<Folder>,
        fd: Arc<OwnedFd>,
        names: Vec<u8>,
    },
}

/// Work that a thread gave away, and who waits for it.
#[derive(Default)]
struct Pool {
    work: VecDeque<Work>,
    idle: usize,
}

struct Shared<'a> {
    walk: &'a Walk<'a>,
    threads: usize,
    mount: MountIdentity,
    /// mtime, in seconds and nanoseconds, from which on backwards a file has each age.
    cutoffs: Vec<(i64, u32)>,
    pool: Mutex<Pool>,
    bell: Condvar,
    /// Threads that wait, to be looked at without the lock.
    hungry: AtomicUsize,
    stop: AtomicBool,
    error: Mutex<Option<TreeError>>,
    links: Links,
    kept_open: Arc<AtomicUsize>,
    /// Names of the root's directories; a branch's index is one more than its place here.
    branches: Mutex<Vec<OsString>>,
}

pub fn measure(walk: &Walk<'_>, root: &Path) -> Result<Tree, TreeError> {
    let fail = |source| TreeError::Unreadable {
        path: root.to_owned(),
        source,
    };
    let (folder, fd) = Folder::root(root).map_err(fail)?;
    let top = stat(fd.as_fd(), c"", AtFlags::EMPTY_PATH).map_err(fail)?;
    drop(fd);
    let threads = walk.threads.max(1);
    let shared = Shared {
        walk,
        threads,
        mount: mount_of(&top),
        cutoffs: walk.ages.iter().map(|age| cutoff(walk.now, *age)).collect(),
        pool: Mutex::default(),
        bell: Condvar::new(),
        hungry: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        error: Mutex::new(None),
        links: Links::default(),
        kept_open: Arc::default(),
        branches: Mutex::default(),
    };
    shared.lock_pool().work.push_back(Work::Folder(folder));
    let mut first = Worker::new(&shared);
    first.count(0, &top, true);
    let sums = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .filter_map(|_| {
                let shared = &shared;
                let run = move || {
                    (shared.walk.prepare)();
                    Worker::new(shared).run()
                };
                let name = std::thread::Builder::new().name("walk".into());
                match name.stack_size(256 << 10).spawn_scoped(scope, run) {
                    Ok(handle) => Some(handle),
                    // With fewer threads it takes longer.
                    Err(_) => {
                        shared.lock_pool().idle += 1;
                        None
                    }
                }
            })
            .collect();
        let mut sums = vec![first.run()];
        for other in others {
            match other.join() {
                Ok(sum) => sums.push(sum),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        sums
    });
    let error = shared.error.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = { error }.take() {
        return Err(error);
    }
    if shared.stop.load(Ordering::Relaxed) {
        return Err(TreeError::Cancelled);
    }
    let names = shared
        .branches
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(join(&sums, names, walk.ages.len()))
}

fn join(sums: &[Vec<Usage>], names: Vec<OsString>, ages: usize) -> Tree {
    let mut total = Usage::empty(ages);
    for usage in sums.iter().flatten() {
        total.add(usage);
    }
    let branches = names
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let mut sum = Usage::empty(ages);
            for usage in sums.iter().filter_map(|s| s.get(index + 1)) {
                sum.add(usage);
            }
            (name, sum)
        })
        .collect();
    Tree { total, branches }
}

impl Shared<'_> {
    fn lock_pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, work: impl IntoIterator<Item = Work>) {
        self.lock_pool().work.extend(work);
        self.bell.notify_all();
    }

    /// Waits for work; `None` when all is done: nothing is left and everybody waits.
    fn take(&self) -> Option<Work> {
        let mut pool = self.lock_pool();
        pool.idle += 1;
        self.hungry.fetch_add(1, Ordering::Relaxed);
        let work = loop {
            if self.stop.load(Ordering::Relaxed) {
                break None;
            }
            if let Some(work) = pool.work.pop_front() {
                pool.idle -= 1;
                break Some(work);
            }
            if pool.idle == self.threads {
                self.bell.notify_all();
                break None;
            }
            pool = self.bell.wait(pool).unwrap_or_else(PoisonError::into_inner);
        };
        self.hungry.fetch_sub(1, Ordering::Relaxed);
        work
    }

    fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed) > 0
    }

    fn end(&self, error: Option<TreeError>) {
        if let Some(error) = error {
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
        // Under the lock, so that nobody goes to sleep between looking and waiting.
        let _pool = self.lock_pool();
        self.stop.store(true, Ordering::Relaxed);
        self.bell.notify_all();
    }
}

/// One thread's part.
struct Worker<'a> {
    shared: &'a Shared<'a>,
    /// Its own work, last in, first out: deep before wide keeps it short.
    own: Vec<Work>,
    /// By branch; 0 is what lies in the root itself.
    sums: Vec<Usage>,
    entries: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            own: Vec::new(),
            sums: Vec::new(),
            entries: Vec::with_capacity(ENTRIES),
        }
    }

    fn run(mut self) -> Vec<Usage> {
        while let Some(work) = self.own.pop().or_else(|| self.shared.take()) {
            if self.shared.stop.load(Ordering::Relaxed) {
                break;
            }
            if !(self.shared.walk.go_on)() {
                self.shared.end(None);
                break;
            }
            let done = match work {
                Work::Folder(folder) => self.read(&folder),
                Work::Entries { folder, fd, names } => self.look_at(&folder, &fd, &names),
            };
            if let Err(error) = done {
                self.shared.end(Some(error));
                break;
            }
            if self.own.len() > 1 && self.shared.is_hungry() {
                // The oldest are nearest to the root, so most lies below them.
                let half = self.own.len() / 2;
                self.shared.give(self.own.drain(..half));
            }
        }
        self.sums
    }

    fn read(&mut self, folder: &Arc<Folder>) -> Result<(), TreeError> {
        let fail = |source| TreeError::Unreadable {
            path: folder.path(),
            source,
        };
        let fd = match folder.open() {
            Ok(fd) => fd,
            // Gone, replaced by something else, or covered by a mount since its name was read.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::STALE)
                if !folder.is_root() =>
            {
                return Ok(());
            }
            Err(error) => return Err(fail(error)),
        };
        let before = self.own.len();
        let mut entries = std::mem::take(&mut self.entries);
        let outcome = self.read_entries(folder, &fd, entries.spare_capacity_mut());
        entries.clear();
        self.entries = entries;
        match outcome {
            // Removed while it was read.
            Err((_, Errno::NOENT | Errno::STALE)) if !folder.is_root() => {}
            Err((None, error)) => return Err(fail(error)),
            Err((Some(name), error)) => {
                return Err(TreeError::Unreadable {
                    path: folder.path().join(name),
                    source: error,
                });
            }
            Ok(()) => {}
        }
        if self.own.len() > before {
            folder.keep(fd, &self.shared.kept_open);
        }
        Ok(())
    }

    fn read_entries(
        &mut self,
        folder: &Arc<Folder>,
        fd: &OwnedFd,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<(), (Option<OsString>, Errno)> {
        let mut second: Option<Arc<OwnedFd>> = None;
        let mut given = Vec::new();
        let mut seen = 0usize;
        let mut listing = RawDir::new(fd.as_fd(), buffer);
        while let Some(entry) = listing.next() {
            let entry = entry.map_err(|error| (None, error))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            seen += 1;
            // A directory of more than one buffer is shared with those who have nothing to do.
            if seen > SHARED_FROM && (!given.is_empty() || self.shared.is_hungry()) {
                given.extend_from_slice(name.to_bytes_with_nul());
                if given.len() >= ENTRIES / 8 {
                    let fd = match &second {
                        Some(fd) => Arc::clone(fd),
                        None => {
                            let fd = fd.try_clone().map_err(|error| {
                                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                                (None, errno)
                            })?;
                            Arc::clone(second.insert(Arc::new(fd)))
                        }
                    };
                    self.shared.give([Work::Entries {
                        folder: Arc::clone(folder),
                        fd,
                        names: std::mem::take(&mut given),
                    }]);
                }
                continue;
            }
            self.entry(folder, fd.as_fd(), name)
                .map_err(|error| (Some(OsStr::from_bytes(name.to_bytes()).to_owned()), error))?;
        }
        for name in given.split_inclusive(|byte| *byte == 0) {
            let name = CStr::from_bytes_with_nul(name).map_err(|_| (None, Errno::INVAL))?;
            self.entry(folder, fd.as_fd(), name)
                .map_err(|error| (Some(OsStr::from_bytes(name.to_bytes()).to_owned()), error))?;
        }
        Ok(())
    }

    fn look_at(
        &mut self,
        folder: &Arc<Folder>,
        fd: &OwnedFd,
        names: &[u8],
    ) -> Result<(), TreeError> {
        for name in names.split_inclusive(|byte| *byte == 0) {
            let looked = CStr::from_bytes_with_nul(name)
                .map_err(|_| Errno::INVAL)
                .and_then(|name| self.entry(folder, fd.as_fd(), name));
            if let Err(source) = looked {
                let name = OsStr::from_bytes(name.strip_suffix(&[0]).unwrap_or(name));
                return Err(TreeError::Unreadable {
                    path: folder.path().join(name),
                    source,
                });
            }
        }
        Ok(())
    }

    /// Counts one entry, and puts it on the list if it is a directory.
    fn entry(
        &mut self,
        folder: &Arc<Folder>,
        fd: BorrowedFd<'_>,
        name: &CStr,
    ) -> Result<(), Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let found = match stat(fd, name, flags) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::STALE) => return Ok(()),
            Err(error) => return Err(error),
        };
        if mount_of(&found) != self.shared.mount {
            return Ok(());
        }
        let is_directory = FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory;
        if !is_directory && found.stx_nlink > 1 {
            let identity = (found.stx_dev_major, found.stx_dev_minor, found.stx_ino);
            if !self.shared.links.is_first(identity, found.stx_nlink) {
                return Ok(());
            }
        }
        let branch = match (is_directory, folder.is_root()) {
            (true, true) => self.new_branch(name),
            _ => folder.branch,
        };
        self.count(branch, &found, is_directory);
        if is_directory {
            let child = Folder::child(folder, name, branch);
            self.own.push(Work::Folder(Arc::new(child)));
        }
        Ok(())
    }

    fn new_branch(&self, name: &CStr) -> usize {
        let mut branches = self
            .shared
            .branches
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        branches.push(OsStr::from_bytes(name.to_bytes()).to_owned());
        branches.len()
    }

    fn count(&mut self, branch: usize, found: &Statx, is_directory: bool) {
        if branch >= self.sums.len() {
            let ages = self.shared.cutoffs.len();
            self.sums.resize_with(branch + 1, || Usage::empty(ages));
        }
        let sum = &mut self.sums[branch];
        // st_blocks is in units of 512 bytes on every filesystem (stat(2)).
        let allocated = found.stx_blocks.saturating_mul(512);
        sum.allocated = sum.allocated.saturating_add(allocated);
        sum.apparent = sum.apparent.saturating_add(found.stx_size);
        if is_directory {
            sum.directories += 1;
            sum.apparent_of_directories =
                sum.apparent_of_directories.saturating_add(found.stx_size);
            return;
        }
        sum.files += 1;
        let modified = (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec);
        for (older, cutoff) in sum.older.iter_mut().zip(&self.shared.cutoffs) {
            if modified <= *cutoff {
                *older = older.saturating_add(allocated);
            }
        }
    }
}

/// So many entries of a directory are looked at by whoever reads it: about what fits into one buffer.
const SHARED_FROM: usize = 2000;

fn stat(folder: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<Statx, Errno> {
    let mask = StatxFlags::TYPE
        | StatxFlags::NLINK
        | StatxFlags::INO
        | StatxFlags::SIZE
        | StatxFlags::BLOCKS
        | StatxFlags::MTIME
        | StatxFlags::MNT_ID;
    // What a network filesystem knows without asking is enough for sums.
    rustix::fs::statx(folder, name, flags | AtFlags::STATX_DONT_SYNC, mask)
}

type MountIdentity = (u64, u32, u32);

/// The mount by its id (Linux 5.8); before that by the device, which also differs between the
/// subvolumes of a btrfs.
fn mount_of(found: &Statx) -> MountIdentity {
    if found.stx_mask & StatxFlags::MNT_ID.bits() != 0 {
        (found.stx_mnt_id, 0, 0)
    } else {
        (0, found.stx_dev_major, found.stx_dev_minor)
    }
}

fn cutoff(now: SystemTime, age: std::time::Duration) -> (i64, u32) {
    // An age that reaches back before 1970 is older than any file.
    now.checked_sub(age)
        .and_then(|then| then.duration_since(SystemTime::UNIX_EPOCH).ok())
        .and_then(|since| Some((i64::try_from(since.as_secs()).ok()?, since.subsec_nanos())))
        .unwrap_or((i64::MIN, 0))
}

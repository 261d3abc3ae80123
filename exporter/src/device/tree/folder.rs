//! A directory of the walk: how it is reached, without a path that could lead elsewhere.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// So many directories are kept open for those below them; the others are opened again from the
/// nearest that is. A walk must not use up the descriptors of the process, however deep the tree.
const KEPT_OPEN: usize = 256;

/// A directory, by its name in its parent.
pub struct Folder {
    parent: Option<Arc<Folder>>,
    name: CString,
    /// Index of the entry of the root through which it is reached; the root has 0.
    pub branch: usize,
    open: OnceLock<Kept>,
}

struct Kept {
    fd: OwnedFd,
    count: Arc<AtomicUsize>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Folder {
    /// The root of a walk, which is no symbolic link either.
    pub fn root(path: &Path) -> Result<(Arc<Self>, OwnedFd), Errno> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
        let fd = rustix::fs::open(&*name, FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
        let folder = Self {
            parent: None,
            name,
            branch: 0,
            open: OnceLock::new(),
        };
        Ok((Arc::new(folder), fd))
    }

    /// The directory of this name.
    pub fn child(parent: &Arc<Self>, name: &CStr, branch: usize) -> Self {
        Self {
            parent: Some(Arc::clone(parent)),
            name: name.to_owned(),
            branch,
            open: OnceLock::new(),
        }
    }

    /// Opens it. Never through a symbolic link or a mount point, whatever became of the names since
    /// they were read.
    pub fn open(&self) -> Result<OwnedFd, Errno> {
        // From the nearest directory that is open down to this one.
        let mut names = vec![self];
        let mut at = self.parent.as_deref();
        let mut opened: Option<OwnedFd> = None;
        while let Some(folder) = at {
            if let Some(kept) = folder.open.get() {
                opened = Some(step(
                    kept.fd.as_fd(),
                    names.pop().map_or(c".", |f| &f.name),
                )?);
                break;
            }
            names.push(folder);
            at = folder.parent.as_deref();
        }
        let mut fd = match opened {
            Some(fd) => fd,
            None => {
                let root = names.pop().map_or(c".", |f| &f.name);
                rustix::fs::openat(CWD, root, FLAGS | OFlags::NOFOLLOW, Mode::empty())?
            }
        };
        while let Some(folder) = names.pop() {
            fd = step(fd.as_fd(), &folder.name)?;
        }
        Ok(fd)
    }

    /// Keeps the descriptor for those below, unless too many are kept already.
    pub fn keep(&self, fd: OwnedFd, count: &Arc<AtomicUsize>) {
        if count.fetch_add(1, Ordering::Relaxed) < KEPT_OPEN {
            let count = Arc::clone(count);
            let _kept = self.open.set(Kept { fd, count });
        } else {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Its path as it was when the names were read, for messages.
    pub fn path(&self) -> PathBuf {
        let mut names = vec![&self.name];
        let mut at = self.parent.as_deref();
        while let Some(folder) = at {
            names.push(&folder.name);
            at = folder.parent.as_deref();
        }
        names
            .iter()
            .rev()
            .map(|name| OsStr::from_bytes(name.to_bytes()))
            .collect()
    }

    /// Whether the walk began here.
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }
}

impl Drop for Folder {
    /// Without recursion: a tree may be deeper than a thread's stack.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut folder) = next.and_then(Arc::into_inner) {
            next = folder.parent.take();
        }
    }
}

const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

fn step(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    loop {
        match rustix::fs::openat2(parent, name, FLAGS, Mode::empty(), resolve) {
            // Something was renamed or mounted at that moment (openat2(2)), or a signal came.
            Err(Errno::AGAIN | Errno::INTR) => {}
            answer => return answer,
        }
    }
}

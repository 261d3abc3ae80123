//! Reads files and notices when they change.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{Context, SHA256};

/// No certificate, nor a bundle of them, is longer.
const LONGEST: u64 = 1 << 20;

/// The kernel's times advance in steps: a file changed twice within one shows no difference.
const STEP: Duration = Duration::from_millis(20);

/// What tells one content of a file from the next. Links are followed: a link that was turned to
/// another file is a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|data| Self::from(&data))
    }

    /// Whether a change after this stamp was taken must show in the next.
    fn settled(&self, now: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanos)) =
            (u64::try_from(self.changed.0), u32::try_from(self.changed.1))
        else {
            return true;
        };
        // In the future (the clock was set back) it is as good as settled: else all would be read
        // again and again until then.
        UNIX_EPOCH
            .checked_add(Duration::new(seconds, nanos))
            .and_then(|changed| now.duration_since(changed).ok())
            .is_none_or(|age| age >= STEP)
    }
}

impl From<&Metadata> for Stamp {
    fn from(data: &Metadata) -> Self {
        Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }
}

/// Files that were read, and what they were like then.
pub struct Files {
    read: Vec<(PathBuf, Option<Stamp>)>,
    settled: bool,
    digest: Context,
}

impl Files {
    /// None yet.
    pub fn new() -> Self {
        Self {
            read: Vec::new(),
            settled: true,
            digest: Context::new(&SHA256),
        }
    }

    /// Reads a file, and remembers it even if it cannot be read.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_at(path, SystemTime::now())
    }

    fn read_at(&mut self, path: &Path, now: SystemTime) -> io::Result<Vec<u8>> {
        // Before the content: a change in between then shows.
        let stamp = Stamp::of(path);
        self.settled &= stamp.is_none_or(|stamp| stamp.settled(now));
        self.read.push((path.to_owned(), stamp));
        let content = read(path);
        match &content {
            Ok(bytes) => {
                self.digest.update(&(bytes.len() as u64).to_le_bytes());
                self.digest.update(bytes);
            }
            Err(error) => {
                self.digest.update(&u64::MAX.to_le_bytes());
                self.digest.update(error.to_string().as_bytes());
            }
        }
        content
    }

    /// Whether they are as they were when they were read: a stat for each.
    pub fn unchanged(&self) -> bool {
        self.settled
            && self
                .read
                .iter()
                .all(|(path, stamp)| Stamp::of(path) == *stamp)
    }

    /// Whether the same was read, from files that may have other names.
    pub fn same_content(&self, other: &Self) -> bool {
        let digest = |files: &Self| files.digest.clone().finish();
        digest(self).as_ref() == digest(other).as_ref()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let data = fs::metadata(path)?;
    // Opening a pipe would wait for its writer.
    if !data.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// As if the file had not changed for long before it is read.
    fn read_long_ago(path: &Path) -> Files {
        let mut files = Files::new();
        let _ = files.read_at(path, SystemTime::now() + Duration::from_secs(60));
        files
    }

    #[test]
    fn every_way_to_change_a_file_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let files = read_long_ago(&path);
        assert!(files.unchanged(), "absent and still absent");
        fs::write(&path, "one").unwrap();
        assert!(!files.unchanged(), "it appeared");

        let files = read_long_ago(&path);
        assert!(files.unchanged());
        fs::write(&path, "longer").unwrap();
        assert!(!files.unchanged(), "another size");

        let files = read_long_ago(&path);
        fs::write(dir.path().join("new"), "longer").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(!files.unchanged(), "another inode");

        let files = read_long_ago(&path);
        fs::remove_file(&path).unwrap();
        assert!(!files.unchanged(), "it is gone");
    }

    #[test]
    fn a_link_that_is_turned_shows() {
        let dir = tempfile::tempdir().unwrap();
        // As Kubernetes mounts a secret: tls.crt -> ..data/tls.crt, ..data -> ..2026_01
        for version in ["..1", "..2"] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("tls.crt"), "same").unwrap();
        }
        symlink("..1", dir.path().join("..data")).unwrap();
        symlink("..data/tls.crt", dir.path().join("tls.crt")).unwrap();
        let files = read_long_ago(&dir.path().join("tls.crt"));
        assert!(files.unchanged());
        symlink("..2", dir.path().join("..new")).unwrap();
        fs::rename(dir.path().join("..new"), dir.path().join("..data")).unwrap();
        assert!(!files.unchanged());
        let again = read_long_ago(&dir.path().join("tls.crt"));
        assert!(files.same_content(&again));
    }

    #[test]
    fn a_file_changed_just_now_is_looked_at_again() {
        let changed = Stamp {
            device: 0,
            inode: 0,
            size: 0,
            modified: (0, 0),
            changed: (100, 500_000_000),
        };
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert!(!changed.settled(at(100_500)) && !changed.settled(at(100_519)));
        assert!(changed.settled(at(100_520)));
        assert!(changed.settled(at(90_000)), "the clock was set back");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "one").unwrap();
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        for (age, unchanged) in [(0, false), (10, false), (1000, true)] {
            let mut files = Files::new();
            files
                .read_at(&path, changed + Duration::from_millis(age))
                .unwrap();
            assert_eq!(files.unchanged(), unchanged, "{age} ms old");
        }
    }

    #[test]
    fn neither_folders_nor_endless_files_are_read() {
        assert!(Files::new().read(Path::new("/")).is_err());
        assert!(Files::new().read(Path::new("/dev/zero")).is_err());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        fs::File::create(&path)
            .unwrap()
            .set_len(LONGEST + 1)
            .unwrap();
        assert!(Files::new().read(&path).is_err());
    }
}

//! systemd's timers as its files show them: when one last ran, and whether it runs at all.
//!
//! Source: systemd.timer(5) (`Persistent=`: the file `stamp-NAME` is touched whenever the timer triggers),
//! systemd.unit(5) for the folders.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

/// Where units lie, first ones before later ones.
const UNITS: [&str; 6] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator",
];
const STAMPS: &str = "var/lib/systemd/timers";

/// One timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// When it last triggered; `None` when it never did, or keeps no stamp.
    pub last: Option<SystemTime>,
    /// Whether a target wants it, so that it starts at boot.
    pub enabled: bool,
}

/// A folder or a stamp that could not be read.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct TimerError {
    /// What it was.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl TimerError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self {
            path: path.to_owned(),
            source,
        }
    }
}

/// Looks a timer up below the host's root. `None` where the host has none of this name.
pub fn find(rootfs: &Path, name: &str) -> Result<Option<Timer>, TimerError> {
    let stamp = rootfs.join(STAMPS).join(format!("stamp-{name}"));
    let last = match std::fs::metadata(&stamp).and_then(|found| found.modified()) {
        Ok(time) => Some(time),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(TimerError::at(&stamp)(error)),
    };
    if unit(rootfs, name).is_none() && last.is_none() {
        return Ok(None);
    }
    Ok(Some(Timer {
        last,
        enabled: enabled(rootfs)?.contains(name),
    }))
}

/// The names of all timers that start with the host: there, not masked, and wanted by some unit.
pub fn enabled(rootfs: &Path) -> Result<BTreeSet<String>, TimerError> {
    let mut wanted = BTreeSet::new();
    for folder in UNITS {
        let folder = rootfs.join(folder);
        for by in names(&folder)? {
            // The links in it lead out of a root that is not `/`: only their names count.
            if by.ends_with(".wants") || by.ends_with(".requires") {
                wanted.extend(names(&folder.join(by))?);
            }
        }
    }
    wanted.retain(|name| {
        let starts = |unit: PathBuf| {
            // A link to /dev/null masks it, whoever wants it.
            !std::fs::read_link(&unit).is_ok_and(|to| to == Path::new("/dev/null"))
        };
        name.ends_with(".timer") && unit(rootfs, name).is_some_and(starts)
    });
    Ok(wanted)
}

/// Where the unit of this name lies that counts.
fn unit(rootfs: &Path, name: &str) -> Option<PathBuf> {
    UNITS
        .iter()
        .map(|folder| rootfs.join(folder).join(name))
        .find(|unit| unit.symlink_metadata().is_ok())
}

/// What is in a folder; nothing where there is none.
fn names(folder: &Path) -> Result<Vec<String>, TimerError> {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let names = entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok());
            Ok(names.collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(TimerError::at(folder)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn from_nothing_to_enabled_to_masked() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let found = || find(root.path(), "fstrim.timer").unwrap();
        assert_eq!(found(), None);
        fs::create_dir_all(at("usr/lib/systemd/system")).unwrap();
        fs::write(at("usr/lib/systemd/system/fstrim.timer"), "").unwrap();
        let idle = Timer {
            last: None,
            enabled: false,
        };
        assert_eq!(found(), Some(idle.clone()));
        fs::create_dir_all(at("etc/systemd/system/timers.target.wants")).unwrap();
        symlink(
            "/usr/lib/systemd/system/fstrim.timer",
            at("etc/systemd/system/timers.target.wants/fstrim.timer"),
        )
        .unwrap();
        assert!(found().unwrap().enabled);
        assert_eq!(
            enabled(root.path()).unwrap(),
            BTreeSet::from(["fstrim.timer".to_owned()])
        );
        fs::create_dir_all(at(STAMPS)).unwrap();
        let stamp = fs::File::create(at("var/lib/systemd/timers/stamp-fstrim.timer")).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        stamp.set_modified(time).unwrap();
        assert_eq!(found().unwrap().last, Some(time));
        symlink("/dev/null", at("etc/systemd/system/fstrim.timer")).unwrap();
        assert!(!found().unwrap().enabled, "masked");
        assert!(enabled(root.path()).unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_no_answer() {
        let root = tempfile::tempdir().unwrap();
        let units = root.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&units).unwrap();
        fs::write(units.join("fstrim.timer"), "").unwrap();
        fs::write(units.join("timers.target.wants"), "no folder").unwrap();
        let error = find(root.path(), "fstrim.timer").unwrap_err();
        assert_eq!(error.path, units.join("timers.target.wants"));
        assert!(enabled(root.path()).is_err());
    }
}

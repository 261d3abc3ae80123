//! systemd's timers as its files show them: when one last ran, and whether it runs at all.
//!
//! Source: systemd.timer(5) (`Persistent=`: the file `stamp-NAME` is touched whenever the timer triggers),
//! systemd.unit(5) for the folders.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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

/// Looks a timer up below the host's root. `None` where the host has none of this name.
pub fn find(rootfs: &Path, name: &str) -> io::Result<Option<Timer>> {
    let stamp = rootfs.join(STAMPS).join(format!("stamp-{name}"));
    let last = match std::fs::metadata(&stamp) {
        Ok(metadata) => Some(metadata.modified()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let unit = UNITS
        .iter()
        .map(|folder| rootfs.join(folder).join(name))
        .find(|unit| unit.symlink_metadata().is_ok());
    let Some(unit) = unit else {
        return Ok(last.map(|last| Timer {
            last: Some(last),
            enabled: false,
        }));
    };
    // A link to /dev/null masks it, whoever wants it.
    let masked = std::fs::read_link(&unit).is_ok_and(|to| to == Path::new("/dev/null"));
    Ok(Some(Timer {
        last,
        enabled: !masked
            && UNITS
                .iter()
                .any(|folder| wanted(&rootfs.join(folder), name)),
    }))
}

/// Whether some unit's `.wants` or `.requires` in this folder names it. The links lead out of a root that is not
/// `/`: only whether they are there counts.
fn wanted(folder: &Path, name: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    let by = |path: PathBuf| {
        let by = path
            .extension()
            .is_some_and(|e| e == "wants" || e == "requires");
        by && path.join(name).symlink_metadata().is_ok()
    };
    entries.flatten().any(|entry| by(entry.path()))
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
        fs::create_dir_all(at(STAMPS)).unwrap();
        let stamp = fs::File::create(at("var/lib/systemd/timers/stamp-fstrim.timer")).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        stamp.set_modified(time).unwrap();
        assert_eq!(found().unwrap().last, Some(time));
        symlink("/dev/null", at("etc/systemd/system/fstrim.timer")).unwrap();
        assert!(!found().unwrap().enabled, "masked");
    }
}

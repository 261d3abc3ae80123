//! The names in the window's folder: `N.snapshot`, `N.log` that follows it, `N.snapshot.new` while it is written,
//! and `….corrupt-TIME` for what was set aside.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegauge_promql::Timestamp;

use super::files::Files;
use super::frame::Kind;

/// So many files that were set aside are left to look at.
const LEFT_TO_LOOK_AT: usize = 4;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) files: Arc<dyn Files>,
}

/// What is in it, by number.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) snapshots: BTreeMap<u64, PathBuf>,
    pub(super) logs: BTreeMap<u64, PathBuf>,
    /// Snapshots that were not finished.
    unfinished: Vec<PathBuf>,
    aside: Vec<String>,
}

impl Listing {
    /// The highest number that is in use; 0: none is.
    pub(super) fn highest(&self) -> u64 {
        let last = |files: &BTreeMap<u64, PathBuf>| files.keys().next_back().copied().unwrap_or(0);
        last(&self.snapshots).max(last(&self.logs))
    }
}

impl Folder {
    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for name in self.files.list(&self.path)? {
            let path = self.path.join(&name);
            let numbered = name
                .split_once('.')
                .and_then(|(number, rest)| Some((number.parse::<u64>().ok()?, rest)));
            match numbered {
                Some((number, "snapshot")) => _ = listing.snapshots.insert(number, path),
                Some((number, "log")) => _ = listing.logs.insert(number, path),
                Some((_, "snapshot.new")) => listing.unfinished.push(path),
                Some((_, rest)) if rest.contains(".corrupt-") || rest.contains(".version-") => {
                    listing.aside.push(name);
                }
                _ => {}
            }
        }
        Ok(listing)
    }

    pub(super) fn path_of(&self, kind: Kind, number: u64) -> PathBuf {
        let ending = match kind {
            Kind::Snapshot => "snapshot",
            Kind::Log => "log",
        };
        self.path.join(format!("{number:08}.{ending}"))
    }

    pub(super) fn unfinished_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:08}.snapshot.new"))
    }

    /// Puts a file out of the way, to be looked at.
    pub(super) fn set_aside(&self, path: &Path, why: &str, now: Timestamp) -> io::Result<PathBuf> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{why}-{}", now.div_euclid(1_000)));
        let aside = PathBuf::from(name);
        self.files.rename(path, &aside)?;
        Ok(aside)
    }

    /// Removes what a snapshot makes superfluous, and all but the newest of what was set aside.
    pub(super) fn clean(&self, newest: u64) -> io::Result<()> {
        let mut listing = self.list()?;
        let old = |files: BTreeMap<u64, PathBuf>| files.into_iter().filter(|(n, _)| *n < newest);
        // Logs last: without its snapshot a log still tells something.
        let snapshots = old(listing.snapshots).map(|(_, path)| path);
        let logs = old(listing.logs).map(|(_, path)| path);
        listing.aside.sort_unstable();
        let aside = listing.aside.iter().rev().skip(LEFT_TO_LOOK_AT);
        let aside = aside.map(|name| self.path.join(name));
        for path in snapshots.chain(logs).chain(listing.unfinished).chain(aside) {
            self.files.remove(&path)?;
        }
        Ok(())
    }
}

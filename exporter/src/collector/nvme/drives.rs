//! What is remembered of each drive while the program runs: which pages it does not have, so that none is asked
//! for twice (each refusal adds to the drive's own count of errors), and which readings failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::device::isolate::Isolated;
use crate::device::nvme::supported::SupportedPages;

/// No more drives are remembered, so that drives that come and go all the time do not add up.
const MOST: usize = 4096;

/// Something that a drive may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// An answer to Identify, by its CNS.
    Identify(u8),
    /// A log page, by its identifier and log specific identifier.
    Log(u8, u16),
}

/// What came of asking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The drive has it.
    Has,
    /// The drive does not have it.
    Lacks,
    /// Nobody knows: it failed for another reason.
    Unclear,
}

/// One reading of a page, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageReading {
    /// The page, as a label.
    pub page: &'static str,
    /// Why it failed, when it did.
    pub trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Drive {
    has: BTreeSet<Thing>,
    /// What it does not have, or is being asked for the first time.
    lacks: BTreeSet<Thing>,
    supported: Option<SupportedPages>,
    /// Pages that were ever asked for: failures, and whether the last reading failed.
    pages: BTreeMap<&'static str, (u64, bool)>,
}

/// All drives. It outlives a change of the configuration.
#[derive(Debug, Default)]
pub struct Drives {
    known: Mutex<BTreeMap<String, Drive>>,
    /// The threads of controllers that are asked: one that hangs has no second one, whatever is configured.
    pub(super) threads: Mutex<Isolated<String>>,
}

impl Drives {
    /// Whether it may be asked for; when so, [`Drives::end`] must tell what came of it. Until then nobody else
    /// may ask for what the drive has never answered with.
    pub fn begin(&self, key: &str, thing: Thing) -> bool {
        self.with(key, |drive| {
            drive.has.contains(&thing) || drive.lacks.insert(thing)
        })
    }

    /// What came of asking.
    pub fn end(&self, key: &str, thing: Thing, asked: Asked) {
        self.with(key, |drive| match asked {
            Asked::Has => {
                drive.lacks.remove(&thing);
                drive.has.insert(thing);
            }
            Asked::Lacks => {
                drive.has.remove(&thing);
                drive.lacks.insert(thing);
            }
            Asked::Unclear => {
                drive.lacks.remove(&thing);
            }
        });
    }

    /// The pages that it has, once it told.
    pub fn supported(&self, key: &str) -> Option<SupportedPages> {
        self.with(key, |drive| drive.supported)
    }

    /// Remembers the pages that it has.
    pub fn set_supported(&self, key: &str, pages: SupportedPages) {
        self.with(key, |drive| drive.supported = Some(pages));
    }

    /// Counts readings of pages, and says once that one fails and once that it works again. Returns the
    /// failures of every page that the drive was ever asked for.
    pub fn count(
        &self,
        key: &str,
        device: &str,
        readings: &[PageReading],
    ) -> Vec<(&'static str, u64)> {
        self.with(key, |drive| {
            for PageReading { page, trouble } in readings {
                let (failures, is_failing) = drive.pages.entry(page).or_default();
                match trouble {
                    Some(reason) if !*is_failing => {
                        tracing::warn!(collector = "nvme", device, page, reason, "page not read");
                    }
                    None if *is_failing => {
                        tracing::info!(collector = "nvme", device, page, "page read again");
                    }
                    _ => {}
                }
                *failures += u64::from(trouble.is_some());
                *is_failing = trouble.is_some();
            }
            drive
                .pages
                .iter()
                .map(|(page, (n, _))| (*page, *n))
                .collect()
        })
    }

    /// Forgets all but these drives, when there are too many.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut drives = self.lock();
        if drives.len() > MOST {
            drives.retain(|key, _| is_there(key));
        }
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&mut Drive) -> T) -> T {
        act(self.lock().entry(key.to_owned()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Drive>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Thing = Thing::Log(0xC0, 0);

    #[test]
    fn what_was_refused_is_not_asked_for_again() {
        let drives = Drives::default();
        assert!(drives.begin("A", PAGE));
        assert!(!drives.begin("A", PAGE), "nor by another meanwhile");
        assert!(drives.begin("B", PAGE), "another drive is asked");
        drives.end("A", PAGE, Asked::Lacks);
        assert!(!drives.begin("A", PAGE));
    }

    #[test]
    fn what_it_has_is_asked_for_by_all() {
        let drives = Drives::default();
        assert!(drives.begin("A", PAGE));
        drives.end("A", PAGE, Asked::Has);
        assert!(drives.begin("A", PAGE) && drives.begin("A", PAGE));
        drives.end("A", PAGE, Asked::Unclear);
        assert!(drives.begin("A", PAGE));
        drives.end("A", PAGE, Asked::Lacks);
        assert!(!drives.begin("A", PAGE), "new firmware");
    }

    #[test]
    fn a_failure_of_the_moment_is_no_refusal() {
        let drives = Drives::default();
        assert!(drives.begin("A", PAGE));
        drives.end("A", PAGE, Asked::Unclear);
        assert!(drives.begin("A", PAGE));
    }

    #[test]
    fn failures_are_counted_by_page() {
        let drives = Drives::default();
        let reading = |page, failed: bool| PageReading {
            page,
            trouble: failed.then(|| "broken".to_owned()),
        };
        drives.count(
            "A",
            "nvme0",
            &[reading("smart", false), reading("error", true)],
        );
        let counts = drives.count("A", "nvme0", &[reading("error", true)]);
        assert_eq!(counts, [("error", 2), ("smart", 0)]);
    }
}

//! The counters of all disks so far. They outlive a change of the configuration: a counter that was
//! extended over a wrap must not fall back.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tidegauge_model::mount::DeviceNumber;

use super::monotone::Monotone;
use crate::device::diskstats::Counters;

/// By the kernel's name; with the number, since a name goes to another device in time.
#[derive(Debug, Default)]
pub struct Histories(Mutex<FxHashMap<String, (DeviceNumber, Monotone)>>);

impl Histories {
    /// Takes the next reading of a disk and returns what to show.
    pub fn follow(&self, name: &str, dev: DeviceNumber, raw: &Counters) -> Counters {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(name) {
            Some((known, history)) if *known == dev => history.follow(raw),
            _ => {
                all.insert(name.to_owned(), (dev, Monotone::start(raw)));
                *raw
            }
        }
    }

    /// Forgets all but these.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| is_there(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_is_remembered_until_the_disk_goes() {
        let histories = Histories::default();
        let (dev, other) = (
            DeviceNumber { major: 8, minor: 0 },
            DeviceNumber {
                major: 8,
                minor: 16,
            },
        );
        let at = |io_ms| Counters {
            reads: 1000,
            io_ms,
            ..Counters::default()
        };
        let top = 1 << 32;
        histories.follow("sda", dev, &at(top - 1));
        assert_eq!(histories.follow("sda", dev, &at(4)).io_ms, top + 4);
        histories.keep(|name| name == "sda");
        assert_eq!(histories.follow("sda", dev, &at(5)).io_ms, top + 5);
        assert_eq!(histories.follow("sda", other, &at(6)).io_ms, 6);
        histories.keep(|_| false);
        assert_eq!(histories.follow("sda", other, &at(2)).io_ms, 2);
    }
}

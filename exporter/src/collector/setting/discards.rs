//! When each device was last seen to discard: the kernel keeps no time of a trim, only counters since the device
//! came.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use rustc_hash::FxHashMap;
use tidegauge_model::mount::DeviceNumber;

/// What tells a device from another one that later has its name.
pub type Identity = (DeviceNumber, String);

/// What is known of the discards of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    identity: Identity,
    /// Discards completed since the device came.
    pub count: u64,
    /// Since when it is watched.
    pub since: Instant,
    /// When the count was last seen to have grown.
    pub last: Option<(Instant, SystemTime)>,
}

/// The devices that are watched, by kernel name. It outlives a change of the configuration.
#[derive(Debug, Default)]
pub struct Discards(Mutex<FxHashMap<String, Watched>>);

impl Discards {
    /// Takes the counters of all devices. Those that are not among them are forgotten.
    pub fn observe<'a>(
        &self,
        devices: impl Iterator<Item = (&'a str, Identity, u64)>,
        now: (Instant, SystemTime),
    ) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = FxHashMap::default();
        for (name, identity, count) in devices {
            let before = known
                .remove(name)
                .filter(|before| before.identity == identity && before.count <= count);
            let watched = match before {
                Some(before) if before.count < count => Watched {
                    count,
                    last: Some(now),
                    ..before
                },
                Some(before) => before,
                None => Watched {
                    identity,
                    count,
                    since: now.0,
                    last: None,
                },
            };
            next.insert(name.to_owned(), watched);
        }
        *known = next;
    }

    /// What is known of the device with this kernel name.
    pub fn of(&self, name: &str) -> Option<Watched> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn growth_is_seen_and_another_device_begins_anew() {
        let began = Instant::now();
        let at = |seconds| {
            let after = Duration::from_secs(seconds);
            (began + after, UNIX_EPOCH + after)
        };
        let identity = |seq: &str| (DeviceNumber { major: 8, minor: 1 }, seq.to_owned());
        let discards = Discards::default();
        let seen = |seconds, seq: &str, count| {
            let one = [("sda1", identity(seq), count)];
            discards.observe(one.into_iter(), at(seconds));
            discards.of("sda1").unwrap()
        };
        let first = seen(0, "1", 5);
        assert_eq!((first.last, first.since), (None, began));
        assert_eq!(
            seen(60, "1", 5).last,
            None,
            "discarded before it was watched"
        );
        assert_eq!(seen(120, "1", 6).last, Some(at(120)));
        let later = seen(180, "1", 6);
        assert_eq!((later.last, later.since), (Some(at(120)), began));
        let replaced = seen(240, "2", 100);
        assert_eq!((replaced.last, replaced.since), (None, at(240).0));
        let reset = seen(300, "2", 3);
        assert_eq!((reset.last, reset.since), (None, at(300).0), "counts anew");
        discards.observe(std::iter::empty(), at(360));
        assert_eq!(discards.of("sda1"), None);
    }
}

//! RAID (`raid`) and the older mirrors (`mirror`), both as legs that hold the same.

use super::{Fill, fill};

/// A `raid` or `mirror`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raid {
    /// `raid1`, `raid6_zr`… or `mirror`.
    pub kind: String,
    /// Its legs.
    pub legs: Vec<Leg>,
    /// How much of what `action` does is done, in its own unit.
    pub synced: Option<Fill>,
    /// `idle`, `resync`, `recover`, `check`, `repair`, `reshape`, `frozen`; a mirror does not say.
    pub action: Option<String>,
    /// Differences that the last check found.
    pub mismatches: Option<u64>,
}

/// The state of one leg, the better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leg {
    /// Works, and holds what it should.
    InSync,
    /// Works, and does not hold all yet.
    OutOfSync,
    /// Has failed.
    Failed,
    /// Is not there.
    Missing,
}

impl Leg {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InSync, Self::OutOfSync, Self::Failed, Self::Missing];

    /// As a label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::OutOfSync => "out_of_sync",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }

    /// `dm-raid.c`, `__raid_dev_status`.
    fn of_raid(letter: char) -> Option<Self> {
        match letter {
            'A' => Some(Self::InSync),
            'a' => Some(Self::OutOfSync),
            'D' => Some(Self::Failed),
            '-' => Some(Self::Missing),
            _ => None,
        }
    }

    /// `dm-raid1.c`, `device_status_char`: alive, sync failed, dead, flush, read or other errors.
    fn of_mirror(letter: char) -> Option<Self> {
        match letter {
            'A' => Some(Self::InSync),
            'S' => Some(Self::OutOfSync),
            'D' | 'F' | 'R' | 'U' => Some(Self::Failed),
            _ => None,
        }
    }
}

impl Raid {
    /// Takes in the next piece of the same device.
    pub fn join(&mut self, next: Self) {
        self.synced = self.synced.zip(next.synced).map(|(a, b)| Fill {
            used: a.used.saturating_add(b.used),
            total: a.total.saturating_add(b.total),
        });
        // The worse of the two speaks for a leg.
        for (leg, other) in self.legs.iter_mut().zip(&next.legs) {
            *leg = (*leg).max(*other);
        }
        self.mismatches = self
            .mismatches
            .zip(next.mismatches)
            .map(|(a, b)| a.saturating_add(b));
    }

    /// Whether fewer legs hold the data than should: one has failed, is missing, or is being filled again.
    pub fn degraded(&self) -> bool {
        let recovers = self.action.as_deref() == Some("recover");
        self.legs.iter().any(|leg| match leg {
            Leg::Failed | Leg::Missing => true,
            Leg::OutOfSync => recovers || self.kind == "mirror",
            Leg::InSync => false,
        })
    }
}

/// Reads what `dm-raid.c` writes.
pub(super) fn parse(words: &[&str]) -> Option<Raid> {
    let [kind, _count, letters, rest @ ..] = words else {
        return None;
    };
    Some(Raid {
        kind: (*kind).to_owned(),
        legs: letters.chars().map(Leg::of_raid).collect::<Option<_>>()?,
        synced: rest.first().and_then(|word| fill(word)),
        action: rest.get(1).map(|word| (*word).to_owned()),
        mismatches: rest.get(2).and_then(|word| word.parse().ok()),
    })
}

/// Reads what `dm-raid1.c` writes.
pub(super) fn parse_mirror(words: &[&str]) -> Option<Raid> {
    // <#legs> <leg>… <in sync>/<regions> 1 <letters> <log…>
    let legs: usize = words.first()?.parse().ok()?;
    let rest = words.get(legs.checked_add(1)?..)?;
    let [synced, "1", letters, ..] = rest else {
        return None;
    };
    Some(Raid {
        kind: "mirror".to_owned(),
        legs: letters.chars().map(Leg::of_mirror).collect::<Option<_>>()?,
        synced: Some(fill(synced)?),
        action: None,
        mismatches: None,
    })
}

#[cfg(test)]
mod tests {
    use crate::device::dm::status::{Fill, Leg, Status, parse};

    #[test]
    fn raids_and_mirrors() {
        let of = |kind, status| match parse(kind, status) {
            Some(Status::Raid(found)) => Some(found),
            _ => None,
        };
        let found = of("raid", "raid1 2 AA 65536/65536 idle 0 0 -").unwrap();
        assert_eq!(found.kind, "raid1");
        assert_eq!(found.legs, [Leg::InSync, Leg::InSync]);
        assert_eq!(
            found.synced,
            Some(Fill {
                used: 65536,
                total: 65536
            })
        );
        assert_eq!(
            (found.action.as_deref(), found.mismatches),
            (Some("idle"), Some(0))
        );
        assert!(!found.degraded());
        // At first no leg is in sync, and none is less than it should be.
        assert!(
            !of("raid", "raid1 2 aa 0/65536 resync 0 0 -")
                .unwrap()
                .degraded()
        );
        for degraded in [
            "raid1 2 AD 65536/65536 idle 0 0 -",
            "raid1 2 A- 65536/65536 idle 0 0 -",
            "raid1 2 Aa 128/65536 recover 0 0 -",
        ] {
            assert!(of("raid", degraded).unwrap().degraded(), "{degraded}");
        }
        let old = of("raid", "raid5_ls 3 AAA 1/2").unwrap();
        assert_eq!((old.action, old.mismatches), (None, None));
        assert_eq!(
            of("raid", "raid1 2 AX 1/2 idle 0"),
            None,
            "a letter of tomorrow"
        );

        let found = of("mirror", "2 253:16 253:17 6/8 1 AD 3 disk 253:15 A").unwrap();
        assert_eq!(found.legs, [Leg::InSync, Leg::Failed]);
        assert_eq!(found.synced, Some(Fill { used: 6, total: 8 }));
        assert!(found.degraded());
        assert!(
            !of("mirror", "2 253:16 253:17 8/8 1 AA 1 core")
                .unwrap()
                .degraded()
        );
        for other in ["", "9 a b", "18446744073709551615 a", "1 a 1/2 2 A"] {
            assert_eq!(of("mirror", other), None, "{other}");
        }
    }
}

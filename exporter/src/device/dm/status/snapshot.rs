//! Copy-on-write snapshots.

use super::{Fill, fill};

/// A copy-on-write snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether it can still be read. Once it is not, because it was full or its own device failed, it never is again.
    pub valid: bool,
    /// It is being merged into its origin.
    pub merging: bool,
    /// Sectors of its store that are used, its own metadata included; `None` when it does not say.
    pub sectors: Option<Fill>,
    /// Of these, metadata.
    pub metadata_sectors: Option<u64>,
}

/// Reads what `dm-snap.c` writes, of a snapshot or of one that is being merged.
pub(super) fn parse(words: &[&str], merging: bool) -> Option<Snapshot> {
    let without = |valid| Snapshot {
        valid,
        merging,
        sectors: None,
        metadata_sectors: None,
    };
    match words {
        ["Invalid" | "Overflow"] | ["Merge", "failed"] => Some(without(false)),
        ["Unknown"] => Some(without(true)),
        [sectors, rest @ ..] => Some(Snapshot {
            sectors: Some(fill(sectors)?),
            metadata_sectors: rest.first().and_then(|word| word.parse().ok()),
            ..without(true)
        }),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::device::dm::status::{Fill, Status, parse};

    #[test]
    fn snapshots() {
        let of = |kind, status| match parse(kind, status) {
            Some(Status::Snapshot(found)) => Some(found),
            _ => None,
        };
        let good = of("snapshot", "4112/16384 16").unwrap();
        assert!(good.valid && !good.merging);
        assert_eq!(
            good.sectors,
            Some(Fill {
                used: 4112,
                total: 16384
            })
        );
        assert_eq!(good.metadata_sectors, Some(16));
        assert!(of("snapshot-merge", "16/16384 16").unwrap().merging);
        for word in ["Invalid", "Overflow", "Merge failed"] {
            let bad = of("snapshot", word).unwrap();
            assert!(!bad.valid && bad.sectors.is_none(), "{word}");
        }
        assert!(of("snapshot", "Unknown").unwrap().valid);
        for other in ["", "x", "1", "1/", "/2 3", "-1/2 3"] {
            assert_eq!(of("snapshot", other), None, "{other}");
        }
    }
}

//! The status of a target, as its driver writes it for `dmsetup status`.
//!
//! Sources: kernel `Documentation/admin-guide/device-mapper` and the `status` functions of `drivers/md/dm-*.c`
//! (snapshots and mirrors are not documented). A driver that has failed writes a word in place of its numbers;
//! newer ones add fields at the end.

/// The state of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// A copy-on-write snapshot, or one that is being merged into its origin.
    Snapshot(Snapshot),
    /// A thin pool.
    ThinPool(Pool),
    /// A thin volume.
    Thin(Thin),
    /// `cache`.
    Cache(Cache),
    /// `writecache`.
    WriteCache(WriteCache),
    /// `raid` or `mirror`.
    Raid(Raid),
    /// Any other, whose state is only whether it works.
    Other {
        /// It says that it failed, or is made to fail all I/O.
        failed: bool,
    },
}

/// Used and whole, in the unit of the one who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// What is used.
    pub used: u64,
    /// What there is.
    pub total: u64,
}

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

/// What a thin pool or a cache still lets happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads and writes.
    ReadWrite,
    /// Its metadata do not change any more: nothing new can be written.
    ReadOnly,
    /// No block is left for data.
    OutOfDataSpace,
    /// All I/O fails.
    Failed,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::ReadWrite,
        Self::ReadOnly,
        Self::OutOfDataSpace,
        Self::Failed,
    ];

    /// As a label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "rw",
            Self::ReadOnly => "ro",
            Self::OutOfDataSpace => "out_of_data_space",
            Self::Failed => "failed",
        }
    }
}

/// A thin pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// `None` when it cannot tell.
    pub mode: Option<Mode>,
    /// The rest; `None` when it has failed or cannot tell.
    pub numbers: Option<PoolNumbers>,
}

/// What a thin pool that works tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolNumbers {
    /// Grows with each change that the volume manager makes.
    pub transaction: u64,
    /// Blocks of 4096 bytes.
    pub metadata: Fill,
    /// Blocks for data.
    pub data: Fill,
    /// Discards reach the device below.
    pub discard_passdown: Option<bool>,
    /// Writes fail at once, instead of waiting for a minute, when there is no space.
    pub error_if_no_space: Option<bool>,
    /// A change of its metadata failed; it must be repaired.
    pub needs_check: Option<bool>,
}

/// A thin volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thin {
    /// Sectors that have a place in the pool.
    pub mapped_sectors: Option<u64>,
    /// Its pool has failed.
    pub failed: bool,
}

/// A `cache`. Counters are of 32 bits in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// `None` when it cannot tell.
    pub mode: Option<Mode>,
    /// The rest; `None` when it has failed or cannot tell.
    pub numbers: Option<CacheNumbers>,
}

/// What a cache that works tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheNumbers {
    /// Size of a block of metadata in sectors.
    pub metadata_block_sectors: u64,
    /// Blocks of metadata.
    pub metadata: Fill,
    /// Size of a block in sectors.
    pub block_sectors: u64,
    /// Blocks.
    pub blocks: Fill,
    /// Reads that found their block, and those that did not.
    pub read: HitsAndMisses,
    /// Writes, likewise.
    pub write: HitsAndMisses,
    /// Blocks that had to go.
    pub demotions: u64,
    /// Blocks that came in.
    pub promotions: u64,
    /// Blocks that the device below does not have yet.
    pub dirty: u64,
    /// `writeback`, `writethrough` or `passthrough`.
    pub write_mode: Option<String>,
    /// A change of its metadata failed; it must be repaired.
    pub needs_check: Option<bool>,
}

/// How often a cache helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitsAndMisses {
    /// It did.
    pub hits: u64,
    /// It did not.
    pub misses: u64,
}

/// A `writecache`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteCache {
    /// It met an error, after which it gives errors only.
    pub failed: bool,
    /// Its blocks, and those that are free.
    pub blocks: u64,
    /// See `blocks`.
    pub free: u64,
    /// Blocks on their way to the device below.
    pub writeback: u64,
    /// Reads and those of them that found their block. Linux 5.15.
    pub reads: Option<HitsAndMisses>,
    /// Writes, those that found their block, and those that went around the cache. Linux 5.15.
    pub writes: Option<Writes>,
}

/// What became of the writes to a `writecache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// All.
    pub all: u64,
    /// Those that went past it.
    pub around: u64,
    /// Those that waited for a free block.
    pub blocked: u64,
}

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

/// Reads the status of a target of this kind. `None`: it is not what such a target writes.
pub fn parse(kind: &str, status: &str) -> Option<Status> {
    let words: Vec<&str> = status.split_ascii_whitespace().collect();
    Some(match kind {
        "snapshot" | "snapshot-merge" => {
            Status::Snapshot(snapshot(&words, kind == "snapshot-merge")?)
        }
        "thin-pool" => Status::ThinPool(thin_pool(&words)?),
        "thin" => Status::Thin(thin(&words)?),
        "cache" => Status::Cache(cache(&words)?),
        "writecache" => Status::WriteCache(write_cache(&words)?),
        "raid" => Status::Raid(raid(&words)?),
        "mirror" => Status::Raid(mirror(&words)?),
        _ => Status::Other {
            failed: failed(kind, &words),
        },
    })
}

/// `error` gives errors only; `verity` writes C for corrupted; `striped` a letter for each stripe, D for one that
/// had errors; `multipath` and the others have no word for it.
fn failed(kind: &str, words: &[&str]) -> bool {
    match kind {
        "error" => true,
        "verity" => words.first() == Some(&"C"),
        "striped" => words
            .last()
            .is_some_and(|letters| words.len() > 2 && letters.contains('D')),
        _ => matches!(words, ["Fail" | "Error" | "Invalid"]),
    }
}

fn snapshot(words: &[&str], merging: bool) -> Option<Snapshot> {
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

fn thin_pool(words: &[&str]) -> Option<Pool> {
    let (mode, numbers) = match words {
        ["Fail"] => (Some(Mode::Failed), None),
        ["Error"] => (None, None),
        [transaction, metadata, data, _held_root, rest @ ..] => {
            let has = |word: &str| rest.contains(&word);
            let either = |yes, no| match (has(yes), has(no)) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            };
            let numbers = PoolNumbers {
                transaction: transaction.parse().ok()?,
                metadata: fill(metadata)?,
                data: fill(data)?,
                discard_passdown: either("discard_passdown", "no_discard_passdown")
                    .or_else(|| has("ignore_discard").then_some(false)),
                error_if_no_space: either("error_if_no_space", "queue_if_no_space"),
                needs_check: either("needs_check", "-"),
            };
            (rest.first().and_then(|word| mode(word)), Some(numbers))
        }
        _ => return None,
    };
    Some(Pool { mode, numbers })
}

fn mode(word: &str) -> Option<Mode> {
    match word {
        "rw" => Some(Mode::ReadWrite),
        "ro" => Some(Mode::ReadOnly),
        "out_of_data_space" => Some(Mode::OutOfDataSpace),
        _ => None,
    }
}

fn thin(words: &[&str]) -> Option<Thin> {
    let of = |mapped_sectors, failed| Thin {
        mapped_sectors,
        failed,
    };
    match words {
        ["Fail"] => Some(of(None, true)),
        ["Error" | "-"] => Some(of(None, false)),
        [mapped, ..] => Some(of(Some(mapped.parse().ok()?), false)),
        [] => None,
    }
}

fn cache(words: &[&str]) -> Option<Cache> {
    match words {
        ["Fail"] => {
            return Some(Cache {
                mode: Some(Mode::Failed),
                numbers: None,
            });
        }
        ["Error"] => {
            return Some(Cache {
                mode: None,
                numbers: None,
            });
        }
        _ => {}
    }
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    // Features, then arguments, then the policy with its arguments: each list after its length.
    let features = list(words, 11);
    let after = |at: Option<usize>| {
        let at = at?;
        let length: usize = words.get(at)?.parse().ok()?;
        at.checked_add(1)?.checked_add(length)
    };
    let policy = after(after(Some(11)));
    let end = after(policy.and_then(|at| at.checked_add(1)));
    let tail = |n: usize| words.get(end?.checked_add(n)?).copied();
    let write_modes = ["writeback", "writethrough", "passthrough"];
    Some(Cache {
        mode: tail(0).and_then(mode),
        numbers: Some(CacheNumbers {
            metadata_block_sectors: number(0)?,
            metadata: fill(words.get(1)?)?,
            block_sectors: number(2)?,
            blocks: fill(words.get(3)?)?,
            read: HitsAndMisses {
                hits: number(4)?,
                misses: number(5)?,
            },
            write: HitsAndMisses {
                hits: number(6)?,
                misses: number(7)?,
            },
            demotions: number(8)?,
            promotions: number(9)?,
            dirty: number(10)?,
            write_mode: features
                .iter()
                .find(|word| write_modes.contains(word))
                .map(|word| (*word).to_owned()),
            needs_check: match tail(1) {
                Some("needs_check") => Some(true),
                Some("-") => Some(false),
                _ => None,
            },
        }),
    })
}

/// The words of a list whose length is at `at`; fewer where it is cut off.
fn list<'a>(words: &'a [&'a str], at: usize) -> &'a [&'a str] {
    let length = words.get(at).and_then(|word| word.parse().ok());
    let rest = words.get(at + 1..).unwrap_or_default();
    &rest[..rest.len().min(length.unwrap_or(0))]
}

fn write_cache(words: &[&str]) -> Option<WriteCache> {
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    // 0, or the negative number of an error.
    let error: i64 = words.first()?.parse().ok()?;
    let reads = number(4).zip(number(5)).map(|(all, hits)| HitsAndMisses {
        hits,
        misses: all.saturating_sub(hits),
    });
    let writes = || {
        Some(Writes {
            all: number(6)?,
            around: number(9)?,
            blocked: number(10)?,
        })
    };
    Some(WriteCache {
        failed: error != 0,
        blocks: number(1)?,
        free: number(2)?,
        writeback: number(3)?,
        reads,
        writes: writes(),
    })
}

fn raid(words: &[&str]) -> Option<Raid> {
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

fn mirror(words: &[&str]) -> Option<Raid> {
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

/// `used/total`.
fn fill(word: &str) -> Option<Fill> {
    let (used, total) = word.split_once('/')?;
    Some(Fill {
        used: used.parse().ok()?,
        total: total.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill_of(used: u64, total: u64) -> Fill {
        Fill { used, total }
    }

    #[test]
    fn snapshots() {
        let of = |kind, status| match parse(kind, status) {
            Some(Status::Snapshot(found)) => Some(found),
            _ => None,
        };
        let good = of("snapshot", "4112/16384 16").unwrap();
        assert!(good.valid && !good.merging);
        assert_eq!(good.sectors, Some(fill_of(4112, 16384)));
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

    #[test]
    fn thin_pools() {
        let of = |status| match parse("thin-pool", status) {
            Some(Status::ThinPool(found)) => Some(found),
            _ => None,
        };
        let good = of("1 11/1024 3/512 - rw discard_passdown queue_if_no_space - 1024").unwrap();
        let numbers = good.numbers.unwrap();
        assert_eq!(good.mode, Some(Mode::ReadWrite));
        assert_eq!(
            (numbers.transaction, numbers.metadata, numbers.data),
            (1, fill_of(11, 1024), fill_of(3, 512))
        );
        assert_eq!(
            (
                numbers.discard_passdown,
                numbers.error_if_no_space,
                numbers.needs_check
            ),
            (Some(true), Some(false), Some(false))
        );
        let full = of("1 11/1024 512/512 77 out_of_data_space no_discard_passdown error_if_no_space needs_check 1024").unwrap();
        let numbers = full.numbers.unwrap();
        assert_eq!(full.mode, Some(Mode::OutOfDataSpace));
        assert_eq!(
            (
                numbers.discard_passdown,
                numbers.error_if_no_space,
                numbers.needs_check
            ),
            (Some(false), Some(true), Some(true))
        );
        // An older kernel writes fewer words, and one of tomorrow may write others.
        let old = of("1 11/1024 3/512 - ro").unwrap();
        assert_eq!(old.mode, Some(Mode::ReadOnly));
        assert_eq!(old.numbers.unwrap().needs_check, None);
        assert_eq!(of("1 11/1024 3/512 - new_mode").unwrap().mode, None);
        assert_eq!(of("Fail").unwrap().mode, Some(Mode::Failed));
        assert_eq!(
            of("Error").unwrap(),
            Pool {
                mode: None,
                numbers: None
            }
        );
        for other in ["", "1", "x 11/1024 3/512 - rw", "1 11 3/512 - rw"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn thin_volumes() {
        let of = |status| match parse("thin", status) {
            Some(Status::Thin(found)) => Some((found.mapped_sectors, found.failed)),
            _ => None,
        };
        assert_eq!(of("2048 4095"), Some((Some(2048), false)));
        assert_eq!(of("0 -"), Some((Some(0), false)));
        assert_eq!(of("Fail"), Some((None, true)));
        assert_eq!(of("Error"), Some((None, false)));
        assert_eq!(of("x"), None);
    }

    #[test]
    fn caches() {
        let of = |status| match parse("cache", status) {
            Some(Status::Cache(found)) => Some(found),
            _ => None,
        };
        let found = of("8 9/2048 128 12/256 1 56 3 4 5 6 7 2 metadata2 writethrough 2 migration_threshold 2048 smq 0 rw - ").unwrap();
        assert_eq!(found.mode, Some(Mode::ReadWrite));
        let numbers = found.numbers.unwrap();
        assert_eq!(numbers.metadata, fill_of(9, 2048));
        assert_eq!(
            (numbers.block_sectors, numbers.blocks),
            (128, fill_of(12, 256))
        );
        assert_eq!((numbers.read.hits, numbers.read.misses), (1, 56));
        assert_eq!((numbers.write.hits, numbers.write.misses), (3, 4));
        assert_eq!(
            (numbers.demotions, numbers.promotions, numbers.dirty),
            (5, 6, 7)
        );
        assert_eq!(numbers.write_mode.as_deref(), Some("writethrough"));
        assert_eq!(numbers.needs_check, Some(false));
        let cut = of("8 9/2048 128 12/256 1 56 3 4 5 6 7").unwrap();
        assert!(cut.mode.is_none() && cut.numbers.is_some());
        let lying =
            of("8 9/2048 128 12/256 1 56 3 4 5 6 7 18446744073709551615 writeback").unwrap();
        assert_eq!(lying.mode, None);
        assert_eq!(
            lying.numbers.unwrap().write_mode.as_deref(),
            Some("writeback")
        );
        assert_eq!(of("Fail").unwrap().mode, Some(Mode::Failed));
        assert_eq!(of("Error").unwrap().mode, None);
        assert_eq!(of("8 9/2048 128"), None);
    }

    #[test]
    fn write_caches() {
        let of = |status| match parse("writecache", status) {
            Some(Status::WriteCache(found)) => Some(found),
            _ => None,
        };
        let found = of("0 4080 4000 12 261 61 100 1 2 30 4 5 6").unwrap();
        assert!(!found.failed);
        assert_eq!(
            (found.blocks, found.free, found.writeback),
            (4080, 4000, 12)
        );
        let reads = found.reads.unwrap();
        assert_eq!((reads.hits, reads.misses), (61, 200));
        let writes = found.writes.unwrap();
        assert_eq!((writes.all, writes.around, writes.blocked), (100, 30, 4));
        let old = of("-5 4080 0 0").unwrap();
        assert!(old.failed && old.reads.is_none() && old.writes.is_none());
        assert_eq!(of("0 4080"), None);
    }

    #[test]
    fn raids_and_mirrors() {
        let of = |kind, status| match parse(kind, status) {
            Some(Status::Raid(found)) => Some(found),
            _ => None,
        };
        let found = of("raid", "raid1 2 AA 65536/65536 idle 0 0 -").unwrap();
        assert_eq!(found.kind, "raid1");
        assert_eq!(found.legs, [Leg::InSync, Leg::InSync]);
        assert_eq!(found.synced, Some(fill_of(65536, 65536)));
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
        assert_eq!(found.synced, Some(fill_of(6, 8)));
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

    #[test]
    fn of_others_only_whether_they_work() {
        let failed = |kind, status| parse(kind, status) == Some(Status::Other { failed: true });
        assert!(failed("error", ""));
        assert!(failed("verity", "C"));
        assert!(failed("striped", "2 253:0 253:1 1 AD"));
        for (kind, status) in [
            ("linear", ""),
            ("crypt", ""),
            ("verity", "V"),
            ("striped", "2 253:0 253:1 1 AA"),
            ("striped", ""),
            ("integrity", "0 1 -"),
            ("snapshot-origin", ""),
        ] {
            assert!(!failed(kind, status), "{kind}");
        }
    }

    const KINDS: [&str; 11] = [
        "snapshot",
        "snapshot-merge",
        "thin-pool",
        "thin",
        "cache",
        "writecache",
        "raid",
        "mirror",
        "striped",
        "error",
        "linear",
    ];

    proptest! {
        #[test]
        fn any_text_is_no_panic(kind in 0..KINDS.len(), status in ".{0,200}") {
            let _ = parse(KINDS[kind], &status);
        }

        #[test]
        fn any_words_are_no_panic(
            kind in 0..KINDS.len(),
            words in proptest::collection::vec("[0-9]{1,20}|[0-9]{1,4}/[0-9]{1,4}|-|rw|[Aa]{1,3}|Fail", 0..24),
        ) {
            let _ = parse(KINDS[kind], &words.join(" "));
        }
    }
}

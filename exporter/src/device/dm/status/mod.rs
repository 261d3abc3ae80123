//! The status of a target, as its driver writes it for `dmsetup status`.
//!
//! Sources: kernel `Documentation/admin-guide/device-mapper` and the `status` functions of `drivers/md/dm-*.c`
//! (snapshots and mirrors are not documented). A driver that has failed writes a word in place of its numbers;
//! newer ones add fields at the end.

mod cache;
mod raid;
mod snapshot;
mod thin;
mod writecache;

pub use self::cache::{Cache, CacheNumbers, HitsAndMisses};
pub use self::raid::{Leg, Raid};
pub use self::snapshot::Snapshot;
pub use self::thin::{Pool, PoolNumbers, Thin};
pub use self::writecache::{WriteCache, Writes};

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

/// Reads the status of a target of this kind. `None`: it is not what such a target writes.
pub fn parse(kind: &str, status: &str) -> Option<Status> {
    let words: Vec<&str> = status.split_ascii_whitespace().collect();
    Some(match kind {
        "snapshot" | "snapshot-merge" => {
            Status::Snapshot(snapshot::parse(&words, kind == "snapshot-merge")?)
        }
        "thin-pool" => Status::ThinPool(thin::parse_pool(&words)?),
        "thin" => Status::Thin(thin::parse_volume(&words)?),
        "cache" => Status::Cache(cache::parse(&words)?),
        "writecache" => Status::WriteCache(writecache::parse(&words)?),
        "raid" => Status::Raid(raid::parse(&words)?),
        "mirror" => Status::Raid(raid::parse_mirror(&words)?),
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

fn mode(word: &str) -> Option<Mode> {
    match word {
        "rw" => Some(Mode::ReadWrite),
        "ro" => Some(Mode::ReadOnly),
        "out_of_data_space" => Some(Mode::OutOfDataSpace),
        _ => None,
    }
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

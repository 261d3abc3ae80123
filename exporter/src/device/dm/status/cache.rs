//! Caches of the kind `cache`.

use super::{Fill, Mode, fill, mode};

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

/// Reads what `dm-cache-target.c` writes.
pub(super) fn parse(words: &[&str]) -> Option<Cache> {
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

#[cfg(test)]
mod tests {
    use crate::device::dm::status::{Fill, Mode, Status, parse};

    #[test]
    fn caches() {
        let of = |status| match parse("cache", status) {
            Some(Status::Cache(found)) => Some(found),
            _ => None,
        };
        let found = of("8 9/2048 128 12/256 1 56 3 4 5 6 7 2 metadata2 writethrough 2 migration_threshold 2048 smq 0 rw - ").unwrap();
        assert_eq!(found.mode, Some(Mode::ReadWrite));
        let numbers = found.numbers.unwrap();
        assert_eq!(
            numbers.metadata,
            Fill {
                used: 9,
                total: 2048
            }
        );
        assert_eq!(
            (numbers.block_sectors, numbers.blocks),
            (
                128,
                Fill {
                    used: 12,
                    total: 256
                }
            )
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
}

//! Caches of the kind `writecache`.

use super::cache::HitsAndMisses;

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

/// Reads what `dm-writecache.c` writes.
pub(super) fn parse(words: &[&str]) -> Option<WriteCache> {
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

#[cfg(test)]
mod tests {
    use crate::device::dm::status::{Status, parse};

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
}

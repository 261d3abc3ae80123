//! What an operator declares that a tier is to be tuned to: compared, all the time, with what is in force.

use std::fmt;
use std::time::Duration;

use crate::mount_option::MountOption;
use crate::units::Bytes;

/// The key `expect` of a tier. What is not given is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// I/O scheduler of every whole disk below the tier's filesystems.
    pub scheduler: Option<String>,
    /// How far every filesystem of the tier reads ahead.
    pub read_ahead: Option<Bytes>,
    /// How the kernel treats the write cache of every whole disk below the tier's filesystems.
    pub write_cache: Option<WriteCache>,
    /// What every mount of the tier must have, and must not have, in force.
    pub mount_options: Vec<MountOption>,
    /// Every filesystem of the tier on a local device was trimmed within this time.
    pub trim_within: Option<Duration>,
}

impl Expect {
    /// Whether something is declared of whole disks.
    pub fn of_disks(&self) -> bool {
        self.scheduler.is_some() || self.write_cache.is_some()
    }

    /// Whether something is declared of filesystems.
    pub fn of_filesystems(&self) -> bool {
        self.read_ahead.is_some() || self.trim_within.is_some() || !self.mount_options.is_empty()
    }
}

/// How the kernel treats the write cache of a disk (kernel, `Documentation/block/writeback_cache_control.rst`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteCache {
    /// Volatile: it is flushed whenever data must be durable.
    Back,
    /// Absent or safe: it is never flushed.
    Through,
}

impl WriteCache {
    /// Reads `write_back` or `write_through`, or as the kernel writes them, with a blank.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "write_back" | "write back" => Some(Self::Back),
            "write_through" | "write through" => Some(Self::Through),
            _ => None,
        }
    }
}

impl fmt::Display for WriteCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Back => "write_back",
            Self::Through => "write_through",
        })
    }
}

/// Whether a text can be the name of an I/O scheduler: `none`, `mq-deadline`, `bfq`, `kyber`, and what
/// distributions add.
pub fn is_scheduler(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=16).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_read_back_and_schedulers_are_words() {
        for cache in [WriteCache::Back, WriteCache::Through] {
            assert_eq!(WriteCache::parse(&cache.to_string()), Some(cache));
        }
        assert_eq!(WriteCache::parse("write back\n"), Some(WriteCache::Back));
        assert_eq!(WriteCache::parse("writeback"), None);
        assert!(is_scheduler("mq-deadline") && is_scheduler("none"));
        assert!(!is_scheduler("") && !is_scheduler("[none]") && !is_scheduler("a b"));
    }
}

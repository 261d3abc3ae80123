//! Thin pools and their volumes.

use super::{Fill, Mode, fill, mode};

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

/// Reads what `dm-thin.c` writes of a pool.
pub(super) fn parse_pool(words: &[&str]) -> Option<Pool> {
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

/// Reads what `dm-thin.c` writes of a volume.
pub(super) fn parse_volume(words: &[&str]) -> Option<Thin> {
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

#[cfg(test)]
mod tests {
    use crate::device::dm::status::{Fill, Mode, Pool, Status, parse};

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
            (
                1,
                Fill {
                    used: 11,
                    total: 1024
                },
                Fill {
                    used: 3,
                    total: 512
                }
            )
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
}

//! Files that have several names, so that each is counted once.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

/// Enough that walkers seldom meet at one.
const SHARDS: usize = 16;

/// The files with several names that were seen. One whose names were all seen is forgotten, so what is
/// kept are those with a name outside of the tree, or not reached yet.
#[derive(Default)]
pub struct Links {
    shards: [Mutex<FxHashMap<Identity, u32>>; SHARDS],
}

/// Device and inode: the subvolumes of a btrfs have devices of their own on one mount.
type Identity = (u32, u32, u64);

impl Links {
    /// Whether this is the first name of a file that has `names` of them (at least two).
    pub fn is_first(&self, identity: Identity, names: u32) -> bool {
        let shard = &self.shards[identity.2 as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        match shard.get_mut(&identity) {
            None => {
                shard.insert(identity, names.saturating_sub(1));
                true
            }
            Some(left) => {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    shard.remove(&identity);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_once_and_forgotten_after_its_last_name() {
        let links = Links::default();
        let seen: Vec<bool> = (0..3).map(|_| links.is_first((8, 1, 42), 3)).collect();
        assert_eq!(seen, [true, false, false]);
        assert!(links.shards.iter().all(|s| s.lock().unwrap().is_empty()));
        assert!(links.is_first((8, 1, 7), 2) && links.is_first((8, 2, 7), 2));
    }
}

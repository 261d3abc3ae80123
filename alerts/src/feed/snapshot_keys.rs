//! From a sample of a snapshot to its series' number.

use std::hash::{BuildHasher, RandomState};
use std::ptr;

use hashbrown::HashTable;
use tidegauge_model::metric::{FamilySpec, Labels};

use super::cycle::Slot;
use super::sequence::Sequence;

/// The series of a snapshot by family and labels. The labels are the model's own and shared with the
/// snapshots: nothing is copied, and what is the very same is known at a glance.
#[derive(Debug)]
pub(super) struct SnapshotKeys {
    /// By number.
    keys: Vec<Option<(&'static FamilySpec, Labels)>>,
    index: HashTable<Slot>,
    hasher: RandomState,
    sequence: Sequence,
}

impl SnapshotKeys {
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            sequence: Sequence::new(),
        }
    }

    /// The next sample will be the first one of a snapshot.
    pub fn restart(&mut self) {
        self.sequence.restart();
    }

    /// Tells whose sample came.
    pub fn follow(&mut self, slot: Slot) {
        self.sequence.follow(slot);
    }

    pub fn find(&self, spec: &'static FamilySpec, labels: &Labels) -> Option<Slot> {
        if let Some(slot) = self.sequence.guess()
            && self.is(slot, spec, labels)
        {
            return Some(slot);
        }
        self.index
            .find(hash(&self.hasher, spec, labels), |&slot| {
                self.is(slot, spec, labels)
            })
            .copied()
    }

    fn is(&self, slot: Slot, spec: &'static FamilySpec, labels: &Labels) -> bool {
        let key = self.keys.get(slot as usize).and_then(Option::as_ref);
        key.is_some_and(|(s, l)| ptr::eq(*s, spec) && (l.is_same(labels) || l == labels))
    }

    /// The series is not there yet, and `slot` is nobody's.
    pub fn insert(&mut self, slot: Slot, spec: &'static FamilySpec, labels: &Labels) {
        if self.keys.len() <= slot as usize {
            self.keys.resize(slot as usize + 1, None);
        }
        self.keys[slot as usize] = Some((spec, labels.clone()));
        let (keys, hasher) = (&self.keys, &self.hasher);
        self.index
            .insert_unique(hash(hasher, spec, labels), slot, |&slot| {
                keys[slot as usize]
                    .as_ref()
                    .map_or(0, |(spec, labels)| hash(hasher, spec, labels))
            });
    }

    pub fn remove(&mut self, slot: Slot) {
        let Some((spec, labels)) = self.keys.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        let hash = hash(&self.hasher, spec, &labels);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
    }
}

fn hash(hasher: &RandomState, spec: &'static FamilySpec, labels: &Labels) -> u64 {
    hasher.hash_one((ptr::from_ref(spec), labels))
}

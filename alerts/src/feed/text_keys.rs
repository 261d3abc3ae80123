//! From the text of a series, as the exposition has it, to its number: what was parsed once is not
//! parsed again (Prometheus's scrape cache does the same).

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::cycle::Slot;
use super::sequence::Sequence;

/// Less than this is not worth moving the rest for.
const LITTLE: usize = 64 << 10;

/// The texts of all series of a target, one after the other in one buffer.
#[derive(Debug)]
pub(super) struct TextKeys {
    text: Vec<u8>,
    /// By number.
    spans: Vec<Span>,
    index: HashTable<Slot>,
    /// Seeded: what is exposed may come from whoever means ill.
    hasher: RandomState,
    /// Bytes of texts that are gone.
    garbage: usize,
    sequence: Sequence,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    length: u32,
}

impl TextKeys {
    pub fn new() -> Self {
        Self {
            text: Vec::new(),
            spans: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            garbage: 0,
            sequence: Sequence::new(),
        }
    }

    /// The next text will be the first one of a scrape.
    pub fn restart(&mut self) {
        self.sequence.restart();
    }

    /// The text that came next the last time.
    pub fn guess(&self) -> Option<(Slot, &[u8])> {
        let slot = self.sequence.guess()?;
        let text = self.text_of(slot);
        (!text.is_empty()).then_some((slot, text))
    }

    /// Tells what came next indeed.
    pub fn follow(&mut self, slot: Slot) {
        self.sequence.follow(slot);
    }

    pub fn find(&self, text: &[u8]) -> Option<Slot> {
        self.index
            .find(self.hasher.hash_one(text), |&slot| {
                self.text_of(slot) == text
            })
            .copied()
    }

    fn text_of(&self, slot: Slot) -> &[u8] {
        let span = self.spans.get(slot as usize).copied().unwrap_or_default();
        &self.text[span.start..span.start + span.length as usize]
    }

    /// `text` is not there yet, nor empty, and `slot` is nobody's.
    pub fn insert(&mut self, slot: Slot, text: &[u8]) {
        let Ok(length) = u32::try_from(text.len()) else {
            // Bodies are bounded to less. It would be parsed anew each time.
            return;
        };
        if self.spans.len() <= slot as usize {
            self.spans.resize(slot as usize + 1, Span::default());
        }
        self.spans[slot as usize] = Span {
            start: self.text.len(),
            length,
        };
        self.text.extend_from_slice(text);
        let (spans, all, hasher) = (&self.spans, &self.text, &self.hasher);
        self.index
            .insert_unique(hasher.hash_one(text), slot, |&slot| {
                let span = spans[slot as usize];
                hasher.hash_one(&all[span.start..span.start + span.length as usize])
            });
    }

    pub fn remove(&mut self, slot: Slot) {
        let hash = self.hasher.hash_one(self.text_of(slot));
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == slot) {
            entry.remove();
            let span = std::mem::take(&mut self.spans[slot as usize]);
            self.garbage += span.length as usize;
        }
        if self.garbage > LITTLE && self.garbage > self.text.len() / 2 {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut kept = Vec::with_capacity(self.text.len() - self.garbage);
        for span in &mut self.spans {
            let start = kept.len();
            kept.extend_from_slice(&self.text[span.start..span.start + span.length as usize]);
            span.start = start;
        }
        self.text = kept;
        self.garbage = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As a map does; texts are long, for the buffer to be compacted.
        #[test]
        fn as_a_map(steps in proptest::collection::vec((any::<bool>(), 0u32..8), 0..60)) {
            let mut keys = TextKeys::new();
            let mut model: HashMap<Vec<u8>, Slot> = HashMap::new();
            for (add, slot) in steps {
                let text = format!("{slot}").repeat(20_000).into_bytes();
                if add && !model.contains_key(&text) {
                    keys.insert(slot, &text);
                    model.insert(text, slot);
                } else if !add && model.remove(&text).is_some() {
                    keys.remove(slot);
                }
                for slot in 0..8u32 {
                    let text = format!("{slot}").repeat(20_000).into_bytes();
                    prop_assert_eq!(keys.find(&text), model.get(&text).copied());
                }
                prop_assert!(keys.text.len() <= 2 * 20_000 * model.len() + LITTLE + 20_000);
            }
        }
    }

    #[test]
    fn what_followed_is_guessed_to_follow_again() {
        let mut keys = TextKeys::new();
        for (slot, text) in (0..).zip([b"a", b"b", b"c"]) {
            assert_eq!(keys.guess(), None);
            keys.insert(slot, text);
            keys.follow(slot);
        }
        keys.restart();
        assert_eq!(keys.guess(), Some((0, &b"a"[..])));
        // b is left out.
        keys.follow(0);
        assert_eq!(keys.guess(), Some((1, &b"b"[..])));
        keys.follow(2);
        keys.remove(1);
        keys.restart();
        keys.follow(0);
        assert_eq!(keys.guess(), Some((2, &b"c"[..])));
    }
}

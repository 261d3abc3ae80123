//! Finds series: by all of their labels to append, by matchers to read.
//!
//! Series are listed by metric name, and the other matchers are tried on each of those. Lists by every label, as
//! Prometheus has, would take more memory than most of the samples, to speed up only what asks for few series of
//! many: rules ask for all of a metric.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxSeededState;
use tidegauge_promql::{Labels, METRIC_NAME, MatchOp, Matcher, Series as _};

use super::series::Recent;

/// A place for a series.
#[derive(Debug)]
pub(super) struct Slot {
    /// `None`: the place is free.
    pub(super) series: Option<Arc<Recent>>,
    /// How long its samples are kept, in seconds.
    pub(super) keep: u32,
    /// Its number in the log; [`NONE`]: it has none yet.
    pub(super) log_number: u32,
    /// The place of the series that came after it in the last batch: most likely it does again.
    next: u32,
}

/// No number, no place.
pub(super) const NONE: u32 = u32::MAX;

/// All series.
pub(super) struct Index {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_labels: HashTable<u32>,
    by_name: HashMap<Box<str>, Vec<u32>, FxSeededState>,
    hasher: FxSeededState,
    /// Bytes of all metrics' names.
    name_bytes: usize,
}

/// Of a series in the list of its name, with the room that lists have to grow.
const LISTED: usize = 6;

impl Index {
    pub(super) fn new() -> Self {
        // Whoever chooses labels does not know the seed.
        let seed = RandomState::new().hash_one(0u8) as usize;
        let hasher = FxSeededState::with_seed(seed);
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_labels: HashTable::new(),
            by_name: HashMap::with_hasher(hasher.clone()),
            hasher,
            name_bytes: 0,
        }
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.by_labels.len()
    }

    /// How many places there are, free ones too.
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    /// Bytes that it takes, without the series.
    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.by_labels.allocation_size()
            + self.len() * LISTED
            + self.name_bytes
    }

    /// Where a series is, given where the one before it in the batch is.
    pub(super) fn find(&mut self, labels: &Labels, before: Option<u32>) -> Option<u32> {
        let expected = before.and_then(|before| Some(self.slots.get(before as usize)?.next));
        if let Some(expected) = expected
            && let Some(slot) = self.slots.get(expected as usize)
            && slot
                .series
                .as_ref()
                .is_some_and(|series| series.labels().ptr_eq(labels) || series.labels() == labels)
        {
            return Some(expected);
        }
        let found = self.look_up(labels);
        if let (Some(found), Some(before)) = (found, before) {
            self.follow(before, found);
        }
        found
    }

    /// The labels of a series as they are kept here.
    pub(super) fn copy_of(&self, labels: &Labels) -> Option<Labels> {
        let series = self.get(self.look_up(labels)?)?;
        Some(series.labels().clone())
    }

    fn look_up(&self, labels: &Labels) -> Option<u32> {
        let is_it = |place: &u32| {
            self.get(*place)
                .is_some_and(|series| series.labels() == labels)
        };
        self.by_labels
            .find(self.hasher.hash_one(labels), is_it)
            .copied()
    }

    fn follow(&mut self, before: u32, after: u32) {
        if let Some(slot) = self.slots.get_mut(before as usize) {
            slot.next = after;
        }
    }

    /// Adds a series that is not there yet. `None`: there are as many as can be numbered.
    pub(super) fn insert(&mut self, series: Recent, keep: u32, before: Option<u32>) -> Option<u32> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => u32::try_from(self.slots.len())
                .ok()
                .filter(|place| *place != NONE)?,
        };
        let hash = self.hasher.hash_one(series.labels());
        match self.by_name.get_mut(series.labels().name()) {
            Some(list) => list.push(place),
            None => {
                let name: Box<str> = Box::from(series.labels().name());
                self.name_bytes += name.len() + size_of::<(Box<str>, Vec<u32>)>();
                self.by_name.insert(name, vec![place]);
            }
        }
        let slot = Slot {
            series: Some(Arc::new(series)),
            keep,
            log_number: NONE,
            next: NONE,
        };
        match self.slots.get_mut(place as usize) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_labels.insert_unique(hash, place, |place| {
            let series = slots
                .get(*place as usize)
                .and_then(|slot| slot.series.as_ref());
            series.map_or(0, |series| hasher.hash_one(series.labels()))
        });
        if let Some(before) = before {
            self.follow(before, place);
        }
        Some(place)
    }

    /// Takes series away. Cheaper for many at once.
    pub(super) fn remove(&mut self, places: &[u32]) {
        let mut names: Vec<Box<str>> = Vec::new();
        for &place in places {
            let Some(slot) = self.slots.get_mut(place as usize) else {
                continue;
            };
            let Some(series) = slot.series.take() else {
                continue;
            };
            let hash = self.hasher.hash_one(series.labels());
            if let Ok(entry) = self.by_labels.find_entry(hash, |other| *other == place) {
                entry.remove();
            }
            names.push(Box::from(series.labels().name()));
            self.free.push(place);
        }
        names.sort_unstable();
        names.dedup();
        for name in names {
            if let Some(list) = self.by_name.get_mut(&name) {
                let slots = &self.slots;
                list.retain(|place| {
                    slots
                        .get(*place as usize)
                        .is_some_and(|slot| slot.series.is_some())
                });
                if list.is_empty() {
                    self.name_bytes -= name.len() + size_of::<(Box<str>, Vec<u32>)>();
                    self.by_name.remove(&name);
                }
            }
        }
    }

    /// The series of a place.
    pub(super) fn get(&self, place: u32) -> Option<&Arc<Recent>> {
        self.slots.get(place as usize)?.series.as_ref()
    }

    /// A place.
    pub(super) fn slot_mut(&mut self, place: u32) -> Option<&mut Slot> {
        self.slots.get_mut(place as usize)
    }

    /// All places.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0..).zip(&self.slots)
    }

    /// All places.
    pub(super) fn slots_mut(&mut self) -> impl Iterator<Item = (u32, &mut Slot)> {
        (0..).zip(&mut self.slots)
    }

    /// Some places, by number.
    pub(super) fn range_mut(
        &mut self,
        places: Range<usize>,
    ) -> impl Iterator<Item = (u32, &mut Slot)> {
        let places = places.start..places.end.min(self.slots.len());
        let first = places.start as u32;
        (first..).zip(self.slots.get_mut(places).unwrap_or_default())
    }

    /// The series in some places, by number.
    pub(super) fn range(&self, places: Range<usize>) -> impl Iterator<Item = &Arc<Recent>> {
        let places = places.start..places.end.min(self.slots.len());
        let slots = self.slots.get(places).unwrap_or_default();
        slots.iter().filter_map(|slot| slot.series.as_ref())
    }

    /// Gives each series that all matchers match.
    pub(super) fn each_match(&self, matchers: &[Matcher], mut found: impl FnMut(&Arc<Recent>)) {
        let (of_name, others): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|m| m.name == METRIC_NAME);
        let mut of_list = |list: &[u32]| {
            for series in list.iter().filter_map(|place| self.get(*place)) {
                if others
                    .iter()
                    .all(|m| m.is_match(series.labels().get(&m.name)))
                {
                    found(series);
                }
            }
        };
        let has_name = |name: &str| of_name.iter().all(|m| m.is_match(name));
        match of_name.iter().find(|m| m.op == MatchOp::Equal) {
            Some(equal) => {
                if let Some(list) = self.by_name.get(equal.value.as_str())
                    && has_name(&equal.value)
                {
                    of_list(list);
                }
            }
            None => self
                .by_name
                .iter()
                .filter(|(name, _)| has_name(name))
                .for_each(|(_, list)| of_list(list)),
        }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} series", self.len())
    }
}

//! What one scrape after the other brings of a target's series: the batch for the store, marks of
//! staleness, and how many there were. No I/O and no clock.
//!
//! Source: Prometheus 3, `scrape/scrape.go` (`scrapeCache`, `scrapeLoop.append`).

use std::collections::HashSet;

use tidegauge_promql::{Labels, STALE, Sample, Timestamp};

/// Samples that claim to be of a later time than this from now are refused (Prometheus, `maxAheadTime`).
const AHEAD: Timestamp = 10 * 60 * 1000;

/// A place of the batch that no series of the scrape fills in every cycle.
const OTHER: u32 = u32::MAX;

/// A series' number within its target. Numbers of series that went are given again.
pub(super) type Slot = u32;

/// What came of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All of it was read.
    Whole,
    /// It was read, and there was nothing: what is known of series is kept for the next one.
    Empty,
    /// It came, and was refused for what is in it.
    Refused,
    /// It did not come, or not whole.
    Lost,
}

/// How many samples a scrape had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// In the text.
    pub scraped: u64,
    /// Not dropped by what the settings say; as there is no relabelling, those before the text's end or error.
    pub kept: u64,
    /// Series that the scrape before did not have. (Those whose first sample the store then refuses among
    /// them; Prometheus knows at once, and leaves them out.)
    pub added: u64,
    /// Repeated within the scrape, and dropped.
    pub duplicate: u64,
    /// Of a time too far ahead, and dropped.
    pub out_of_bounds: u64,
}

/// The series of a target over its scrapes.
#[derive(Debug)]
pub(super) struct Cycle {
    series: Vec<Known>,
    free: Vec<Slot>,
    /// Number of the scrape that is under way or comes next; 0 and 1 are none.
    scrape: u32,
    time: Timestamp,
    counts: Counts,
    seen: usize,
    created: Vec<Slot>,
    /// Samples against the limit.
    taken: u64,
    over_limit: bool,
    /// Kept from cycle to cycle: where the order of series is the same, only times and values change.
    batch: Vec<(Labels, Sample)>,
    /// Whose each place of the batch is.
    order: Vec<Slot>,
    filled: usize,
    /// Series after the last whole scrape.
    settled: usize,
    options: Options,
}

/// What settings say of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// A scrape with more samples is refused.
    pub sample_limit: Option<u64>,
    /// Whether series with times of their own are marked when they vanish, as those without are.
    pub track_timestamps: bool,
}

#[derive(Debug)]
struct Known {
    labels: Labels,
    /// The scrape that had it last.
    seen: u32,
    /// The last scrape after which it is marked if it vanishes.
    tracked: u32,
    /// Whether the scrape before that was such a one, too.
    tracked_before: bool,
    live: bool,
    watched: bool,
}

impl Cycle {
    pub fn new(options: Options) -> Self {
        Self {
            series: Vec::new(),
            free: Vec::new(),
            scrape: 2,
            time: 0,
            counts: Counts::default(),
            seen: 0,
            created: Vec::new(),
            taken: 0,
            over_limit: false,
            batch: Vec::new(),
            order: Vec::new(),
            filled: 0,
            settled: 0,
            options,
        }
    }

    /// Other limits from the next scrape on.
    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// A scrape begins; `time` is that of its samples.
    pub fn begin(&mut self, time: Timestamp) {
        self.time = time;
        self.counts = Counts::default();
        self.seen = 0;
        self.taken = 0;
        self.over_limit = false;
        self.filled = 0;
        self.created.clear();
    }

    /// A series that is not known yet, with its first sample. `None` where that is dropped: it is counted, and
    /// not remembered.
    pub fn create(
        &mut self,
        labels: Labels,
        watched: bool,
        value: f64,
        explicit: Option<Timestamp>,
    ) -> Option<Slot> {
        if self.is_full() {
            self.refuse();
            return None;
        }
        if self.is_ahead(explicit) {
            self.counts.scraped += 1;
            self.counts.kept += 1;
            self.counts.out_of_bounds += 1;
            self.taken += 1;
            return None;
        }
        let known = Known {
            labels,
            seen: 0,
            tracked: 0,
            tracked_before: false,
            live: true,
            watched,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.series[slot as usize] = known;
                slot
            }
            None => {
                self.series.push(known);
                // Bodies are bounded, so that there are never as many.
                Slot::try_from(self.series.len() - 1).unwrap_or(OTHER - 1)
            }
        };
        self.created.push(slot);
        self.counts.added += 1;
        self.record(slot, value, explicit);
        Some(slot)
    }

    /// A sample of a known series. `explicit` is the time that it says itself.
    pub fn record(&mut self, slot: Slot, value: f64, explicit: Option<Timestamp>) {
        if self.is_full() {
            return self.refuse();
        }
        self.counts.scraped += 1;
        self.counts.kept += 1;
        let scrape = self.scrape;
        let ahead = self.is_ahead(explicit);
        let known = &mut self.series[slot as usize];
        if known.seen == scrape && explicit.is_none() {
            self.counts.duplicate += 1;
            return;
        }
        if known.seen != scrape {
            known.seen = scrape;
            self.seen += 1;
        }
        self.taken += 1;
        let time = explicit.unwrap_or(self.time);
        if ahead {
            self.counts.out_of_bounds += 1;
            return;
        }
        if (explicit.is_none() || self.options.track_timestamps) && known.tracked != scrape {
            known.tracked_before = known.tracked == scrape - 1;
            known.tracked = scrape;
        }
        self.put(slot, Sample { time, value });
    }

    fn is_ahead(&self, explicit: Option<Timestamp>) -> bool {
        explicit.is_some_and(|time| time > self.time.saturating_add(AHEAD))
    }

    fn is_full(&self) -> bool {
        self.options
            .sample_limit
            .is_some_and(|limit| self.taken >= limit)
    }

    fn refuse(&mut self) {
        self.counts.scraped += 1;
        self.counts.kept += 1;
        self.over_limit = true;
    }

    /// Whether there were more samples than allowed: the scrape is to be refused at its end.
    pub fn is_over_limit(&self) -> bool {
        self.over_limit
    }

    /// A sample that was in the text, and is no sample for what is wrong with it.
    pub fn count_wrong(&mut self) {
        self.counts.scraped += 1;
    }

    fn put(&mut self, slot: Slot, sample: Sample) {
        let labels = &self.series[slot as usize].labels;
        match self.batch.get_mut(self.filled) {
            Some(place) => {
                if self.order[self.filled] != slot {
                    place.0.clone_from(labels);
                    self.order[self.filled] = slot;
                }
                place.1 = sample;
            }
            None => {
                self.batch.push((labels.clone(), sample));
                self.order.push(slot);
            }
        }
        self.filled += 1;
    }

    /// The scrape ends. `gone` is told each series that is forgotten.
    ///
    /// A scrape that was refused leaves no sample, and, exactly as in Prometheus, no mark on the
    /// series that were read before the place where it was found wrong.
    pub fn end(&mut self, end: End, mut gone: impl FnMut(Slot, &Labels)) -> Counts {
        if matches!(end, End::Refused | End::Lost) {
            self.filled = 0;
        }
        let before = self.series.len() - self.free.len();
        if end == End::Lost {
            self.counts = Counts::default();
            self.unsee();
            for slot in std::mem::take(&mut self.created) {
                self.forget(slot, &mut gone);
            }
        }
        self.mark_vanished();
        let live = self.series.len() - self.free.len();
        // Scrapes that are refused time and again with ever new series would fill the memory.
        let crowded = end == End::Refused && live > 2 * self.settled + 1000;
        if (end == End::Whole || crowded) && self.seen < live {
            for index in 0..self.series.len() {
                let known = &self.series[index];
                if known.live && known.seen != self.scrape {
                    self.forget(Slot::try_from(index).unwrap_or(OTHER), &mut gone);
                }
            }
        }
        if self.series.len() - self.free.len() < before {
            self.free_places();
        }
        if end == End::Whole {
            self.settled = self.series.len() - self.free.len();
        }
        self.scrape += 1;
        self.counts
    }

    /// As if no sample of this scrape had been read.
    fn unsee(&mut self) {
        for known in &mut self.series {
            if known.tracked == self.scrape {
                known.tracked = if known.tracked_before {
                    self.scrape - 1
                } else {
                    0
                };
            }
        }
    }

    fn forget(&mut self, slot: Slot, gone: &mut impl FnMut(Slot, &Labels)) {
        let known = &mut self.series[slot as usize];
        gone(slot, &known.labels);
        known.live = false;
        known.watched = false;
        known.tracked = 0;
        known.labels = Labels::empty();
        self.free.push(slot);
    }

    /// Numbers of series that went are given again: no place of the batch may be taken for the new one's.
    fn free_places(&mut self) {
        for slot in &mut self.order {
            let known = self.series.get(*slot as usize);
            if !known.is_some_and(|known| known.live) {
                *slot = OTHER;
            }
        }
    }

    fn mark_vanished(&mut self) {
        let before = self.scrape - 1;
        let vanished: Vec<Slot> = (0..)
            .zip(&self.series)
            .filter(|(_, known)| known.tracked == before)
            .map(|(slot, _)| slot)
            .collect();
        if vanished.is_empty() {
            return;
        }
        // The same series may be there, written in another way.
        let mut ended: HashSet<&Labels> = vanished
            .iter()
            .map(|slot| &self.series[*slot as usize].labels)
            .collect();
        for known in &self.series {
            if known.tracked == self.scrape {
                ended.remove(&known.labels);
            }
        }
        let marked: Vec<Slot> = vanished
            .iter()
            .copied()
            // Of two ways to write one series the first is marked.
            .filter(|slot| ended.remove(&self.series[*slot as usize].labels))
            .collect();
        for slot in marked {
            let time = self.time;
            self.put(slot, Sample { time, value: STALE });
        }
    }

    /// Takes, for the labels of series that came up in this scrape, the copies of who keeps some anyway.
    pub fn adopt(&mut self, copy_of: impl Fn(&Labels) -> Option<Labels>) {
        let mut adopted = false;
        for slot in std::mem::take(&mut self.created) {
            let known = &mut self.series[slot as usize];
            if let Some(copy) = copy_of(&known.labels) {
                known.labels = copy;
                adopted = true;
            }
        }
        if !adopted {
            return;
        }
        let places = self.batch.iter_mut().zip(&self.order).take(self.filled);
        for ((labels, _), slot) in places {
            if let Some(known) = self.series.get(*slot as usize)
                && known.live
            {
                labels.clone_from(&known.labels);
            }
        }
    }

    /// Adds a sample of another series than the scrape's, once it has ended.
    pub fn report(&mut self, labels: &Labels, value: f64) {
        let time = self.time;
        let sample = Sample { time, value };
        match self.batch.get_mut(self.filled) {
            Some(place) => {
                place.0.clone_from(labels);
                place.1 = sample;
                self.order[self.filled] = OTHER;
            }
            None => {
                self.batch.push((labels.clone(), sample));
                self.order.push(OTHER);
            }
        }
        self.filled += 1;
    }

    /// All samples and marks of the scrape.
    pub fn batch(&self) -> &[(Labels, Sample)] {
        &self.batch[..self.filled]
    }

    /// The samples of those series of the last scrape that were created as watched.
    pub fn watched(&self) -> impl Iterator<Item = (&Labels, f64)> {
        let order = self.order[..self.filled].iter();
        order.zip(self.batch()).filter_map(|(slot, (_, sample))| {
            let known = self.series.get(*slot as usize)?;
            known.watched.then_some((&known.labels, sample.value))
        })
    }
}

#[cfg(test)]
mod tests;

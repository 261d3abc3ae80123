//! What is behind the window's lock: the series, and all that decides what becomes of a sample.

use std::ops::Range;
use std::sync::Arc;

use tidegauge_promql::{Labels, Sample, Series as _, Timestamp};

use super::Settings;
use super::demand::{Demands, whole_seconds};
use super::disk::{Pending, Recorder};
use super::evict::evict;
use super::index::{Index, NONE};
use super::series::{Change, Recent, Weight};
use super::stats::Stats;
use super::timekeeper::{AHEAD, Timekeeper};
use crate::store::Appended;

/// When there is no room, so many hundredths of it are made at once: looking for what to drop goes over everything.
const ROOM_PERCENT: usize = 5;

/// Everything but the disk.
#[derive(Debug)]
pub(super) struct State {
    pub(super) index: Index,
    pub(super) recorder: Recorder,
    settings: Settings,
    demands: Demands,
    timekeeper: Timekeeper,
    /// Of all series.
    weight: Weight,
    newest: Option<Timestamp>,
    /// Counts, and what is looked up now and then.
    stats: Stats,
    /// Whether samples are dropped for lack of room, and the log knows.
    crowded: bool,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            index: Index::new(),
            recorder: Recorder::default(),
            settings,
            demands: Demands::default(),
            timekeeper: Timekeeper::default(),
            weight: Weight::default(),
            newest: None,
            stats: Stats::default(),
            crowded: false,
        }
    }

    /// Takes in a batch.
    pub(super) fn append(&mut self, batch: &[(Labels, Sample)], now: Timestamp) -> Appended {
        self.observe(now);
        let mut sum = Appended::default();
        let Some((_, first)) = batch.first() else {
            return sum;
        };
        let good = self.timekeeper.good(now);
        self.recorder.begin(now, first.time);
        let mut before = None;
        for (labels, sample) in batch {
            let fate = if sample.time.saturating_sub(now) > AHEAD {
                self.stats.ahead += 1;
                Fate::OutOfOrder
            } else {
                self.add(labels, *sample, good, &mut before)
            };
            match fate {
                Fate::Added => sum.added += 1,
                Fate::OutOfOrder => sum.out_of_order += 1,
                Fate::Duplicate => sum.duplicate += 1,
                Fate::OverLimit => sum.over_limit += 1,
            }
        }
        self.recorder.end();
        self.stats.appended += sum.added;
        self.stats.out_of_order += sum.out_of_order;
        self.stats.duplicate += sum.duplicate;
        self.stats.over_limit += sum.over_limit;
        if self.bytes() > self.settings.max_bytes {
            self.make_room(good);
        }
        sum
    }

    /// Takes in a sample; `before` is the place of the series before it in the batch.
    fn add(
        &mut self,
        labels: &Labels,
        sample: Sample,
        good: Timestamp,
        before: &mut Option<u32>,
    ) -> Fate {
        let Some(place) = self.index.find(labels, *before) else {
            return self.add_series(labels, sample, good, before);
        };
        *before = Some(place);
        let Some(slot) = self.index.slot_mut(place) else {
            return Fate::OverLimit;
        };
        let Some(series) = &mut slot.series else {
            return Fate::OverLimit;
        };
        let last = series.last_sample();
        if sample.time < last.time {
            return Fate::OutOfOrder;
        }
        if sample.time == last.time {
            return match sample.value.to_bits() == last.value.to_bits() {
                true => Fate::Added,
                false => Fate::Duplicate,
            };
        }
        let horizon = good.saturating_sub(i64::from(slot.keep) * 1_000);
        self.recorder
            .sample(&mut slot.log_number, labels, last.value, sample);
        // Copied first where a reader has it.
        let series = Arc::make_mut(series);
        series.share_labels(labels);
        let change = series.append(sample, horizon);
        self.changed(change);
        self.newest = self.newest.max(Some(sample.time));
        Fate::Added
    }

    fn add_series(
        &mut self,
        labels: &Labels,
        sample: Sample,
        good: Timestamp,
        before: &mut Option<u32>,
    ) -> Fate {
        let keep = self.keep_seconds(labels);
        if sample.time < good.saturating_sub(i64::from(keep) * 1_000) {
            return Fate::OutOfOrder;
        }
        if self.index.len() >= self.settings.max_series {
            return Fate::OverLimit;
        }
        if self.bytes() > self.settings.max_bytes {
            self.make_room(good);
            if self.bytes() > self.settings.max_bytes {
                return Fate::OverLimit;
            }
        }
        let series = Recent::new(labels.clone(), sample);
        let weight = series.weight();
        let Some(place) = self.index.insert(series, keep, *before) else {
            return Fate::OverLimit;
        };
        *before = Some(place);
        if let Some(slot) = self.index.slot_mut(place) {
            self.recorder
                .sample(&mut slot.log_number, labels, 0.0, sample);
        }
        self.changed(Change::between(Weight::default(), weight));
        self.newest = self.newest.max(Some(sample.time));
        Fate::Added
    }

    /// Puts a series back as it was saved, unless it is known already.
    pub(super) fn restore(&mut self, series: Recent) {
        if self.index.find(series.labels(), None).is_some() {
            return;
        }
        if self.index.len() >= self.settings.max_series {
            self.stats.over_limit += 1;
            return;
        }
        let (weight, last) = (series.weight(), series.last_sample().time);
        let keep = self.keep_seconds(series.labels());
        if self.index.insert(series, keep, None).is_some() {
            self.changed(Change::between(Weight::default(), weight));
            self.newest = self.newest.max(Some(last));
        }
    }

    /// The time of what is replayed next. What the clock did then was logged; only the age of samples is counted by it.
    pub(super) fn replay_time(&mut self, now: Timestamp) -> Timestamp {
        self.timekeeper.observe(now, self.newest);
        self.timekeeper.good(now)
    }

    /// Takes in a sample that was logged; one that is known already does no harm.
    pub(super) fn replay(
        &mut self,
        labels: &Labels,
        sample: Sample,
        good: Timestamp,
        before: &mut Option<u32>,
    ) {
        self.add(labels, sample, good, before);
    }

    /// Sees what the clock does.
    fn observe(&mut self, now: Timestamp) {
        if let Some(from) = self.timekeeper.observe(now, self.newest) {
            let gone = self.discard(from);
            self.recorder.discard(from);
            self.stats.discarded += gone as u64;
            tracing::warn!(
                samples = gone,
                "the clock came back from a jump: samples from a time to come are thrown away"
            );
        }
    }

    /// Throws away the samples from a time on, and says how many.
    pub(super) fn discard(&mut self, from: Timestamp) -> usize {
        let before = self.weight.samples;
        let mut empty = Vec::new();
        let mut sum = Change::default();
        self.newest = None;
        for (place, slot) in self.index.slots_mut() {
            // What follows in the log stands on nothing that came before.
            slot.log_number = NONE;
            let Some(series) = &mut slot.series else {
                continue;
            };
            if series.last_sample().time >= from {
                let weight = series.weight();
                if !Arc::make_mut(series).cut_from(from) {
                    empty.push(place);
                    continue;
                }
                sum += Change::between(weight, series.weight());
            }
            self.newest = self.newest.max(Some(series.last_sample().time));
        }
        self.changed(sum);
        self.remove(&empty);
        before.saturating_sub(self.weight.samples)
    }

    fn remove(&mut self, places: &[u32]) {
        for place in places {
            if let Some(series) = self.index.get(*place) {
                let weight = series.weight();
                self.changed(Change::between(weight, Weight::default()));
            }
        }
        self.index.remove(places);
    }

    fn changed(&mut self, change: Change) {
        self.weight.bytes = self.weight.bytes.saturating_add_signed(change.bytes);
        self.weight.samples = self.weight.samples.saturating_add_signed(change.samples);
    }

    /// How long the samples of a series are kept.
    fn keep_seconds(&self, labels: &Labels) -> u32 {
        self.demands
            .keep_seconds(labels)
            .max(whole_seconds(self.settings.retention))
    }

    fn keep_anew(&mut self) {
        let (demands, retention) = (&self.demands, whole_seconds(self.settings.retention));
        for (_, slot) in self.index.slots_mut() {
            if let Some(series) = &slot.series {
                slot.keep = demands.keep_seconds(series.labels()).max(retention);
            }
        }
    }

    pub(super) fn set_demands(&mut self, demands: Demands) {
        self.demands = demands;
        self.keep_anew();
    }

    pub(super) fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.keep_anew();
    }

    /// Drops what is too old in some places, and the series that have nothing else. The time of the oldest sample that
    /// is left there.
    pub(super) fn forget(&mut self, now: Timestamp, places: Range<usize>) -> Option<Timestamp> {
        self.observe(now);
        let good = self.timekeeper.good(now);
        let mut gone = Vec::new();
        let mut sum = Change::default();
        let mut oldest = None;
        for (place, slot) in self.index.range_mut(places) {
            let horizon = good.saturating_sub(i64::from(slot.keep) * 1_000);
            let Some(series) = &mut slot.series else {
                continue;
            };
            if series.last_sample().time < horizon {
                gone.push(place);
                continue;
            }
            if series.has_before(horizon) {
                let before = series.weight();
                let series = Arc::make_mut(series);
                series.forget_before(horizon);
                sum += Change::between(before, series.weight());
            }
            let first = series.first();
            oldest = Some(oldest.map_or(first, |oldest: Timestamp| oldest.min(first)));
        }
        self.changed(sum);
        self.remove(&gone);
        oldest
    }

    /// Starts a new log, in which all series have numbers in the order of what is returned: they are to be written
    /// before anything else, each with its last sample. What the log before still has to write comes first.
    pub(super) fn start_log(&mut self) -> (Pending, Vec<(Labels, Sample)>) {
        let pending = self.recorder.take();
        let mut known = Vec::with_capacity(self.index.len());
        for (_, slot) in self.index.slots_mut() {
            slot.log_number = NONE;
            if let Some(series) = &slot.series {
                slot.log_number = known.len() as u32;
                known.push((series.labels().clone(), series.last_sample()));
            }
        }
        self.recorder.start(known.len() as u32);
        (pending, known)
    }

    /// Notes the oldest sample that is held.
    pub(super) fn note_oldest(&mut self, oldest: Option<Timestamp>) {
        self.stats.oldest = oldest;
    }

    /// Bytes that all of it takes.
    fn bytes(&self) -> usize {
        self.weight.bytes + self.index.heap_bytes()
    }

    /// Drops samples before their time until there is some room, as far as may be.
    pub(super) fn make_room(&mut self, good: Timestamp) {
        let wanted = self.settings.max_bytes / 100 * (100 - ROOM_PERCENT);
        let Some(over) = self.bytes().checked_sub(wanted) else {
            return;
        };
        let demands = &self.demands;
        let change = evict(&mut self.index, over, good, |series| {
            demands.keep_seconds(series.labels())
        });
        self.changed(change);
        self.stats.evicted += change.samples.unsigned_abs() as u64;
        if !self.crowded {
            self.crowded = true;
            tracing::warn!(
                max_bytes = self.settings.max_bytes,
                series = self.index.len(),
                "the window is full: samples are dropped before their time; allow it more bytes or keep less"
            );
        }
    }

    /// Tells when it was full and is no more.
    pub(super) fn note_room(&mut self) {
        if self.crowded && self.bytes() < self.settings.max_bytes / 100 * (100 - 2 * ROOM_PERCENT) {
            self.crowded = false;
            tracing::info!("the window has room again");
        }
    }

    /// Numbers about it.
    pub(super) fn stats(&self) -> Stats {
        Stats {
            series: self.index.len() as u64,
            samples: self.weight.samples as u64,
            series_bytes: self.weight.bytes as u64,
            index_bytes: self.index.heap_bytes() as u64,
            newest: self.newest,
            ..self.stats
        }
    }
}

/// What became of a sample.
enum Fate {
    Added,
    OutOfOrder,
    Duplicate,
    OverLimit,
}

//! One series: its labels and its samples.

use std::fmt;

use tidegauge_promql::{Labels, Sample, Samples, Series, Timestamp};

use super::chunk::{Chunk, Open};

/// A series as it is at one time. The window gives it out as it is and copies it before it changes what
/// somebody still reads: a reader sees one state for as long as it likes, without a lock.
#[derive(Clone)]
pub(super) struct Recent {
    labels: Labels,
    /// Full chunks, the oldest first.
    closed: Vec<Chunk>,
    open: Open,
    /// The last sample, not compressed: what most rules ask for.
    last: Sample,
    /// The one before it, for who asks as of a moment ago. The same as the last when it is not known.
    previous: Sample,
}

/// What a series takes and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) bytes: usize,
    pub(super) samples: usize,
}

impl Recent {
    pub(super) fn new(labels: Labels, sample: Sample) -> Self {
        Self {
            labels,
            closed: Vec::new(),
            open: Open::new(sample, None),
            last: sample,
            previous: sample,
        }
    }

    /// Of chunks that follow one another, as they were saved. None: `None`.
    pub(super) fn restore(labels: Labels, mut closed: Vec<Chunk>) -> Option<Self> {
        let newest = closed.pop()?;
        closed.shrink_to_fit();
        let samples: Vec<Sample> = newest.decode()?.collect();
        let open = Open::of(samples.iter().copied())?;
        let last = *samples.last()?;
        Some(Self {
            labels,
            closed,
            open,
            last,
            previous: *samples.iter().rev().nth(1).unwrap_or(&last),
        })
    }

    /// Its chunks as they are to be saved, the open one too.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        let open = std::iter::once_with(|| self.open.seal(self.last.time));
        self.closed.iter().cloned().chain(open)
    }

    /// Shares the copy of its labels with whoever appends: theirs are there anyway, and found faster.
    pub(super) fn share_labels(&mut self, labels: &Labels) {
        if !self.labels.ptr_eq(labels) {
            self.labels = labels.clone();
        }
    }

    pub(super) fn last_sample(&self) -> Sample {
        self.last
    }

    /// The time of the first sample.
    pub(super) fn first(&self) -> Timestamp {
        self.closed
            .first()
            .map_or_else(|| self.open.first(), Chunk::first)
    }

    /// What it takes and holds; goes over all chunks.
    pub(super) fn weight(&self) -> Weight {
        // The counters of the two Arcs, this and the labels', are with labels and the slot.
        let fixed = size_of::<Self>() + 2 * size_of::<usize>() + self.labels.heap_bytes();
        let closed: usize = self.closed.iter().map(Chunk::heap_bytes).sum();
        let samples: usize = self
            .closed
            .iter()
            .map(|chunk| usize::from(chunk.count()))
            .sum();
        Weight {
            bytes: fixed + closed + self.open.heap_bytes(),
            samples: samples + usize::from(self.open.count()),
        }
    }

    /// Appends a later sample. Before it a full chunk is closed, and what is older than the horizon goes.
    /// Says by how much its weight changed.
    pub(super) fn append(&mut self, sample: Sample, horizon: Timestamp) -> Change {
        // A series that is kept for minutes never has a closed chunk: its open one is written anew, about
        // every second time that all of it is replaced.
        let keeps = sample.time.saturating_sub(horizon);
        let stale_half = self.closed.is_empty()
            && self.open.first().saturating_add(keeps) < horizon
            && self.previous.time >= horizon;
        if !stale_half && !self.open.is_full(sample.time) {
            let before = self.open.heap_bytes();
            self.push(sample);
            return Change {
                bytes: self.open.heap_bytes() as isize - before as isize,
                samples: 1,
            };
        }
        let before = self.weight();
        if stale_half {
            self.retain_open(|kept| kept.time >= horizon);
        }
        if self.open.is_full(sample.time) {
            self.forget_before(horizon);
            // Room for what is there and no more: there are many such lists.
            self.closed.reserve_exact(1);
            self.closed.push(self.open.seal(self.last.time));
            self.open = Open::new(sample, Some(self.last.value));
            self.previous = self.last;
            self.last = sample;
        } else {
            self.push(sample);
        }
        Change::between(before, self.weight())
    }

    fn push(&mut self, sample: Sample) {
        self.open.push(self.last, sample);
        self.previous = self.last;
        self.last = sample;
    }

    /// Keeps some samples of the open chunk; all when none would be left.
    fn retain_open(&mut self, wanted: impl Fn(&Sample) -> bool) {
        let rest = self.open.decode().into_iter().flatten().filter(wanted);
        if let Some(open) = Open::of(rest) {
            self.open = open;
        }
    }

    /// How many closed chunks have only samples before a time.
    fn closed_before(&self, horizon: Timestamp) -> usize {
        self.closed.partition_point(|chunk| chunk.last() < horizon)
    }

    /// Whether there are closed chunks with only samples before a time.
    pub(super) fn has_before(&self, horizon: Timestamp) -> bool {
        self.closed
            .first()
            .is_some_and(|chunk| chunk.last() < horizon)
    }

    /// Drops closed chunks that have only samples before a time.
    pub(super) fn forget_before(&mut self, horizon: Timestamp) {
        self.forget_oldest(self.closed_before(horizon));
    }

    /// Drops so many closed chunks.
    pub(super) fn forget_oldest(&mut self, count: usize) {
        self.closed.drain(..count.min(self.closed.len()));
        self.closed.shrink_to(self.closed.len() + 1);
    }

    /// The last times of the closed chunks with what each takes, the oldest first.
    pub(super) fn closed_chunks(&self) -> impl Iterator<Item = (Timestamp, usize)> + '_ {
        self.closed
            .iter()
            .map(|chunk| (chunk.last(), chunk.heap_bytes()))
    }

    /// Takes away the samples from a time on. Whether any are left; with none it is as it was.
    pub(super) fn cut_from(&mut self, from: Timestamp) -> bool {
        if self.first() >= from {
            return false;
        }
        let mut closed = self.closed.clone();
        let mut rest: Vec<Sample> = Vec::new();
        if self.open.first() < from {
            rest.extend(
                self.open
                    .decode()
                    .into_iter()
                    .flatten()
                    .filter(|s| s.time < from),
            );
        } else {
            closed.truncate(closed.partition_point(|chunk| chunk.first() < from));
            if let Some(newest) = closed.pop() {
                rest.extend(
                    newest
                        .decode()
                        .into_iter()
                        .flatten()
                        .filter(|s| s.time < from),
                );
            }
        }
        let (Some(open), Some(last)) = (Open::of(rest.iter().copied()), rest.last()) else {
            return false;
        };
        self.closed = closed;
        self.open = open;
        self.last = *last;
        self.previous = *rest.iter().rev().nth(1).unwrap_or(last);
        true
    }

    /// Whether it may have a sample in `[from, to]`.
    pub(super) fn reaches(&self, from: Timestamp, to: Timestamp) -> bool {
        self.last.time >= from && self.first() <= to
    }
}

/// By how much a weight changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) bytes: isize,
    pub(super) samples: isize,
}

impl Change {
    pub(super) fn between(before: Weight, after: Weight) -> Self {
        Self {
            bytes: after.bytes as isize - before.bytes as isize,
            samples: after.samples as isize - before.samples as isize,
        }
    }
}

impl std::ops::AddAssign for Change {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.samples += other.samples;
    }
}

impl Series for Recent {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, from: Timestamp, to: Timestamp, into: &mut Samples) {
        for chunk in &self.closed[self.closed_before(from)..] {
            if chunk.first() > to {
                return;
            }
            if let Some(decoder) = chunk.decode() {
                decoder.read(from, to, into);
            }
        }
        if self.last.time < from || self.open.first() > to {
            return;
        }
        if self.previous.time < from {
            if self.last.time <= to {
                into.push(self.last);
            }
        } else if let Some(decoder) = self.open.decode() {
            decoder.read(from, to, into);
        }
    }

    fn last(&self, from: Timestamp, to: Timestamp) -> Option<Sample> {
        for known in [self.last, self.previous] {
            if known.time <= to {
                return (known.time >= from).then_some(known);
            }
        }
        let open = (self.open.first() <= to).then(|| self.open.decode());
        let found = match open {
            Some(decoder) => decoder?.last(from, to),
            None => {
                let begun = self.closed.partition_point(|chunk| chunk.first() <= to);
                self.closed
                    .get(begun.checked_sub(1)?)?
                    .decode()?
                    .last(from, to)
            }
        };
        found.filter(|sample| sample.time >= from)
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let samples = self.weight().samples;
        write!(f, "{:?} with {samples} samples", self.labels)
    }
}

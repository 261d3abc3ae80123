//! The log: what was appended since a snapshot.
//!
//! A log stands for itself: whatever it tells of is told in it, so it may be read after any snapshot that is not
//! newer, and what is known already does no harm. Series have numbers in the order in which they come up. A record
//! begins with a byte: [`BATCH`], then the clock's time, the distance from it to the time of most samples, and entries;
//! or [`DISCARD`], then a time. An entry is the number of its series, as the distance from the one after the last
//! entry's, times four plus
//!
//! | | then | is |
//! |---|---|---|
//! | 0 | a count | that many series in a row, each with the value that it had before, at the batch's time |
//! | 1 | bits | a value at the batch's time: exclusive or with the value before |
//! | 2 | distance, bits | a value at another time |
//! | 3 | labels, distance, bits | a new series, with the next number |
//!
//! Most series repeat most of the time: some ten bytes for hundreds of them.

use tidegauge_promql::{Labels, Sample, Timestamp};

use super::frame::put_record;
use super::wire::{Cursor, put_bits, put_labels, put_number, put_signed};
use crate::window::index::NONE;

const BATCH: u8 = 1;
const DISCARD: u8 = 2;

const REPEATED: u64 = 0;
const CHANGED: u64 = 1;
const TIMED: u64 = 2;
const NEW: u64 = 3;

/// A record is ended when it is longer.
const USUAL_RECORD: usize = 1 << 18;

/// What waits to be written; more is too much: the disk does not keep up.
const MOST_PENDING: usize = 1 << 24;

/// Writes down what is appended, in memory; somebody takes it away to the disk.
#[derive(Debug, Default)]
pub(in crate::window) struct Recorder {
    /// Off: nothing is kept on disk, or nothing can be until the next snapshot.
    on: bool,
    pending: Vec<u8>,
    /// The record that is being written.
    record: Vec<u8>,
    now: Timestamp,
    base: Timestamp,
    /// The number that the next new series gets.
    next_number: u32,
    /// The number that costs least.
    expected: u32,
    /// So many series before the expected one only repeat, and are not yet written.
    run: u32,
    samples: u64,
}

/// What was taken away from a [`Recorder`].
#[derive(Debug, PartialEq, Eq)]
pub(in crate::window) enum Pending {
    /// Whole records.
    Records(Vec<u8>),
    /// There was too much: the log is of no use from here on.
    Overflown,
}

impl Recorder {
    /// Starts a log in which so many series have numbers. Others are new to it.
    pub(in crate::window) fn start(&mut self, next_number: u32) {
        *self = Self {
            on: true,
            next_number,
            ..Self::default()
        };
    }

    /// Writes nothing more.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    /// Takes away what is to be written.
    pub(in crate::window) fn take(&mut self) -> Pending {
        if self.pending.len() > MOST_PENDING {
            self.stop();
            return Pending::Overflown;
        }
        Pending::Records(std::mem::take(&mut self.pending))
    }

    /// Samples written since the start of the log.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// Begins a batch, most samples of which have the time `base`.
    pub(in crate::window) fn begin(&mut self, now: Timestamp, base: Timestamp) {
        if self.on {
            self.now = now;
            self.base = base;
            self.expected = 0;
            self.record.push(BATCH);
            put_signed(&mut self.record, now);
            put_signed(&mut self.record, base.wrapping_sub(now));
        }
    }

    /// Writes a sample of a series that has a number, or gives it one. Its last value is that which was written
    /// last, if any was.
    pub(in crate::window) fn sample(
        &mut self,
        number: &mut u32,
        labels: &Labels,
        last: f64,
        sample: Sample,
    ) {
        if !self.on || self.pending.len() > MOST_PENDING {
            return;
        }
        self.samples += 1;
        let distance = sample.time.wrapping_sub(self.base);
        if *number == NONE {
            self.end_run();
            *number = self.next_number;
            self.next_number += 1;
            put_number(&mut self.record, NEW);
            put_labels(&mut self.record, labels);
            put_signed(&mut self.record, distance);
            put_bits(&mut self.record, sample.value.to_bits());
        } else {
            let bits = sample.value.to_bits() ^ last.to_bits();
            if distance == 0 && bits == 0 && *number == self.expected {
                self.run += 1;
                self.expected += 1;
                return;
            }
            self.end_run();
            let from_expected = i64::from(*number) - i64::from(self.expected);
            let code = match (distance, bits) {
                (0, 0) => REPEATED,
                (0, _) => CHANGED,
                _ => TIMED,
            };
            let zigzag = ((from_expected << 1) ^ (from_expected >> 63)) as u64;
            put_number(&mut self.record, zigzag << 2 | code);
            match code {
                REPEATED => put_number(&mut self.record, 1),
                CHANGED => put_bits(&mut self.record, bits),
                _ => {
                    put_signed(&mut self.record, distance);
                    put_bits(&mut self.record, bits);
                }
            }
        }
        self.expected = number.saturating_add(1);
        if self.record.len() > USUAL_RECORD {
            self.end();
            self.begin(self.now, self.base);
        }
    }

    /// Writes the series that only repeat.
    fn end_run(&mut self) {
        if self.run > 0 {
            let begun = self.expected - self.run;
            self.expected = begun;
            // They follow what was written last: no distance.
            put_number(&mut self.record, REPEATED);
            put_number(&mut self.record, u64::from(self.run));
            self.expected += self.run;
            self.run = 0;
        }
    }

    /// Ends a batch.
    pub(in crate::window) fn end(&mut self) {
        if self.on {
            self.end_run();
            put_record(&mut self.pending, &self.record);
            self.record.clear();
        }
    }

    /// Writes that samples from a time on were thrown away. All series are new to what follows.
    pub(in crate::window) fn discard(&mut self, from: Timestamp) {
        if self.on {
            self.record.push(DISCARD);
            put_signed(&mut self.record, from);
            put_record(&mut self.pending, &self.record);
            self.record.clear();
            self.next_number = 0;
        }
    }
}

/// Who takes in what a log tells.
pub(super) trait Replay {
    /// A batch begins, at this time.
    fn batch(&mut self, now: Timestamp);
    /// A series is named by this number from now on; numbers come in their order, from 0.
    fn series(&mut self, number: u32, labels: Labels);
    /// A sample of a series named before.
    fn sample(&mut self, number: u32, sample: Sample);
    /// Samples from a time on are thrown away, and all series are forgotten by their numbers.
    fn discard(&mut self, from: Timestamp);
}

/// Reads the records of a log.
#[derive(Debug, Default)]
pub(super) struct Player {
    /// The bits of each series' last value.
    values: Vec<u64>,
}

impl Player {
    /// Tells what a record says. `None`: it says what makes no sense, and nothing more can be told of this log.
    pub(super) fn play(&mut self, record: &[u8], into: &mut impl Replay) -> Option<()> {
        let mut cursor = Cursor(record);
        match cursor.byte()? {
            DISCARD => {
                into.discard(cursor.signed()?);
                self.values.clear();
                cursor.is_empty().then_some(())
            }
            BATCH => self.play_batch(cursor, into),
            _ => None,
        }
    }

    fn play_batch(&mut self, mut cursor: Cursor<'_>, into: &mut impl Replay) -> Option<()> {
        let now = cursor.signed()?;
        let base = now.wrapping_add(cursor.signed()?);
        into.batch(now);
        let mut expected = 0u32;
        while !cursor.is_empty() {
            let head = cursor.number()?;
            let (zigzag, code) = (head >> 2, head & 3);
            let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            let first = if code == NEW {
                self.values.len() as u32
            } else {
                u32::try_from(i64::from(expected).checked_add(distance)?).ok()?
            };
            let mut count = 1;
            let mut time = base;
            match code {
                REPEATED => count = u32::try_from(cursor.number()?).ok()?,
                NEW => {
                    into.series(first, cursor.labels()?);
                    self.values.push(0);
                    time = base.wrapping_add(cursor.signed()?);
                }
                TIMED => time = base.wrapping_add(cursor.signed()?),
                _ => {}
            }
            let bits = if code == REPEATED { 0 } else { cursor.bits()? };
            expected = first.checked_add(count)?;
            let values = self.values.get_mut(first as usize..expected as usize)?;
            for (number, value) in (first..).zip(values) {
                *value ^= bits;
                let value = f64::from_bits(*value);
                into.sample(number, Sample { time, value });
            }
        }
        Some(())
    }
}

//! Reads chunks.

use tidegauge_promql::{Sample, Samples, Timestamp};

use super::bits::BitReader;
use super::decimal::{EXPONENTS, scaled, unscaled, unzigzag};
use super::{ANY_STEP_BITS, HEADER, RAW, STEP_BITS, Values, array, first_of};

/// Gives the samples of a chunk. Ends early where the bits make no sense.
#[derive(Debug)]
pub(in crate::window) struct Decoder<'a> {
    reader: BitReader<'a>,
    values: Values,
    /// The last sample given; the first one that will be, at the start.
    last: Sample,
    /// Milliseconds.
    step: i64,
    started: bool,
    /// Samples that are still to come.
    left: u32,
    /// So many of them only repeat step and value.
    run: u32,
}

impl<'a> Decoder<'a> {
    /// Of bytes with their header, span and count of which are not looked at. `None`: there is no header, or it
    /// makes no sense.
    pub(super) fn new(bytes: &'a [u8], count: u16) -> Option<Self> {
        let value = f64::from_bits(u64::from_le_bytes(array(bytes, 8)?));
        let exponent = *bytes.get(HEADER - 1)?;
        let whole = if exponent == RAW {
            0
        } else {
            scaled(value, exponent)?
        };
        Some(Self {
            reader: BitReader::new(bytes.get(HEADER..)?),
            values: Values::new(exponent, whole),
            last: Sample {
                time: first_of(bytes),
                value,
            },
            step: 0,
            started: false,
            left: u32::from(count),
            run: 0,
        })
    }

    /// Appends those of `[from, to]`.
    pub(in crate::window) fn read(mut self, from: Timestamp, to: Timestamp, into: &mut Samples) {
        into.times.reserve(self.left as usize);
        into.values.reserve(self.left as usize);
        while let Some(sample) = self.next() {
            if sample.time > to {
                return;
            }
            if sample.time >= from {
                into.push(sample);
            }
            if self.run > 0 {
                self.read_run(from, to, into);
            }
        }
    }

    /// The run that is at hand, all at once.
    fn read_run(&mut self, from: Timestamp, to: Timestamp, into: &mut Samples) {
        let run = std::mem::take(&mut self.run);
        self.left -= run;
        let value = self.last.value;
        for _ in 0..run {
            self.last.time = self.last.time.saturating_add(self.step);
            if self.last.time >= from && self.last.time <= to {
                into.times.push(self.last.time);
            }
        }
        into.values.resize(into.times.len(), value);
    }

    /// The last one of `[from, to]`.
    pub(in crate::window) fn last(self, from: Timestamp, to: Timestamp) -> Option<Sample> {
        self.take_while(|sample| sample.time <= to)
            .last()
            .filter(|sample| sample.time >= from)
    }

    fn read_next(&mut self) -> Option<Sample> {
        if self.run == 0 {
            // What a value that keeps changing mostly comes to: not the same, the same step, the same window.
            if self.left > 0 && self.reader.take_if(4, 0b1010) {
                self.read_difference()?;
                self.last.time = self.last.time.checked_add(self.step)?;
                return Some(self.last);
            }
            self.run = self.reader.zeros(self.left);
            if self.run > 0 {
                self.values.step = 0;
            }
        }
        if self.run > 0 {
            self.run -= 1;
            self.last.time = self.last.time.checked_add(self.step)?;
            return Some(self.last);
        }
        // A one: all zeros before it were taken.
        self.reader.bit()?;
        self.read_step()?;
        self.read_value()?;
        self.last.time = self.last.time.checked_add(self.step)?;
        Some(self.last)
    }

    fn read_step(&mut self) -> Option<()> {
        let ones = self.reader.ones(STEP_BITS.len() as u32)?;
        let bits = STEP_BITS
            .get(ones as usize)
            .copied()
            .unwrap_or(ANY_STEP_BITS);
        if bits > 0 {
            // The sign is that of the highest bit.
            let change = (self.reader.take(bits)? << (64 - bits)) as i64 >> (64 - bits);
            self.step = self.step.checked_add(change)?;
        }
        Some(())
    }

    fn read_value(&mut self) -> Option<()> {
        match self.reader.ones(3)? {
            0 => {
                self.values.step = 0;
                Some(())
            }
            1 => self.read_difference(),
            2 => {
                self.values.predicted = self.reader.bit()?;
                self.values.width = self.reader.take(6)? as u8 + 1;
                self.values.shift = self.reader.take(6)? as u8;
                self.read_difference()
            }
            _ => self.read_anew(),
        }
    }

    fn read_difference(&mut self) -> Option<()> {
        let values = &mut self.values;
        if values.width == 0 {
            return None;
        }
        let width = u32::from(values.width);
        if values.exponent == RAW {
            let change = self.reader.take(width)? << values.shift;
            self.last.value = f64::from_bits(self.last.value.to_bits() ^ change);
            return Some(());
        }
        let (negative, magnitude) = if width < 64 {
            let both = self.reader.take(width + 1)?;
            (both >> width == 1, both & ((1 << width) - 1))
        } else {
            (self.reader.bit()?, self.reader.take(width)?)
        };
        let difference = i64::try_from(magnitude << values.shift).ok()?;
        let difference = if negative { -difference } else { difference };
        let from = if values.predicted { values.step } else { 0 };
        let step = difference.checked_add(from)?;
        values.step = step;
        values.whole = values.whole.checked_add(step)?;
        self.last.value = unscaled(values.whole, values.exponent);
        Some(())
    }

    fn read_anew(&mut self) -> Option<()> {
        let exponent = self.reader.take(5)? as u8;
        if exponent == RAW {
            self.values = Values::new(RAW, 0);
            self.last.value = f64::from_bits(self.reader.take(64)?);
            return Some(());
        }
        if exponent >= EXPONENTS {
            return None;
        }
        let width = self.reader.take(6)? as u32 + 1;
        let whole = unzigzag(self.reader.take(width)?);
        self.values = Values::new(exponent, whole);
        self.last.value = unscaled(whole, exponent);
        Some(())
    }
}

impl Iterator for Decoder<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.left == 0 {
            return None;
        }
        let sample = if self.started {
            self.read_next()
        } else {
            self.started = true;
            Some(self.last)
        };
        // After bits that make no sense comes nothing.
        self.left = if sample.is_some() { self.left - 1 } else { 0 };
        sample
    }
}

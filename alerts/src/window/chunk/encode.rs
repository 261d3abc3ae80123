//! Writes chunks.

use std::sync::Arc;

use tidegauge_promql::{Sample, Timestamp};

use super::bits::{BitWriter, GROWTH};
use super::decimal::{EXPONENTS, least_exponent, scaled, zigzag};
use super::{ANY_STEP_BITS, Chunk, Decoder, HEADER, RAW, STEP_BITS, Values};

/// A chunk that grows. It does not know its last sample: who holds it does.
#[derive(Clone, Debug)]
pub(in crate::window) struct Open {
    /// As in [`Chunk`], but for span and count.
    bytes: Vec<u8>,
    values: Values,
    /// The time of the first sample.
    first: Timestamp,
    /// The last step of time, in milliseconds.
    step: u32,
    count: u16,
    /// Samples at the end that only repeat, and are not yet written: their zeros are needed only before something
    /// else, and until then the bytes need not be touched.
    repeated: u16,
    /// Bits that are free in the last byte.
    free: u8,
    seen: Seen,
}

/// Which bits the last differences needed: so the window shrinks when it is too wide, and the better way to
/// predict is found.
#[derive(Clone, Copy, Debug)]
struct Seen {
    lowest: u8,
    highest: u8,
    count: u8,
    /// Bits that the other way to predict would have saved.
    gain: i16,
}

impl Seen {
    const NONE: Self = Self {
        lowest: 64,
        highest: 0,
        count: 0,
        gain: 0,
    };

    fn add(&mut self, difference: u64, other: u64) {
        if difference != 0 {
            self.lowest = self.lowest.min(difference.trailing_zeros() as u8);
            self.highest = self.highest.max(64 - difference.leading_zeros() as u8);
        }
        self.count = self.count.saturating_add(1);
        self.gain += other.leading_zeros() as i16 - difference.leading_zeros() as i16;
    }

    fn wants_another(self, width: u8) -> bool {
        self.count >= WINDOW_AGE
            && (width >= self.width() + WINDOW_SPARE
                || self.gain >= i16::from(WINDOW_AGE * WINDOW_SPARE))
    }

    fn width(self) -> u8 {
        self.highest.saturating_sub(self.lowest).max(1)
    }
}

/// After so many differences the window is looked at again.
const WINDOW_AGE: u8 = 8;

/// A window is made anew for so many bits less: it costs 14 once.
const WINDOW_SPARE: u8 = 3;

/// A chunk has about so many samples …
const USUAL_COUNT: u16 = 120;

/// … but as many as this when they take hardly any room …
const LARGEST_COUNT: u16 = 480;

/// … which is up to this many bytes.
const SMALL_BYTES: usize = HEADER + 96;

impl Open {
    /// Begins with a sample. The value before it, if any, tells which decimals to expect.
    pub(in crate::window) fn new(sample: Sample, before: Option<f64>) -> Self {
        let exponent = least_exponent(sample.value).map_or(RAW, |least| {
            let expected = before.and_then(least_exponent).unwrap_or(0).max(least);
            scaled(sample.value, expected).map_or(least, |_| expected)
        });
        let mut bytes = Vec::with_capacity(GROWTH);
        bytes.extend_from_slice(&sample.time.to_le_bytes());
        bytes.extend_from_slice(&sample.value.to_bits().to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.push(exponent);
        Self {
            bytes,
            values: Values::new(exponent, scaled(sample.value, exponent).unwrap_or(0)),
            first: sample.time,
            step: 0,
            count: 1,
            repeated: 0,
            free: 0,
            seen: Seen::NONE,
        }
    }

    /// Of samples in ascending times; none: `None`.
    pub(in crate::window) fn of(samples: impl IntoIterator<Item = Sample>) -> Option<Self> {
        let mut samples = samples.into_iter();
        let mut last = samples.next()?;
        let mut open = Self::new(last, None);
        for sample in samples {
            open.push(last, sample);
            last = sample;
        }
        Some(open)
    }

    /// The time of the first sample.
    pub(in crate::window) fn first(&self) -> Timestamp {
        self.first
    }

    /// How many samples.
    pub(in crate::window) fn count(&self) -> u16 {
        self.count
    }

    /// Whether the chunk should end before a sample of this time.
    pub(in crate::window) fn is_full(&self, next: Timestamp) -> bool {
        let span = next.checked_sub(self.first());
        span.is_none_or(|span| u32::try_from(span).is_err())
            || self.count >= LARGEST_COUNT
            || self.count >= USUAL_COUNT && self.bytes.len() > SMALL_BYTES
    }

    /// Appends a sample after the last one, which is given. It is later, and the chunk is not full.
    pub(in crate::window) fn push(&mut self, last: Sample, sample: Sample) {
        let step = sample.time.saturating_sub(last.time);
        let change = step - i64::from(self.step);
        let same = sample.value.to_bits() == last.value.to_bits();
        self.count = self.count.saturating_add(1);
        if change == 0 && same {
            self.repeated += 1;
            self.values.step = 0;
            return;
        }
        let mut writer = BitWriter::new(&mut self.bytes, &mut self.free);
        writer.push_zeros(u32::from(std::mem::take(&mut self.repeated)));
        writer.push(1, 1);
        push_step(&mut writer, change);
        self.step = u32::try_from(step).unwrap_or(u32::MAX);
        if same {
            writer.push(0, 1);
            self.values.step = 0;
            return;
        }
        push_value(
            &mut writer,
            &mut self.values,
            &mut self.seen,
            last.value,
            sample.value,
        );
    }

    /// Its samples one by one.
    pub(in crate::window) fn decode(&self) -> Option<Decoder<'_>> {
        Decoder::new(&self.bytes, self.count)
    }

    /// The whole chunk, given its last time.
    pub(in crate::window) fn seal(&self, last: Timestamp) -> Chunk {
        let mut bytes: Arc<[u8]> = Arc::from(self.bytes.as_slice());
        let span = u32::try_from(last.saturating_sub(self.first())).unwrap_or(u32::MAX);
        // Nobody else has it yet.
        if let Some(header) = Arc::get_mut(&mut bytes).and_then(|bytes| bytes.get_mut(16..22)) {
            header[..4].copy_from_slice(&span.to_le_bytes());
            header[4..].copy_from_slice(&self.count.to_le_bytes());
        }
        Chunk(bytes)
    }

    /// Bytes that it takes in memory besides itself: about, for a copy has less room to grow.
    pub(in crate::window) fn heap_bytes(&self) -> usize {
        self.bytes.len().next_multiple_of(GROWTH)
    }
}

/// A step of time, as its difference from the one before.
fn push_step(writer: &mut BitWriter<'_>, change: i64) {
    for (ones, bits) in STEP_BITS.iter().enumerate() {
        let fits = match bits {
            0 => change == 0,
            bits => (-(1 << (bits - 1))..1 << (bits - 1)).contains(&change),
        };
        if fits {
            // That many ones, a zero, the number.
            writer.push(((1 << ones) - 1) << 1, ones as u32 + 1);
            writer.push(change as u64, *bits);
            return;
        }
    }
    writer.push(0b1111, 4);
    writer.push(change as u64, ANY_STEP_BITS);
}

/// A value that differs from the last one.
fn push_value(
    writer: &mut BitWriter<'_>,
    values: &mut Values,
    seen: &mut Seen,
    last: f64,
    value: f64,
) {
    let whole = if values.exponent == RAW {
        match scaled(value, 0) {
            Some(_) => return push_anew(writer, values, seen, value, 0),
            None => None,
        }
    } else {
        match scaled(value, values.exponent) {
            Some(whole) => Some(whole),
            None => {
                let exponent = least_exponent(value).unwrap_or(RAW);
                return push_anew(writer, values, seen, value, exponent);
            }
        }
    };
    // From the last value, and from where its step would lead.
    let (plain, ahead) = match whole {
        None => {
            let difference = Difference {
                negative: None,
                magnitude: value.to_bits() ^ last.to_bits(),
            };
            (difference, difference)
        }
        Some(whole) => {
            let step = whole - values.whole;
            let pair = (step.into(), (step - values.step).into());
            values.whole = whole;
            values.step = step;
            pair
        }
    };
    let (mut difference, other) = if values.predicted {
        (ahead, plain)
    } else {
        (plain, ahead)
    };
    seen.add(difference.magnitude, other.magnitude);
    if fits(values, difference.magnitude) && !seen.wants_another(values.width) {
        if seen.count >= WINDOW_AGE {
            *seen = Seen::NONE;
        }
        writer.push(0b10, 2);
    } else {
        if seen.gain > 0 {
            values.predicted = !values.predicted;
            difference = other;
            *seen = Seen::NONE;
            seen.add(difference.magnitude, difference.magnitude);
        }
        values.shift = if seen.lowest < 64 { seen.lowest } else { 0 };
        values.width = seen.width();
        *seen = Seen::NONE;
        seen.add(difference.magnitude, difference.magnitude);
        writer.push(0b110, 3);
        writer.push(u64::from(values.predicted), 1);
        writer.push(u64::from(values.width) - 1, 6);
        writer.push(u64::from(values.shift), 6);
    }
    if let Some(negative) = difference.negative {
        writer.push(u64::from(negative), 1);
    }
    writer.push(
        difference.magnitude >> values.shift,
        u32::from(values.width),
    );
}

/// Between two values.
#[derive(Clone, Copy)]
struct Difference {
    /// The sign, of a difference of numbers. It has a bit of its own: zeros at the end of the number stay zeros.
    negative: Option<bool>,
    magnitude: u64,
}

impl From<i64> for Difference {
    fn from(step: i64) -> Self {
        Self {
            negative: Some(step < 0),
            magnitude: step.unsigned_abs(),
        }
    }
}

/// A value by itself; the following ones differ in the way of this exponent.
fn push_anew(
    writer: &mut BitWriter<'_>,
    values: &mut Values,
    seen: &mut Seen,
    value: f64,
    exponent: u8,
) {
    *seen = Seen::NONE;
    let whole = scaled(value, exponent).filter(|_| exponent < EXPONENTS);
    *values = Values::new(whole.map_or(RAW, |_| exponent), whole.unwrap_or(0));
    writer.push(0b111, 3);
    writer.push(u64::from(values.exponent), 5);
    match whole {
        None => writer.push(value.to_bits(), 64),
        Some(whole) => {
            let number = zigzag(whole);
            let width = (64 - number.leading_zeros()).max(1);
            writer.push(u64::from(width) - 1, 6);
            writer.push(number, width);
        }
    }
}

fn fits(values: &Values, difference: u64) -> bool {
    let (shift, width) = (u32::from(values.shift), u32::from(values.width));
    width > 0
        && (difference == 0
            || difference.trailing_zeros() >= shift
                && 64 - difference.leading_zeros() <= shift + width)
}

//! Samples of one series, compressed: some bits a sample.
//!
//! What gauges and counters of an exporter mostly do costs least. One bit: the same step of time as
//! before and the same value. Else the time, as the difference of steps (as in Facebook's Gorilla paper,
//! "Gorilla: a fast, scalable, in-memory time series database", VLDB 2015), and the value:
//!
//! | bits | the value |
//! |---|---|
//! | `0` | is the same |
//! | `10` + window | differs by what the window of bits holds; of numbers, a sign comes before it |
//! | `110` + 1 + 6 + 6 bits + window | differs; prediction, width − 1 and shift of the window are new |
//! | `111` + 5 bits + … | is written anew, and so that the next ones differ in another way |
//!
//! Values differ in one of two ways. Whole numbers over a power of ten (see [`decimal`]) by subtraction,
//! from the value before or from where its last step would lead; that is far shorter than Gorilla's for
//! counters of bytes and for decimals. All other floats by exclusive or of their bits, as in Gorilla.
//! Both are lossless to the bit, NaN payloads included.
//!
//! Bytes: a header of [`HEADER`] bytes (little-endian: time and bits of the first sample, span in
//! milliseconds as u32, count as u16, exponent of the first value), then the bits; zeros at the end are left out.
//! They are also what a snapshot on disk holds, so a change here is a new version there.

mod bits;
mod decimal;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tidegauge_promql::Timestamp;

pub(super) use decode::Decoder;
pub(super) use encode::Open;

/// Bytes before the bits.
const HEADER: usize = 23;

/// In place of an exponent: values are floats like any other.
const RAW: u8 = 31;

/// Bits of a difference of steps, by how many ones come before it.
const STEP_BITS: [u32; 4] = [0, 7, 14, 24];

/// Bits of any difference of steps: a step is less than 2³² ms.
const ANY_STEP_BITS: u32 = 34;

/// How values follow one another; the same while writing and reading.
#[derive(Clone, Copy, Debug)]
struct Values {
    /// Of the power of ten, or [`RAW`].
    exponent: u8,
    /// Width of the window in bits; 0: there is none yet.
    width: u8,
    /// Bits below the window, all of them zero.
    shift: u8,
    /// Whether a difference is from where the last step would lead.
    predicted: bool,
    /// The last value as a whole number, unless raw.
    whole: i64,
    /// The last step between whole numbers.
    step: i64,
}

impl Values {
    fn new(exponent: u8, whole: i64) -> Self {
        Self {
            exponent,
            width: 0,
            shift: 0,
            predicted: false,
            whole,
            step: 0,
        }
    }
}

/// A full chunk: never changes.
#[derive(Clone, Debug)]
pub(super) struct Chunk(Arc<[u8]>);

impl Chunk {
    /// Checks bytes that come from outside: all samples can be read, and their times ascend.
    pub(super) fn checked(bytes: &[u8]) -> Option<Self> {
        let chunk = Self(Arc::from(bytes));
        let mut decoder = chunk.decode()?;
        let (mut count, mut last) = (0, None);
        for sample in &mut decoder {
            if last.is_some_and(|last| last >= sample.time) {
                return None;
            }
            last = Some(sample.time);
            count += 1;
        }
        (count > 0 && count == chunk.count() && last == Some(chunk.last())).then_some(chunk)
    }

    /// The time of the first sample.
    pub(super) fn first(&self) -> Timestamp {
        first_of(&self.0)
    }

    /// The time of the last sample.
    pub(super) fn last(&self) -> Timestamp {
        let span = array(&self.0, 16).map_or(0, u32::from_le_bytes);
        self.first().saturating_add(i64::from(span))
    }

    /// How many samples.
    pub(super) fn count(&self) -> u16 {
        array(&self.0, 20).map_or(0, u16::from_le_bytes)
    }

    /// Its samples one by one. `None`: it is none of ours.
    pub(super) fn decode(&self) -> Option<Decoder<'_>> {
        Decoder::new(&self.0, self.count())
    }

    /// As it is kept on disk.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes that it takes in memory, its place in a list included.
    pub(super) fn heap_bytes(&self) -> usize {
        // Two counters before the bytes; pointer and length in the list.
        self.0.len() + 4 * size_of::<usize>()
    }
}

fn first_of(bytes: &[u8]) -> Timestamp {
    array(bytes, 0).map_or(0, i64::from_le_bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

//! Bits, the highest of each byte first.

/// Appends bits to bytes. `free` says how many bits of the last byte are still free.
pub(super) struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    free: &'a mut u8,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>, free: &'a mut u8) -> Self {
        Self { bytes, free }
    }

    /// Appends zeros.
    pub(super) fn push_zeros(&mut self, mut count: u32) {
        while count > 0 {
            let some = count.min(64);
            self.push(0, some);
            count -= some;
        }
    }

    /// Appends the lowest `count` bits of a number; at most 64.
    pub(super) fn push(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if *self.free == 0 {
                // Grown by little: there are tens of thousands of these buffers.
                if self.bytes.len() == self.bytes.capacity() {
                    self.bytes.reserve_exact(GROWTH);
                }
                self.bytes.push(0);
                *self.free = 8;
            }
            let free = u32::from(*self.free);
            let take = free.min(left);
            let part = (value >> (left - take)) & ((1 << take) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (part as u8) << (free - take);
            }
            *self.free = (free - take) as u8;
            left -= take;
        }
    }
}

/// By how many bytes a buffer grows.
pub(super) const GROWTH: usize = 32;

/// Takes bits from bytes. What is read beyond the end is `None`.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    rest: &'a [u8],
    /// Bits taken from `rest` and not yet given out, at the top; below them zeros.
    held: u64,
    held_count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            held: 0,
            held_count: 0,
        }
    }

    /// Holds at least 56 bits, or all that are left.
    fn fill(&mut self) {
        if let Some((eight, _)) = self.rest.split_first_chunk::<8>() {
            let whole = (64 - self.held_count) / 8;
            if whole == 0 {
                return;
            }
            let taken = u64::from_be_bytes(*eight) >> (64 - whole * 8) << (64 - whole * 8);
            self.held |= taken >> self.held_count;
            self.held_count += whole * 8;
            self.rest = &self.rest[whole as usize..];
            return;
        }
        while self.held_count <= 56 {
            let Some((byte, rest)) = self.rest.split_first() else {
                return;
            };
            self.held |= u64::from(*byte) << (56 - self.held_count);
            self.held_count += 8;
            self.rest = rest;
        }
    }

    /// The next `count` bits as a number; at most 64.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> Option<u64> {
        if count > 56 {
            let high = self.take(count - 32)?;
            return Some(high << 32 | self.take(32)?);
        }
        if count == 0 {
            return Some(0);
        }
        if self.held_count < count {
            self.fill();
            if self.held_count < count {
                return None;
            }
        }
        let value = self.held >> (64 - count);
        self.held <<= count;
        self.held_count -= count;
        Some(value)
    }

    /// Takes `count` bits, at most 56, if they are what comes next. Whether they were.
    #[inline]
    pub(super) fn take_if(&mut self, count: u32, wanted: u64) -> bool {
        if self.held_count < count {
            self.fill();
        }
        let comes = self.held_count >= count && self.held >> (64 - count) == wanted;
        if comes {
            self.held <<= count;
            self.held_count -= count;
        }
        comes
    }

    /// Whether the next bit is set.
    #[inline]
    pub(super) fn bit(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// Takes zeros, as many as come at once and at most `limit`. After the end come only zeros.
    #[inline]
    pub(super) fn zeros(&mut self, limit: u32) -> u32 {
        if self.held_count == 0 {
            self.fill();
            if self.held_count == 0 {
                return limit;
            }
        }
        let count = self.held.leading_zeros().min(self.held_count).min(limit);
        // A shift by all 64 bits is none in Rust.
        self.held = self.held.checked_shl(count).unwrap_or(0);
        self.held_count -= count;
        count
    }

    /// How many ones come before the next zero, which is taken too; at most `limit` ones, after which no
    /// zero is asked for.
    #[inline]
    pub(super) fn ones(&mut self, limit: u32) -> Option<u32> {
        if self.held_count <= limit {
            self.fill();
        }
        // All at once where they and the zero surely are at hand.
        if limit < self.held_count {
            let count = self.held.leading_ones().min(limit);
            let taken = if count < limit { count + 1 } else { count };
            self.held <<= taken;
            self.held_count -= taken;
            return Some(count);
        }
        let mut count = 0;
        while count < limit && self.bit()? {
            count += 1;
        }
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_pushed_is_taken(numbers in proptest::collection::vec((any::<u64>(), 0u32..=64), 0..60)) {
            let (mut bytes, mut free) = (Vec::new(), 0);
            let mut writer = BitWriter::new(&mut bytes, &mut free);
            for &(value, count) in &numbers {
                writer.push(value, count);
            }
            let mut reader = BitReader::new(&bytes);
            for &(value, count) in &numbers {
                let masked = if count == 64 { value } else { value & ((1 << count) - 1) };
                prop_assert_eq!(reader.take(count), Some(masked));
            }
            let left: u32 = bytes.len() as u32 * 8 - numbers.iter().map(|(_, count)| count).sum::<u32>();
            prop_assert!(left < 8);
            prop_assert_eq!(reader.take(left), Some(0));
            prop_assert_eq!(reader.bit(), None);
        }

        #[test]
        fn zeros_are_as_single_bits(bytes in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..40), limit in 1u32..100) {
            let (mut fast, mut slow) = (BitReader::new(&bytes), BitReader::new(&bytes));
            let mut left = bytes.len() as u32 * 8;
            while left > 0 {
                let run = fast.zeros(limit.min(left));
                for _ in 0..run {
                    prop_assert_eq!(slow.bit(), Some(false));
                }
                left -= run;
                if run == 0 {
                    prop_assert_eq!((fast.bit(), slow.bit()), (Some(true), Some(true)));
                    left -= 1;
                }
            }
            prop_assert_eq!((fast.bit(), slow.bit()), (None, None));
            prop_assert_eq!(fast.zeros(limit), limit);
        }

        #[test]
        fn ones_are_as_single_bits(bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), any::<u8>()], 0..40), limit in 1u32..6) {
            let (mut fast, mut slow) = (BitReader::new(&bytes), BitReader::new(&bytes));
            loop {
                let mut expected = Some(0);
                while let Some(count) = expected.filter(|count| *count < limit) {
                    match slow.bit() {
                        Some(true) => expected = Some(count + 1),
                        Some(false) => break,
                        None => expected = None,
                    }
                }
                prop_assert_eq!(fast.ones(limit), expected);
                if expected.is_none() {
                    break;
                }
            }
        }
    }
}

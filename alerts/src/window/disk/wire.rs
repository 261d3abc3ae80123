//! Numbers and labels as bytes.

use tidegauge_promql::Labels;

/// Seven bits a byte, the lowest first, the highest bit set in all but the last.
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Small ones of either sign stay short.
pub(super) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put_number(bytes, ((number << 1) ^ (number >> 63)) as u64);
}

/// Eight bytes without the zeros at both ends: how many there are at the end, how many remain, those.
pub(super) fn put_bits(bytes: &mut Vec<u8>, bits: u64) {
    if bits == 0 {
        bytes.push(0);
        return;
    }
    let below = bits.trailing_zeros() / 8;
    let count = 8 - below - bits.leading_zeros() / 8;
    bytes.push((below << 4 | count) as u8);
    let rest = (bits >> (below * 8)).to_le_bytes();
    bytes.extend_from_slice(&rest[..count as usize]);
}

pub(super) fn put_labels(bytes: &mut Vec<u8>, labels: &Labels) {
    put_number(bytes, labels.len() as u64);
    for (name, value) in labels.iter() {
        for text in [name, value] {
            put_number(bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

/// Takes from the front of bytes what was put there. `None`: it is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7F);
            if part << shift >> shift != part {
                return None;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(super) fn bits(&mut self) -> Option<u64> {
        let head = self.byte()?;
        let (below, count) = (u32::from(head >> 4), usize::from(head & 0xF));
        if below as usize + count > 8 {
            return None;
        }
        let mut eight = [0; 8];
        eight[..count].copy_from_slice(self.bytes(count)?);
        // Eight zero bytes at the end are all of them.
        Some(
            u64::from_le_bytes(eight)
                .checked_shl(below * 8)
                .unwrap_or(0),
        )
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    pub(super) fn labels(&mut self) -> Option<Labels> {
        let count = self.number()?;
        // Two lengths at least for each: a wrong count asks for no memory.
        if count > self.0.len() as u64 / 2 {
            return None;
        }
        let pairs: Option<Vec<(&str, &str)>> = (0..count)
            .map(|_| Some((self.text()?, self.text()?)))
            .collect();
        Some(Labels::new(pairs?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(numbers: Vec<u64>, signed: Vec<i64>, pairs: Vec<(String, String)>, low in 0u32..64) {
            let labels = Labels::new(pairs);
            let mut bytes = Vec::new();
            for &number in &numbers {
                put_number(&mut bytes, number);
                put_bits(&mut bytes, number);
                put_bits(&mut bytes, number << low);
            }
            for &number in &signed {
                put_signed(&mut bytes, number);
            }
            put_labels(&mut bytes, &labels);
            let mut cursor = Cursor(&bytes);
            for &number in &numbers {
                prop_assert_eq!(cursor.number(), Some(number));
                prop_assert_eq!(cursor.bits(), Some(number));
                prop_assert_eq!(cursor.bits(), Some(number << low));
            }
            for &number in &signed {
                prop_assert_eq!(cursor.signed(), Some(number));
            }
            prop_assert_eq!(cursor.labels(), Some(labels));
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn any_bytes_are_no_panic(bytes: Vec<u8>) {
            for take in [
                |c: &mut Cursor<'_>| c.number().is_some(),
                |c: &mut Cursor<'_>| c.signed().is_some(),
                |c: &mut Cursor<'_>| c.bits().is_some(),
                |c: &mut Cursor<'_>| c.labels().is_some(),
            ] {
                let mut cursor = Cursor(&bytes);
                while !cursor.is_empty() && take(&mut cursor) {}
            }
        }
    }
}

//! A page of bytes of fixed length, read by offsets.

use thiserror::Error;

/// Why a page is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PageError {
    /// Not all of it is there.
    #[error("{got} bytes instead of {wanted}")]
    Short {
        /// How many there are.
        got: usize,
        /// How many there must be.
        wanted: usize,
    },
    /// Every byte is the same, as a controller that is no longer there answers.
    #[error("all bytes are {0:#04x}")]
    Blank(u8),
    /// It is another page than was asked for.
    #[error("it is another vendor's page: its GUID is {0:032x}")]
    Foreign(u128),
}

/// The first `N` bytes of an answer. Offsets are the specification's and lie within `N`.
#[derive(Clone, Copy)]
pub struct Page<'a, const N: usize>(&'a [u8; N]);

impl<'a, const N: usize> Page<'a, N> {
    /// An error when there are fewer, or when all are FFh.
    pub fn new(bytes: &'a [u8]) -> Result<Self, PageError> {
        let page = bytes.first_chunk::<N>().ok_or(PageError::Short {
            got: bytes.len(),
            wanted: N,
        })?;
        if page.iter().all(|byte| *byte == 0xFF) {
            return Err(PageError::Blank(0xFF));
        }
        Ok(Self(page))
    }

    /// As [`Page::new`], where all zeros are no answer either.
    pub fn filled(bytes: &'a [u8]) -> Result<Self, PageError> {
        let page = Self::new(bytes)?;
        if page.0.iter().all(|byte| *byte == 0) {
            return Err(PageError::Blank(0));
        }
        Ok(page)
    }

    fn at<const L: usize>(&self, offset: usize) -> [u8; L] {
        std::array::from_fn(|i| self.0[offset + i])
    }

    pub fn u8(&self, offset: usize) -> u8 {
        self.0[offset]
    }

    pub fn u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.at(offset))
    }

    pub fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.at(offset))
    }

    pub fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.at(offset))
    }

    pub fn u128(&self, offset: usize) -> u128 {
        u128::from_le_bytes(self.at(offset))
    }

    /// A number of `L` bytes, at most 8.
    pub fn uint<const L: usize>(&self, offset: usize) -> u64 {
        let bytes: [u8; L] = self.at(offset);
        bytes
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    /// A text of `L` bytes: up to a zero, without the spaces around.
    pub fn text<const L: usize>(&self, offset: usize) -> String {
        let bytes: [u8; L] = self.at(offset);
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts() {
        let bytes: Vec<u8> = (1..=16).collect();
        let page = Page::<16>::filled(&bytes).unwrap();
        assert_eq!(
            (page.u8(1), page.u16(1), page.u32(0)),
            (2, 0x0302, 0x04030201)
        );
        assert_eq!(page.u64(8), 0x100F_0E0D_0C0B_0A09);
        assert_eq!(page.u128(0) >> 64, page.u64(8).into());
        assert_eq!(page.uint::<6>(0), 0x0605_0403_0201);
        let page = Page::<8>::new(b" S64 \0zz").unwrap();
        assert_eq!(page.text::<8>(0), "S64");
    }

    #[test]
    fn what_is_no_page() {
        let short = PageError::Short { got: 3, wanted: 4 };
        assert_eq!(Page::<4>::new(&[0; 3]).err(), Some(short));
        assert_eq!(
            Page::<4>::new(&[0xFF; 4]).err(),
            Some(PageError::Blank(0xFF))
        );
        assert!(Page::<4>::new(&[0; 4]).is_ok());
        assert_eq!(Page::<4>::filled(&[0; 4]).err(), Some(PageError::Blank(0)));
    }
}

//! Supported Log Pages: log page 00h (NVMe Base Specification 2.0, 5.16.1.1).

use super::page::{Page, PageError};

/// Length of the page, in bytes.
pub const LENGTH: usize = 1024;

/// Which log pages a controller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedPages([u64; 4]);

impl SupportedPages {
    /// Whether it has the log page of this identifier.
    pub fn has(&self, page: u8) -> bool {
        self.0[usize::from(page / 64)] & 1 << (page % 64) != 0
    }
}

/// Reads the page.
pub fn parse(bytes: &[u8]) -> Result<SupportedPages, PageError> {
    let page = Page::<LENGTH>::filled(bytes)?;
    let mut pages = [0; 4];
    for id in 0..256 {
        if page.u32(4 * id) & 1 != 0 {
            pages[id / 64] |= 1 << (id % 64);
        }
    }
    Ok(SupportedPages(pages))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_bit_is_its_pages(ids in prop::collection::btree_set(any::<u8>(), 1..20)) {
            let mut bytes = vec![0; LENGTH];
            for id in &ids {
                bytes[4 * usize::from(*id)] = 3;
            }
            let pages = parse(&bytes).unwrap();
            for id in 0..=255 {
                prop_assert_eq!(pages.has(id), ids.contains(&id));
            }
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 1020..1030)) {
            prop_assert_eq!(parse(&bytes).is_ok(), bytes.len() >= LENGTH);
        }
    }
}

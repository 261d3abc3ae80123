//! Endurance Group Information: log page 09h (NVMe Base Specification 2.0, 5.16.1.10).

use super::page::{Page, PageError};

/// Length of the page, in bytes.
pub const LENGTH: usize = 512;
/// In what it counts data, in bytes.
pub const UNIT: u128 = 1_000_000_000;

/// The health of an endurance group. Numbers are as they stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnduranceGroup {
    /// Bits: 0 spare below its threshold, 2 reliability degraded, 3 read only.
    pub critical_warning: u8,
    /// Spare left, in percent.
    pub available_spare: u8,
    /// Below this much spare it warns, in percent.
    pub spare_threshold: u8,
    /// Life used, in percent; may exceed 100, and stays at 255.
    pub percentage_used: u8,
    /// What can be written in all of its life, in [`UNIT`]s; 0 when it does not say.
    pub estimate: u128,
    /// Read by hosts, in [`UNIT`]s.
    pub read: u128,
    /// Written by hosts, in [`UNIT`]s.
    pub written: u128,
    /// Written to the media, in [`UNIT`]s.
    pub media_written: u128,
    /// Read commands completed.
    pub host_reads: u128,
    /// Write commands completed.
    pub host_writes: u128,
    /// Data integrity errors that could not be corrected.
    pub media_errors: u128,
    /// Entries of the error log about it.
    pub error_log_entries: u128,
    /// Its capacity, in bytes; 0 when it does not say.
    pub capacity: u128,
    /// Of that what no namespace has, in bytes.
    pub unallocated: u128,
}

/// Reads the page. All zeros is how a group that is not there answers.
pub fn parse(bytes: &[u8]) -> Result<EnduranceGroup, PageError> {
    let page = Page::<LENGTH>::filled(bytes)?;
    Ok(EnduranceGroup {
        critical_warning: page.u8(0),
        available_spare: page.u8(3),
        spare_threshold: page.u8(4),
        percentage_used: page.u8(5),
        estimate: page.u128(32),
        read: page.u128(48),
        written: page.u128(64),
        media_written: page.u128(80),
        host_reads: page.u128(96),
        host_writes: page.u128(112),
        media_errors: page.u128(128),
        error_log_entries: page.u128(144),
        capacity: page.u128(160),
        unallocated: page.u128(176),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_where_the_specification_has_them() {
        let mut bytes = [0; LENGTH];
        bytes[0] = 4;
        bytes[3..6].copy_from_slice(&[80, 10, 3]);
        for (value, offset) in (1..).zip((32..=176).step_by(16)) {
            bytes[offset] = value;
        }
        let group = parse(&bytes).unwrap();
        assert_eq!(group.critical_warning, 4);
        assert_eq!((group.available_spare, group.spare_threshold), (80, 10));
        assert_eq!(group.percentage_used, 3);
        let numbers = [
            group.estimate,
            group.read,
            group.written,
            group.media_written,
            group.host_reads,
            group.host_writes,
            group.media_errors,
            group.error_log_entries,
            group.capacity,
            group.unallocated,
        ];
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(parse(&[0; LENGTH]), Err(PageError::Blank(0)));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 500..520)) {
            prop_assert_eq!(parse(&bytes).is_ok(), bytes.len() >= LENGTH);
        }
    }
}

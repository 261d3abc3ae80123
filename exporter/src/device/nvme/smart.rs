//! SMART / Health Information: log page 02h (NVMe Base Specification 2.0, 5.16.1.3).

use super::page::{Page, PageError};

/// Length of the page, in bytes.
pub const LENGTH: usize = 512;

/// A controller's health. Numbers are as they stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smart {
    /// Bits: 0 spare below its threshold, 1 temperature, 2 reliability degraded, 3 read only, 4 volatile
    /// memory backup failed, 5 persistent memory region read only.
    pub critical_warning: u8,
    /// Composite temperature, in kelvin.
    pub temperature: u16,
    /// Spare left, in percent.
    pub available_spare: u8,
    /// Below this much spare it warns, in percent.
    pub spare_threshold: u8,
    /// Life used, in percent; may exceed 100, and stays at 255.
    pub percentage_used: u8,
    /// Of all endurance groups together; bits as in `critical_warning`. Means nothing without such groups.
    pub endurance_group_warning: u8,
    /// Data read, in 1,000 units of 512 bytes.
    pub data_units_read: u128,
    /// Data written, in 1,000 units of 512 bytes.
    pub data_units_written: u128,
    /// Read commands completed.
    pub host_reads: u128,
    /// Write commands completed.
    pub host_writes: u128,
    /// Time with commands under way, in minutes.
    pub busy_minutes: u128,
    /// Power cycles.
    pub power_cycles: u128,
    /// Hours with power.
    pub power_on_hours: u128,
    /// Power lost without notice.
    pub unsafe_shutdowns: u128,
    /// Data integrity errors that could not be corrected.
    pub media_errors: u128,
    /// Entries of the error log over the controller's life.
    pub error_log_entries: u128,
    /// Time at or over the warning temperature, in minutes.
    pub warning_minutes: u32,
    /// Time at or over the critical temperature, in minutes.
    pub critical_minutes: u32,
    /// Temperature sensors 1 to 8, in kelvin; 0 where there is none.
    pub sensors: [u16; 8],
    /// How often it went into light (1) and heavy (2) throttling.
    pub thermal_transitions: [u32; 2],
    /// Time spent in either, in seconds.
    pub thermal_seconds: [u32; 2],
}

/// Reads the page.
pub fn parse(bytes: &[u8]) -> Result<Smart, PageError> {
    let page = Page::<LENGTH>::filled(bytes)?;
    Ok(Smart {
        critical_warning: page.u8(0),
        temperature: page.u16(1),
        available_spare: page.u8(3),
        spare_threshold: page.u8(4),
        percentage_used: page.u8(5),
        endurance_group_warning: page.u8(6),
        data_units_read: page.u128(32),
        data_units_written: page.u128(48),
        host_reads: page.u128(64),
        host_writes: page.u128(80),
        busy_minutes: page.u128(96),
        power_cycles: page.u128(112),
        power_on_hours: page.u128(128),
        unsafe_shutdowns: page.u128(144),
        media_errors: page.u128(160),
        error_log_entries: page.u128(176),
        warning_minutes: page.u32(192),
        critical_minutes: page.u32(196),
        sensors: std::array::from_fn(|i| page.u16(200 + 2 * i)),
        thermal_transitions: [page.u32(216), page.u32(220)],
        thermal_seconds: [page.u32(224), page.u32(228)],
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_where_the_specification_has_them() {
        let mut bytes = [0; LENGTH];
        for (offset, value) in [
            (0, 0x1F),
            (1, 0x36),
            (2, 0x01),
            (3, 90),
            (4, 10),
            (5, 255),
            (6, 4),
            (32, 1),
            (48, 2),
            (64, 3),
            (80, 4),
            (96, 5),
            (112, 6),
            (128, 7),
            (144, 8),
            (160, 9),
            (176, 10),
            (191, 1),
            (192, 11),
            (196, 12),
            (200, 13),
            (214, 14),
            (216, 15),
            (220, 16),
            (224, 17),
            (228, 18),
        ] {
            bytes[offset] = value;
        }
        let smart = parse(&bytes).unwrap();
        assert_eq!((smart.critical_warning, smart.temperature), (0x1F, 0x136));
        assert_eq!(
            (
                smart.available_spare,
                smart.spare_threshold,
                smart.percentage_used
            ),
            (90, 10, 255)
        );
        assert_eq!(smart.endurance_group_warning, 4);
        let counters = [
            smart.data_units_read,
            smart.data_units_written,
            smart.host_reads,
            smart.host_writes,
            smart.busy_minutes,
            smart.power_cycles,
            smart.power_on_hours,
            smart.unsafe_shutdowns,
            smart.media_errors,
            smart.error_log_entries,
        ];
        let top = 1 << 120;
        assert_eq!(counters, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10 + top]);
        assert_eq!((smart.warning_minutes, smart.critical_minutes), (11, 12));
        assert_eq!(smart.sensors, [13, 0, 0, 0, 0, 0, 0, 14]);
        assert_eq!(smart.thermal_transitions, [15, 16]);
        assert_eq!(smart.thermal_seconds, [17, 18]);
    }

    #[test]
    fn a_dead_controllers_page_is_none() {
        assert_eq!(parse(&[0; LENGTH]), Err(PageError::Blank(0)));
        assert_eq!(parse(&[0xFF; LENGTH]), Err(PageError::Blank(0xFF)));
        assert!(matches!(parse(&[1; 511]), Err(PageError::Short { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let is_page = bytes.len() >= LENGTH && bytes[..LENGTH].iter().any(|b| *b != bytes[0]);
            prop_assert_eq!(parse(&bytes).is_ok(), is_page);
        }
    }
}

//! Identify Controller: CNS 01h (NVMe Base Specification 2.0, 5.17.2.1), and the list of its endurance groups:
//! CNS 19h (5.17.2.19).

use super::page::{Page, PageError};

/// CNS of the controller itself.
pub const CONTROLLER: u8 = 0x01;
/// CNS of the list of endurance groups. NVMe 1.4.
pub const ENDURANCE_GROUPS: u8 = 0x19;
/// Length of either, in bytes.
pub const LENGTH: usize = 4096;

/// What a controller says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Serial number.
    pub serial: String,
    /// Model.
    pub model: String,
    /// Firmware revision.
    pub firmware: String,
    /// Number among the controllers of its subsystem.
    pub controller: u16,
    /// Version of the specification, as `0x0001_0400` for 1.4; 0 before 1.2.
    pub version: u32,
    /// It has endurance groups (CTRATT bit 4).
    pub has_endurance_groups: bool,
    /// It has the self-test command and log (OACS bit 4).
    pub has_self_test: bool,
    /// It can sanitize in any way (SANICAP bits 2:0).
    pub has_sanitize: bool,
    /// It has the log of supported pages (LPA bit 5).
    pub has_supported_pages: bool,
    /// Temperature from which it warns, in kelvin; 0 when it does not say.
    pub warning_temperature: u16,
    /// Temperature that is critical, in kelvin; 0 when it does not say.
    pub critical_temperature: u16,
    /// All of its media, in bytes; 0 when it does not say.
    pub capacity: u128,
    /// Of that what no namespace has, in bytes.
    pub unallocated: u128,
    /// Greatest identifier of an endurance group.
    pub last_endurance_group: u16,
    /// It has a volatile write cache.
    pub has_write_cache: bool,
    /// Name of its subsystem.
    pub subsystem: String,
}

/// Reads Identify Controller.
pub fn parse(bytes: &[u8]) -> Result<Identity, PageError> {
    let page = Page::<LENGTH>::filled(bytes)?;
    Ok(Identity {
        serial: page.text::<20>(4),
        model: page.text::<40>(24),
        firmware: page.text::<8>(64),
        controller: page.u16(78),
        version: page.u32(80),
        has_endurance_groups: page.u32(96) & 1 << 4 != 0,
        has_self_test: page.u16(256) & 1 << 4 != 0,
        has_sanitize: page.u32(328) & 0b111 != 0,
        has_supported_pages: page.u8(261) & 1 << 5 != 0,
        warning_temperature: page.u16(266),
        critical_temperature: page.u16(268),
        capacity: page.u128(280),
        unallocated: page.u128(296),
        last_endurance_group: page.u16(340),
        has_write_cache: page.u8(525) & 1 != 0,
        subsystem: page.text::<256>(768),
    })
}

/// Reads the list of endurance groups: at most `most` identifiers, ascending, each once.
pub fn parse_endurance_groups(bytes: &[u8], most: usize) -> Result<Vec<u16>, PageError> {
    let page = Page::<LENGTH>::new(bytes)?;
    let count = usize::from(page.u16(0)).min(LENGTH / 2 - 1);
    let mut groups: Vec<u16> = (1..=count).map(|i| page.u16(2 * i)).collect();
    groups.retain(|group| *group != 0);
    groups.sort_unstable();
    groups.dedup();
    groups.truncate(most);
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_where_the_specification_has_them() {
        let mut bytes = vec![0; LENGTH];
        let mut put = |offset: usize, what: &[u8]| {
            bytes[offset..offset + what.len()].copy_from_slice(what);
        };
        put(4, b"S64HNE0R            ");
        put(24, b"MODEL X\0garbage");
        put(64, b"GXA7801Q");
        put(78, &[3, 1]);
        put(80, &0x0001_0400_u32.to_le_bytes());
        put(96, &[0x10]);
        put(256, &[0x10]);
        put(261, &[0x20]);
        put(266, &355_u16.to_le_bytes());
        put(268, &358_u16.to_le_bytes());
        put(280, &4_000_u128.to_le_bytes());
        put(296, &1_000_u128.to_le_bytes());
        put(328, &[2]);
        put(340, &[5]);
        put(525, &[7]);
        put(768, b"nqn.2014");
        assert_eq!(
            parse(&bytes).unwrap(),
            Identity {
                serial: "S64HNE0R".into(),
                model: "MODEL X".into(),
                firmware: "GXA7801Q".into(),
                controller: 0x103,
                version: 0x0001_0400,
                has_endurance_groups: true,
                has_self_test: true,
                has_sanitize: true,
                has_supported_pages: true,
                warning_temperature: 355,
                critical_temperature: 358,
                capacity: 4000,
                unallocated: 1000,
                last_endurance_group: 5,
                has_write_cache: true,
                subsystem: "nqn.2014".into(),
            }
        );
        // Flags about deallocation after a sanitize that it does not have.
        bytes[328..332].copy_from_slice(&[0, 0, 0, 0x60]);
        assert!(!parse(&bytes).unwrap().has_sanitize);
    }

    #[test]
    fn a_list_that_lies_is_bounded() {
        let mut bytes = vec![0; LENGTH];
        bytes[..10].copy_from_slice(&[0xFF, 0xFF, 9, 0, 2, 0, 2, 0, 0, 0]);
        assert_eq!(parse_endurance_groups(&bytes, 8).unwrap(), [2, 9]);
        assert_eq!(parse_endurance_groups(&bytes, 1).unwrap(), [2]);
        assert!(parse_endurance_groups(&bytes[1..], 8).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), LENGTH - 1..LENGTH + 2)) {
            if let Ok(identity) = parse(&bytes) {
                prop_assert!(identity.serial.chars().count() <= 20);
            }
            if let Ok(groups) = parse_endurance_groups(&bytes, 64) {
                prop_assert!(groups.len() <= 64 && groups.is_sorted());
            }
        }
    }
}

//! SMART / Health Information Extended: log page C0h of the OCP Datacenter NVMe SSD Specification 2.0, 4.8.4.
//! C0h is any vendor's: only the GUID at the end tells that the page is this one.

use super::page::{Page, PageError};

/// Log page identifier.
pub const ID: u8 = 0xC0;
/// Length of the page, in bytes.
pub const LENGTH: usize = 512;
/// AFD514C97C6F4F9CA4F2BFEA2810AFC5h.
const GUID: u128 = 0xAFD5_14C9_7C6F_4F9C_A4F2_BFEA_2810_AFC5;

/// Blocks that were taken out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBlocks {
    /// How many; `None` when the drive does not say.
    pub count: Option<u64>,
    /// 100 at first and 0 when none may go any more; `None` when the drive does not say.
    pub normalized: Option<u16>,
}

/// What an OCP drive tells beyond its SMART page. Numbers are as they stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ocp {
    /// Written to the media, in bytes.
    pub media_written: u128,
    /// Read from the media, in bytes.
    pub media_read: u128,
    /// Bad blocks of those that hold data.
    pub bad_user_blocks: BadBlocks,
    /// Bad blocks of those that hold the drive's own.
    pub bad_system_blocks: BadBlocks,
    /// Times that data was rebuilt from parity.
    pub xor_recoveries: u64,
    /// Reads that nothing could correct.
    pub uncorrectable_reads: u64,
    /// Reads that the first correction could not correct.
    pub soft_ecc_errors: u64,
    /// End-to-end errors detected, in 32 bits.
    pub end_to_end_detected: u32,
    /// End-to-end errors corrected, in 32 bits.
    pub end_to_end_corrected: u32,
    /// Life of the drive's own blocks used, in percent; may exceed 100.
    pub system_data_used: u8,
    /// Blocks rewritten to keep their data.
    pub refreshes: u64,
    /// Greatest and least erase count of a block that holds data.
    pub erase_counts: [u32; 2],
    /// Times that it began to throttle; stays at 255.
    pub throttling_events: u8,
    /// 0 not throttled, 1 to 3 how much.
    pub throttling_now: u8,
    /// PCIe errors corrected.
    pub pcie_correctable_errors: u64,
    /// Shutdowns that it could not finish.
    pub incomplete_shutdowns: u32,
    /// Free blocks, in percent.
    pub free_blocks: u8,
    /// Charge of the capacitors that back it up, in percent of what they must hold; `None`: it has none.
    pub capacitor: Option<u16>,
    /// Writes that were not aligned to its pages.
    pub unaligned_writes: u64,
    /// Times that it ran on its capacitors.
    pub power_loss_protections: u128,
    /// PCIe links trained anew. From version 2 of the page on.
    pub link_retrainings: Option<u64>,
    /// Changes of the power state. From version 2 of the page on.
    pub power_state_changes: Option<u64>,
}

/// Reads the page.
pub fn parse(bytes: &[u8]) -> Result<Ocp, PageError> {
    let page = Page::<LENGTH>::filled(bytes)?;
    let guid = page.u128(496);
    if guid != GUID {
        return Err(PageError::Foreign(guid));
    }
    let is_second = page.u16(494) >= 2;
    let bad_blocks = |offset| BadBlocks {
        count: Some(page.uint::<6>(offset)).filter(|count| *count != 0xFFFF_FFFF_FFFF),
        normalized: Some(page.u16(offset + 6)).filter(|normalized| *normalized != 0xFFFF),
    };
    Ok(Ocp {
        media_written: page.u128(0),
        media_read: page.u128(16),
        bad_user_blocks: bad_blocks(32),
        bad_system_blocks: bad_blocks(40),
        xor_recoveries: page.u64(48),
        uncorrectable_reads: page.u64(56),
        soft_ecc_errors: page.u64(64),
        end_to_end_detected: page.u32(72),
        end_to_end_corrected: page.u32(76),
        system_data_used: page.u8(80),
        refreshes: page.uint::<7>(81),
        erase_counts: [page.u32(88), page.u32(92)],
        throttling_events: page.u8(96),
        throttling_now: page.u8(97),
        pcie_correctable_errors: page.u64(104),
        incomplete_shutdowns: page.u32(112),
        free_blocks: page.u8(120),
        capacitor: Some(page.u16(128)).filter(|health| *health != 0xFFFF),
        unaligned_writes: page.u64(136),
        power_loss_protections: page.u128(160),
        link_retrainings: is_second.then(|| page.u64(192)),
        power_state_changes: is_second.then(|| page.u64(200)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the bytes stand in the page.
    const WIRE: [u8; 16] = [
        0xC5, 0xAF, 0x10, 0x28, 0xEA, 0xBF, 0xF2, 0xA4, 0x9C, 0x4F, 0x6F, 0x7C, 0xC9, 0x14, 0xD5,
        0xAF,
    ];

    fn page(version: u8) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[494] = version;
        bytes[496..].copy_from_slice(&WIRE);
        bytes
    }

    #[test]
    fn fields_are_where_the_specification_has_them() {
        let mut bytes = page(3);
        for (value, offset) in (1..).zip([
            0, 16, 32, 38, 40, 46, 48, 56, 64, 72, 76, 80, 81, 88, 92, 96, 97, 104, 112, 120, 128,
            136, 160, 192, 200,
        ]) {
            bytes[offset] = value;
        }
        let ocp = parse(&bytes).unwrap();
        assert_eq!((ocp.media_written, ocp.media_read), (1, 2));
        let blocks = |count, normalized| BadBlocks {
            count: Some(count),
            normalized: Some(normalized),
        };
        assert_eq!(ocp.bad_user_blocks, blocks(3, 4));
        assert_eq!(ocp.bad_system_blocks, blocks(5, 6));
        assert_eq!((ocp.xor_recoveries, ocp.uncorrectable_reads), (7, 8));
        assert_eq!((ocp.soft_ecc_errors, ocp.end_to_end_detected), (9, 10));
        assert_eq!((ocp.end_to_end_corrected, ocp.system_data_used), (11, 12));
        assert_eq!((ocp.refreshes, ocp.erase_counts), (13, [14, 15]));
        assert_eq!((ocp.throttling_events, ocp.throttling_now), (16, 17));
        assert_eq!(
            (ocp.pcie_correctable_errors, ocp.incomplete_shutdowns),
            (18, 19)
        );
        assert_eq!((ocp.free_blocks, ocp.capacitor), (20, Some(21)));
        assert_eq!((ocp.unaligned_writes, ocp.power_loss_protections), (22, 23));
        assert_eq!(
            (ocp.link_retrainings, ocp.power_state_changes),
            (Some(24), Some(25))
        );
    }

    #[test]
    fn what_it_does_not_say_is_absent() {
        let mut bytes = page(1);
        bytes[32..48].fill(0xFF);
        bytes[128..130].fill(0xFF);
        let ocp = parse(&bytes).unwrap();
        let silent = BadBlocks {
            count: None,
            normalized: None,
        };
        assert_eq!(
            (ocp.bad_user_blocks, ocp.bad_system_blocks),
            (silent, silent)
        );
        assert_eq!((ocp.capacitor, ocp.link_retrainings), (None, None));
    }

    #[test]
    fn another_vendors_page_is_not_read() {
        let mut bytes = page(3);
        bytes[500] ^= 1;
        assert!(matches!(parse(&bytes), Err(PageError::Foreign(_))));
    }

    proptest! {
        #[test]
        fn any_bytes(
            mut bytes in prop::collection::vec(any::<u8>(), 500..520),
            signed in any::<bool>(),
        ) {
            let is_whole = bytes.len() >= LENGTH;
            if signed && is_whole {
                bytes[496..LENGTH].copy_from_slice(&WIRE);
            }
            prop_assert_eq!(parse(&bytes).is_ok(), signed && is_whole);
        }
    }
}

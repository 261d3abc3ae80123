//! Error Information: log page 01h (NVMe Base Specification 2.0, 5.16.1.2). Entries come newest first.

use super::page::{Page, PageError};

/// Length of an entry, in bytes.
pub const LENGTH: usize = 64;

/// An error that the controller has logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedError {
    /// Counts the errors over the controller's life, from 1.
    pub number: u64,
    /// Submission queue of the command, 0 the admin queue; `None` when the error is of no command.
    pub queue: Option<u16>,
    /// Status: bits 7:0 code, 10:8 type, without the phase bit.
    pub status: u16,
    /// First logical block that it is about, where it is about any.
    pub lba: u64,
    /// Namespace that it is about.
    pub namespace: u32,
    /// Opcode of the command; 0 from controllers that do not tell.
    pub opcode: u8,
}

/// Reads the newest entry; `None` when there is none.
pub fn newest(bytes: &[u8]) -> Result<Option<LoggedError>, PageError> {
    let page = Page::<LENGTH>::new(bytes)?;
    let entry = LoggedError {
        number: page.u64(0),
        queue: Some(page.u16(8)).filter(|queue| *queue != u16::MAX),
        status: page.u16(12) >> 1,
        lba: page.u64(16),
        namespace: page.u32(24),
        opcode: page.u8(31),
    };
    Ok((entry.number != 0).then_some(entry))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newest() {
        let mut bytes = [0; LENGTH];
        assert_eq!(newest(&bytes), Ok(None));
        bytes[..2].copy_from_slice(&[5, 1]);
        bytes[8] = 3;
        // Unrecovered read error (281h), do not retry, phase bit.
        bytes[12..14].copy_from_slice(&(0x4281_u16 << 1 | 1).to_le_bytes());
        bytes[16] = 9;
        bytes[24] = 1;
        bytes[31] = 2;
        let entry = LoggedError {
            number: 0x105,
            queue: Some(3),
            status: 0x4281,
            lba: 9,
            namespace: 1,
            opcode: 2,
        };
        assert_eq!(newest(&bytes), Ok(Some(entry)));
        bytes[8..10].fill(0xFF);
        assert_eq!(newest(&bytes).unwrap().unwrap().queue, None);
        assert_eq!(newest(&[0xFF; LENGTH]), Err(PageError::Blank(0xFF)));
        assert!(newest(&bytes[..63]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let read = newest(&bytes);
            prop_assert_eq!(read.is_ok(), bytes.len() >= LENGTH);
        }
    }
}

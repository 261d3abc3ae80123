//! btrfs: what sysfs shows of a filesystem, what the kernel answers by ioctl, and what `btrfs scrub` leaves.
//!
//! Source: kernel `fs/btrfs/sysfs.c`, `linux/btrfs.h`, `linux/btrfs_tree.h`; btrfs-progs `cmds/scrub.c`.

pub mod ask;
pub mod devices;
pub mod profile;
pub mod qgroups;
pub mod scrub;
pub mod subvolumes;
pub mod sysfs;

use std::fmt::Write as _;

/// A UUID as sysfs writes it.
pub fn uuid_text(id: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in id.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A whole number, with a newline or not.
pub fn number(text: &str) -> Option<u64> {
    text.trim_end_matches('\n').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_as_sysfs_writes_it() {
        let id = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        assert_eq!(uuid_text(id), "00112233-4455-6677-8899-aabbccddeeff");
    }
}

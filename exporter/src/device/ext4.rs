//! What ext4 tells of a mounted filesystem, and the features in its superblock.
//!
//! Sources: kernel `Documentation/filesystems/ext4/super.rst`; `/proc/fs/ext4/NAME/options`, which has the options that
//! come from the superblock's defaults too; `/sys/fs/ext4/NAME/journal_task`.

use std::path::Path;

use super::kernel_file::attribute;

/// The superblock lies this far into the device …
pub const OFFSET: u64 = 1024;
/// … and is this long.
pub const LENGTH: usize = 1024;

const MAGIC: u16 = 0xEF53;
const COMPAT_HAS_JOURNAL: u32 = 0x4;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;

/// Features of a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `has_journal`.
    pub journal: bool,
    /// `sparse_super2`: backups of the superblock in two groups only.
    pub sparse_super2: bool,
}

/// Of the superblock's bytes; `None` when they are none of ext4.
pub fn features(superblock: &[u8]) -> Option<Features> {
    let magic = superblock.get(56..58)?.try_into().ok()?;
    let compat = u32::from_le_bytes(superblock.get(92..96)?.try_into().ok()?);
    (u16::from_le_bytes(magic) == MAGIC).then_some(Features {
        journal: compat & COMPAT_HAS_JOURNAL != 0,
        sparse_super2: compat & COMPAT_SPARSE_SUPER2 != 0,
    })
}

/// Whether the mounted filesystem on this device (kernel name) has a journal in use. `None` where the kernel does
/// not say.
pub fn has_journal(sysfs: &Path, name: &str) -> Option<bool> {
    let task = attribute(
        &sysfs
            .join("fs/ext4")
            .join(sysfs_name(name))
            .join("journal_task"),
    )?;
    Some(task != "<none>")
}

/// The options in force, defaults included, one by one. `None` where the kernel does not say.
pub fn options(procfs: &Path, name: &str) -> Option<Vec<String>> {
    let text = attribute(
        &procfs
            .join("fs/ext4")
            .join(sysfs_name(name))
            .join("options"),
    )?;
    Some(text.lines().map(str::to_owned).collect())
}

fn sysfs_name(name: &str) -> String {
    name.replace('/', "!")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn features_by_their_bits() {
        let mut block = vec![0; LENGTH];
        assert_eq!(features(&block), None);
        block[56..58].copy_from_slice(&[0x53, 0xEF]);
        let of = |block: &[u8]| features(block).map(|f| (f.journal, f.sparse_super2));
        assert_eq!(of(&block), Some((false, false)));
        block[92..96].copy_from_slice(&0x3cu32.to_le_bytes());
        assert_eq!(of(&block), Some((true, false)));
        block[92..96].copy_from_slice(&0x238u32.to_le_bytes());
        assert_eq!(of(&block), Some((false, true)));
        assert_eq!(of(&block[..95]), None, "cut short");
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            features(&bytes);
        }
    }
}

//! Looks for items in a tree of the filesystem. CAP_SYS_ADMIN.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use super::MAGIC;

/// `struct btrfs_ioctl_search_key`: from which key on, up to which. Keys are ordered by object, kind, offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchKey {
    /// The tree's number.
    pub tree: u64,
    /// The least key: object, kind, offset.
    pub min: (u64, u32, u64),
    /// The greatest key.
    pub max: (u64, u32, u64),
}

/// `struct btrfs_ioctl_search_args_v2` without the buffer, which follows it.
#[repr(C)]
struct Arguments {
    tree_id: u64,
    min_objectid: u64,
    max_objectid: u64,
    min_offset: u64,
    max_offset: u64,
    min_transid: u64,
    max_transid: u64,
    min_type: u32,
    max_type: u32,
    nr_items: u32,
    unused: u32,
    more_unused: [u64; 4],
    buf_size: u64,
}

const HEAD: usize = size_of::<Arguments>() / 8;

/// The arguments and their buffer in one piece of memory, aligned as the kernel's struct.
struct Search<'a>(&'a mut [u64]);

// SAFETY: the request's number is TREE_SEARCH_V2's, whose argument is `Arguments` and a buffer after it of the
// length that `buf_size` says; `as_ptr` gives the start of memory that holds both (see `tree_search`), is
// initialised, and is borrowed by nobody else while the call lasts. The kernel writes into it.
unsafe impl Ioctl for Search<'_> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<Arguments>(MAGIC, 17)
    }

    fn as_ptr(&mut self) -> *mut libc::c_void {
        self.0.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut libc::c_void) -> Result<(), Errno> {
        Ok(())
    }
}

/// Fills `buffer` with the first items from `key.min` on, each behind its `struct btrfs_ioctl_search_header`, and
/// returns how many there are. `EPERM` without CAP_SYS_ADMIN; `EOVERFLOW`: not even the first fits.
pub fn tree_search(
    file: impl AsFd,
    key: &SearchKey,
    buffer: &mut Vec<u8>,
    size: usize,
) -> Result<u32, Errno> {
    let words = size.div_ceil(8);
    let mut memory = vec![0_u64; HEAD + words];
    let head = [
        key.tree,
        key.min.0,
        key.max.0,
        key.min.2,
        key.max.2,
        0,
        u64::MAX,
        pair(key.min.1, key.max.1),
        pair(u32::MAX, 0),
        0,
        0,
        0,
        0,
        (words * 8) as u64,
    ];
    memory[..HEAD].copy_from_slice(&head);
    // SAFETY: `Search` is sound for memory of this layout.
    unsafe { ioctl(file, Search(&mut memory)) }?;
    buffer.clear();
    buffer.extend(memory[HEAD..].iter().flat_map(|word| word.to_ne_bytes()));
    // The number of items is the first half of its pair.
    let [a, b, c, d, ..] = memory[8].to_ne_bytes();
    Ok(u32::from_ne_bytes([a, b, c, d]))
}

/// Two fields of 32 bits as they lie one after the other.
fn pair(first: u32, second: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(opcode::read_write::<Arguments>(MAGIC, 17), 0xC070_9411);
        assert_eq!(HEAD, 14);
        assert_eq!(offset_of!(Arguments, min_type), 7 * 8);
        assert_eq!(offset_of!(Arguments, nr_items), 8 * 8);
        assert_eq!(offset_of!(Arguments, buf_size), 13 * 8);
    }

    #[test]
    fn another_filesystem_has_an_answer() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let key = SearchKey {
            tree: 1,
            min: (0, 0, 0),
            max: (u64::MAX, u32::MAX, u64::MAX),
        };
        assert!(tree_search(file, &key, &mut Vec::new(), 4096).is_err());
    }
}

//! What the process keeps resident: malloc's arenas (mallopt(3), malloc_trim(3)) and pages of code (madvise(2)).

use std::fs;
use std::io;

/// Keeps malloc from giving each thread an arena of its own, of which each keeps what its threads once needed.
/// To be called before the second thread starts.
pub fn few_arenas() {
    // Two: one for the threads that wait, one for the thread that works meanwhile.
    const ARENAS: libc::c_int = 2;
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and keeps no pointer; the limit is one that glibc documents.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}

/// Gives back to the kernel what the start needed and nothing since: free memory, and pages of code. Those of the
/// code that runs come back from the page cache at its next step. Gives the bytes of code that were let go.
///
/// # Errors
/// When the process cannot see its own mappings, or the kernel refuses.
pub fn give_back() -> io::Result<usize> {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim touches only memory that malloc holds free, under its own locks.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut bytes = 0;
    for (start, end) in code(&maps) {
        let start = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: the range is one mapping of a file, private, readable, executable and not writable, so none of its
        // pages differs from the file: the kernel reads each again when it is next touched. The program's code and
        // its libraries' are never unmapped while it runs, so the range is still that mapping.
        let answer = unsafe { libc::madvise(start, end - start.addr(), libc::MADV_DONTNEED) };
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
        bytes += end - start.addr();
    }
    Ok(bytes)
}

/// The mappings of code from files, by `/proc/PID/maps` (proc(5)).
fn code(maps: &str) -> Vec<(usize, usize)> {
    let of = |line: &str| {
        // address, permissions, offset, device, inode, path
        let (address, rest) = line.split_once(' ')?;
        let (permissions, rest) = rest.split_once(' ')?;
        let path = rest.splitn(4, ' ').nth(3)?.trim_start();
        if permissions != "r-xp" || !path.starts_with('/') {
            return None;
        }
        let (start, end) = address.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some((number(start)?, number(end)?)).filter(|(start, end)| start < end)
    };
    maps.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_files_is_let_go() {
        let maps = "\
5500-5600 r--p 00000000 fe:00 1 /usr/bin/tidegauge
5600-7700 r-xp 00000100 fe:00 1                          /usr/bin/tidegauge
7700-7800 r--p 00002200 fe:00 1                          /usr/bin/tidegauge
7800-7900 rw-p 00002300 fe:00 1                          /usr/bin/tidegauge
8800-8900 r-xp 00000000 fe:00 2                          /usr/lib/libc.so.6
9900-9a00 r-xp 00000000 00:00 0                          [vdso]
9b00-9c00 rwxp 00000000 00:00 0
x-y r-xp 0 fe:00 1 /usr/bin/tidegauge
";
        assert_eq!(code(maps), [(0x5600, 0x7700), (0x8800, 0x8900)]);
    }

    #[test]
    fn the_program_goes_on() {
        few_arenas();
        assert!(give_back().unwrap() > 0);
        // What was let go is there again.
        assert_eq!(code(""), []);
        assert!(give_back().unwrap() > 0);
    }
}

//! This process, from `/proc/self`.

use std::time::Duration;

use super::kernel_file::{KernelFile, KernelFileError};

/// What a process is known to use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessUse {
    /// User and system CPU time.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Virtual memory in bytes.
    pub virtual_size: u64,
    /// Threads.
    pub threads: u64,
    /// Start time in clock ticks after boot.
    pub start_ticks: u64,
}

/// `/proc/self/stat`, kept open. Always of the real `/proc`, whatever `--path.procfs` says.
#[derive(Debug)]
pub struct ProcessFiles {
    stat: KernelFile,
}

impl Default for ProcessFiles {
    fn default() -> Self {
        Self {
            stat: KernelFile::new("/proc/self/stat".into()),
        }
    }
}

impl ProcessFiles {
    /// Reads the file; `None` when it was not understood.
    pub fn read(&mut self) -> Result<Option<ProcessUse>, KernelFileError> {
        let page = rustix::param::page_size() as u64;
        let ticks = rustix::param::clock_ticks_per_second();
        Ok(parse_stat(self.stat.read()?, page, ticks))
    }
}

/// proc_pid_stat(5). The name in parentheses may itself hold parentheses and spaces.
fn parse_stat(content: &[u8], page_size: u64, ticks_per_second: u64) -> Option<ProcessUse> {
    let text = String::from_utf8_lossy(content);
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field_of_man_page: usize| fields.get(field_of_man_page - 3)?.parse::<u64>().ok();
    let ticks = number(14)?.checked_add(number(15)?)?;
    Some(ProcessUse {
        cpu: Duration::from_millis(ticks.checked_mul(1000)? / ticks_per_second.max(1)),
        threads: number(20)?,
        start_ticks: number(22)?,
        virtual_size: number(23)?,
        resident: number(24)?.checked_mul(page_size)?,
    })
}

/// Open descriptors of this process.
pub fn open_descriptors() -> Option<u64> {
    // The folder's own descriptor is among them.
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(count.saturating_sub(1))
}

/// How many descriptors this process may open.
pub fn max_descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// When the host was booted, in seconds since 1970 (`btime` of `/proc/stat`).
pub fn boot_time() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses() {
        let text = b"7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 12345 8192000 25 18446744073709551615";
        let used = parse_stat(text, 4096, 100).unwrap();
        assert_eq!(
            (used.cpu, used.threads, used.start_ticks),
            (Duration::from_secs(2), 9, 12345)
        );
        assert_eq!((used.virtual_size, used.resident), (8_192_000, 102_400));
        assert_eq!(parse_stat(b"7 (a", 4096, 100), None);
    }

    #[test]
    fn this_process() {
        let used = ProcessFiles::default().read().unwrap().unwrap();
        assert!(used.resident > 0 && used.threads > 0);
        assert!(open_descriptors().unwrap() >= 3 && boot_time().unwrap() > 1_000_000_000);
    }
}

//! A mount that goes away, and what is mounted where.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::UnmountFlags;

/// Something mounted; unmounted when dropped, lazily when it is busy.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
}

impl Mount {
    /// Runs `mount ARGUMENTS at`; makes the mount point when there is none.
    ///
    /// # Panics
    /// When mount fails, with what it said.
    pub(crate) fn new(arguments: &[&str], at: &Path) -> Self {
        std::fs::create_dir_all(at)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", at.display()));
        run(Command::new("mount").args(arguments).arg(at));
        Self { at: at.to_owned() }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = rustix::mount::unmount(&self.at, UnmountFlags::empty())
            .or_else(|_| rustix::mount::unmount(&self.at, UnmountFlags::DETACH));
        if let Err(error) = unmounted {
            eprintln!("rig: cannot unmount {}: {error}", self.at.display());
        }
    }
}

/// Mount points at and below a folder, as the kernel lists them for this process.
pub fn mounts_at_or_below(folder: &Path) -> Vec<PathBuf> {
    let points = entries().into_iter().map(|(_, point)| point);
    points.filter(|point| point.starts_with(folder)).collect()
}

/// The minor device number of what is mounted at a path. A FUSE connection is named by it.
pub(crate) fn minor_of(at: &Path) -> Option<String> {
    // The last one mounted there is the one on top.
    let (device, _) = entries().into_iter().rfind(|(_, point)| point == at)?;
    Some(device.split_once(':')?.1.to_owned())
}

/// `major:minor` and mount point of each mount: fields 3 and 5 of proc_pid_mountinfo(5).
fn entries() -> Vec<(String, PathBuf)> {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ');
            let device = String::from_utf8_lossy(fields.nth(2)?).into_owned();
            Some((device, unescape(fields.nth(1)?)))
        })
        .collect()
}

/// Undoes the kernel's `\040` for blanks, tabs, newlines and backslashes in a path.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| byte == b'\\');
        let code = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push(code.unwrap_or(byte));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    OsString::from_vec(path).into()
}

/// Runs a program to its end and returns what it printed, trimmed.
///
/// # Panics
/// When it cannot be started or fails, with what it said.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_with_a_blank_reads_as_it_is() {
        assert_eq!(unescape(br"/a\040b\134c"), Path::new(r"/a b\c"));
        assert_eq!(unescape(br"/plain\x"), Path::new(r"/plain\x"));
    }

    #[test]
    fn proc_is_found_below_the_root_with_its_device() {
        assert!(mounts_at_or_below(Path::new("/")).contains(&PathBuf::from("/proc")));
        assert!(minor_of(Path::new("/proc")).is_some());
        assert_eq!(minor_of(Path::new("/no such mount")), None);
    }
}

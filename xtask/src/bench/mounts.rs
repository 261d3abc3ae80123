//! Many small ext4 filesystems on as many loop devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Filesystems that are mounted until this is dropped.
pub struct Mounts {
    folder: PathBuf,
    devices: Vec<String>,
    mounted: usize,
    /// Loop devices that were there before.
    known: Vec<String>,
}

fn loop_devices() -> Vec<String> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    names.filter(|n| n.starts_with("loop")).collect()
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| program.to_owned())?;
    ensure!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Mounts {
    /// Makes and mounts `count` of them below `folder`, which must not exist.
    pub fn new(folder: &Path, count: usize) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut mounts = Self {
            folder: folder.to_owned(),
            devices: Vec::new(),
            mounted: 0,
            known: loop_devices(),
        };
        let first = folder.join("image");
        fs::File::create(&first)?.set_len(4 << 20)?;
        run("mkfs.ext4", &["-q", "-O", "^has_journal", path(&first)?])?;
        for n in 0..count {
            let image = folder.join(format!("{n}.image"));
            run("cp", &["--sparse=always", path(&first)?, path(&image)?])?;
            mounts
                .devices
                .push(run("losetup", &["--find", "--show", path(&image)?])?);
            let point = mounts.point(n);
            fs::create_dir(&point)?;
            run("mount", &["-t", "ext4", &mounts.devices[n], path(&point)?])?;
            mounts.mounted += 1;
        }
        Ok(mounts)
    }

    /// Where the filesystem of this number is mounted.
    pub fn point(&self, n: usize) -> PathBuf {
        self.folder.join(n.to_string())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for n in 0..self.mounted {
            if let Err(error) = path(&self.point(n)).and_then(|p| run("umount", &[p])) {
                println!("left mounted: {error:#}");
            }
        }
        for device in &self.devices {
            if let Err(error) = run("losetup", &["--detach", device]) {
                println!("left attached: {error:#}");
            }
        }
        // Empty ones count as disks in diskstats for ever: a later benchmark would measure them too.
        // LOOP_CTL_REMOVE of linux/loop.h, by perl, since no tool here has it and unsafe is forbidden.
        const REMOVE: &str =
            "open(F, '+<', '/dev/loop-control') or die; ioctl(F, 0x4C81, $_ + 0) for @ARGV";
        let made = loop_devices()
            .into_iter()
            .filter(|n| !self.known.contains(n));
        let numbers: Vec<String> = made.map(|n| n.replace("loop", "")).collect();
        let mut arguments = vec!["-e", REMOVE];
        arguments.extend(numbers.iter().map(String::as_str));
        if let Err(error) = run("perl", &arguments) {
            println!("left as empty loop devices: {error:#}");
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            println!("left in place: {}: {error}", self.folder.display());
        }
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

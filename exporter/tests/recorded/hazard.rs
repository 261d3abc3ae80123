//! Superblocks and mount points as the fixture `looks` says.

use std::io;
use std::path::Path;

use tidegauge_exporter::collector::hazard::{Look, MountPoint};
use tidegauge_model::mount::DeviceNumber;

use super::super::fixture;

/// Answers as the fixture's `looks` says; whatever is not in it is denied.
pub struct Recorded;

impl Recorded {
    fn answer(what: &str, path: &Path) -> io::Result<String> {
        let path = path.strip_prefix(fixture("root")).unwrap();
        let start = format!("{what} /{} ", path.display());
        let looks = std::fs::read_to_string(fixture("looks"))?;
        let answer = looks.lines().find_map(|line| line.strip_prefix(&start));
        let answer = answer.map(str::to_owned);
        answer.ok_or(io::ErrorKind::PermissionDenied.into())
    }
}

impl Look for Recorded {
    fn device_number(&self, node: &Path) -> io::Result<DeviceNumber> {
        Ok(DeviceNumber::parse(&Self::answer("number", node)?).unwrap())
    }

    fn superblock(&self, node: &Path, _: DeviceNumber) -> io::Result<Vec<u8>> {
        let compat = u32::from_str_radix(&Self::answer("features", node)?, 16).unwrap();
        let mut superblock = vec![0; 1024];
        superblock[56..58].copy_from_slice(&0xEF53u16.to_le_bytes());
        superblock[92..96].copy_from_slice(&compat.to_le_bytes());
        Ok(superblock)
    }

    fn mount_point(&self, mount: &Path, relative: &Path) -> io::Result<MountPoint> {
        let answer = Self::answer("folder", &mount.join(relative))?;
        let (content, immutable) = answer.split_once(' ').unwrap();
        Ok(MountPoint {
            empty: Ok(content == "empty"),
            immutable: Some(immutable == "true"),
        })
    }
}

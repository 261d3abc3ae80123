//! The host as the checks see it.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tidegauge_model::mount::{DeviceNumber, Mount, displayable};

use crate::collector::Context;
use crate::collector::readings::{State, Trouble};
use crate::device::block::BlockDevice;
use crate::device::fstab::Entry;
use crate::host::blocks::Blocks;
use crate::host::storage::MountLayout;

/// Files of configuration are read up to this size.
const MOST: u64 = 1 << 20;

/// What is read once for all checks.
pub struct Host<'a> {
    /// Where things are.
    pub context: &'a Context,
    /// Mounts and tiers.
    pub layout: &'a MountLayout,
    /// Block devices.
    pub blocks: &'a Blocks,
    /// What fstab has.
    pub fstab: &'a [Entry],
}

impl<'a> Host<'a> {
    /// Each filesystem once, by the first of its mounts that is shown.
    pub fn filesystems(&self) -> Vec<&'a Mount> {
        let mut seen = BTreeSet::new();
        let mounts = self.layout.mounts.iter();
        mounts
            .filter_map(|shown| self.layout.table.at(&shown.mountpoint))
            .filter(|mount| seen.insert(mount.dev))
            .collect()
    }

    /// The name of a tier, for a label.
    pub fn tier_name(&self, tier: Option<usize>) -> &'a str {
        tier.and_then(|index| self.context.tiers.get(index))
            .map_or("", |tier| &tier.name)
    }

    /// The tier of a mounted filesystem.
    pub fn tier_of(&self, mount: &Mount) -> &'a str {
        self.tier_name(self.layout.placement.tier_of(mount.dev))
    }

    /// The tier that has this path, mounted or not.
    pub fn tier_at(&self, path: &Path) -> Option<usize> {
        if let Some(mount) = self.layout.table.at(path) {
            return self.layout.placement.tier_of(mount.dev);
        }
        let claims = self
            .context
            .tiers
            .iter()
            .enumerate()
            .flat_map(|(index, tier)| {
                let above = tier.paths.iter().filter(|above| path.starts_with(above));
                above.map(move |above| (above.components().count(), index))
            });
        claims
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, index)| index)
    }

    /// Whether something is mounted there, be it by an automounter that waits.
    pub fn is_mounted(&self, path: &Path) -> bool {
        self.layout.table.at(path).is_some()
    }

    /// The device that a filesystem is on; of several one.
    pub fn device(&self, mount: &Mount) -> Option<&'a BlockDevice> {
        self.blocks
            .by_number(mount.dev)
            .or_else(|| self.device_by_node(&mount.source))
    }

    fn device_by_node(&self, node: &Path) -> Option<&'a BlockDevice> {
        let text = node.to_str()?;
        if let Some(name) = text.strip_prefix("/dev/mapper/") {
            return self
                .blocks
                .iter()
                .map(|(_, device)| device)
                .find(|device| device.dm_name == name);
        }
        self.blocks.get(text.strip_prefix("/dev/")?)
    }

    /// The number of the device that an entry of fstab names; `None` when it is not there.
    pub fn number_of(&self, entry: &Entry) -> Option<DeviceNumber> {
        let source = entry.source.to_str()?;
        let node = match source.split_once('=') {
            Some(("UUID", id)) => Path::new("/dev/disk/by-uuid").join(unquoted(id)),
            Some(("LABEL", id)) => Path::new("/dev/disk/by-label").join(unquoted(id)),
            Some(("PARTUUID", id)) => Path::new("/dev/disk/by-partuuid").join(unquoted(id)),
            Some(("PARTLABEL", id)) => Path::new("/dev/disk/by-partlabel").join(unquoted(id)),
            _ => PathBuf::from(source),
        };
        // Only there a look-up cannot hang on another host.
        let look = &self.context.access.hazard;
        node.starts_with("/dev")
            .then(|| look.0.device_number(&self.context.rooted(&node)).ok())?
    }

    /// The whole disks below a device.
    pub fn disks(&self, device: &'a BlockDevice) -> Vec<&'a BlockDevice> {
        let (mut work, mut seen, mut disks) = (vec![device], BTreeSet::new(), Vec::new());
        while let Some(device) = work.pop() {
            if !seen.insert(device.name.as_str()) {
                continue;
            }
            let below = device.slaves.iter().chain([&device.parent]);
            let below: Vec<_> = below.filter_map(|name| self.blocks.get(name)).collect();
            if below.is_empty() {
                disks.push(device);
            }
            work.extend(below);
        }
        disks
    }

    /// A file of configuration; `None` when it is not there.
    pub fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, Trouble> {
        let rooted = self.context.rooted(path);
        read_bounded(&rooted).map_err(|error| trouble(&path.display(), &error))
    }
}

/// `UUID="…"` is the same as `UUID=…`.
fn unquoted(id: &str) -> &str {
    id.trim_matches('"')
}

/// A mount point as a label.
pub fn shown(path: &Path) -> String {
    displayable(path.as_os_str()).into_owned()
}

/// Why something could not be looked at.
pub fn trouble(what: &dyn std::fmt::Display, error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Trouble::new(
            State::Denied,
            format!("{what}: {error}; the exporter's user may not read it"),
        ),
        _ => Trouble::new(State::Failed, format!("{what}: {error}")),
    }
}

/// Reads a file; `None` when it is not there. Nothing but a file of at most 1 MiB is read.
pub fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = rustix::fs::OFlags::NONBLOCK
        .bits()
        .try_into()
        .unwrap_or_default();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        // A link to /dev/null is how a file is masked.
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(MOST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1 MiB",
        ));
    }
    Ok(Some(content))
}

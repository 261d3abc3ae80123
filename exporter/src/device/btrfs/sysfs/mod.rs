//! What sysfs shows of every filesystem at any time, mounted where we can see it or not: `/sys/fs/btrfs/<uuid>/`.
//!
//! Read at every scrape, so the files stay open, and what is where is looked up again only now and then.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::devices::flag;
use super::number;
use crate::device::kernel_file::attribute;

/// What is where is good for this long, unless something is going on that changes it.
const FRESH: Duration = Duration::from_secs(30);
/// So many files stay open for all filesystems together; what is more is opened each time.
const KEPT_OPEN: usize = 256;
/// Bounds for what a kernel could show: kinds and profiles of block groups.
const MOST_KINDS: usize = 16;
/// An attribute is one page at most.
const PAGE: usize = 4096;

/// Block groups of one kind. Bytes; `None` where this kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// `data`, `metadata`, `system`, or `mixed`.
    pub kind: String,
    /// For each profile its name, the size of its block groups, and what is used of them.
    pub profiles: Vec<(String, Option<u64>, Option<u64>)>,
    /// What writes under way will take for certain.
    pub reserved: Option<u64>,
    /// What they may take; for metadata with the global reserve.
    pub may_use: Option<u64>,
    /// Freed, and not yet to be used: until the next commit.
    pub pinned: Option<u64>,
    /// Free, in block groups that may not be written.
    pub readonly: Option<u64>,
    /// Free, on a zoned device that must be reset first.
    pub zone_unusable: Option<u64>,
}

impl Space {
    /// What new writes can take of the block groups that are there, as the kernel reckons. `None` when a part of
    /// it could not be read.
    pub fn free(&self) -> Option<u64> {
        let mut free = 0_u64;
        for (_, total, used) in &self.profiles {
            free = free.saturating_add((*total)?.saturating_sub((*used)?));
        }
        let taken = [self.reserved?, self.may_use?, self.pinned?, self.readonly?];
        // Zones came with Linux 5.12.
        let taken = taken.into_iter().chain(self.zone_unusable);
        Some(taken.fold(free, u64::saturating_sub))
    }
}

/// How long commits took. Linux 6.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitStats {
    /// How many there were since it was mounted.
    pub commits: u64,
    /// Milliseconds of the one under way; `None` on older kernels.
    pub current_ms: Option<u64>,
    /// Milliseconds of the last one.
    pub last_ms: u64,
    /// Milliseconds of the longest one since that was reset.
    pub max_ms: u64,
    /// Milliseconds of all.
    pub total_ms: u64,
}

/// What may go on at one time only. Linux 5.10.
pub const OPERATIONS: [&str; 9] = [
    "none",
    "balance",
    "balance_paused",
    "device_add",
    "device_remove",
    "device_replace",
    "resize",
    "swap_activate",
    "other",
];

/// A filesystem. `None` where this kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filesystem {
    /// As its folder is named.
    pub uuid: String,
    /// As its owner named it; empty for none.
    pub label: String,
    /// The algorithm of its checksums.
    pub checksum: String,
    /// Kernel names of the devices that are there.
    pub devices: Vec<String>,
    /// Block groups by kind.
    pub spaces: Vec<Space>,
    /// Bytes of metadata space kept for what must not fail.
    pub global_reserve: Option<u64>,
    /// How much of that is still there.
    pub global_reserve_left: Option<u64>,
    /// How long commits took.
    pub commits: Option<CommitStats>,
    /// One of [`OPERATIONS`].
    pub operation: Option<&'static str>,
    /// How many devices it should have, and how many of them are missing.
    pub missing: Option<(usize, usize)>,
}

/// Filesystems and the kernel names of their devices. None when the kernel has no btrfs.
pub fn list(sysfs: &Path) -> Vec<(String, Vec<String>)> {
    let folder = sysfs.join("fs/btrfs");
    let known = |uuid: String| {
        let devices = folder.join(&uuid).join("devices");
        let is_filesystem = devices.is_dir();
        // A slash in a kernel name (cciss/c0d0) is an exclamation mark in sysfs.
        let names = names_in(&devices).into_iter().map(|n| n.replace('!', "/"));
        is_filesystem.then(|| (uuid, names.collect()))
    };
    names_in(&folder).into_iter().filter_map(known).collect()
}

/// Names in a folder that are text, sorted; none when it is not there.
pub fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Names of folders in a folder.
fn folders_in(folder: &Path) -> Vec<String> {
    let mut names = names_in(folder);
    names.retain(|name| folder.join(name).is_dir());
    names.truncate(MOST_KINDS);
    names
}

/// Reads all filesystems, again and again.
#[derive(Debug)]
pub struct Filesystems {
    folder: PathBuf,
    known: FxHashMap<String, Shape>,
    open: usize,
    most_open: usize,
}

impl Filesystems {
    /// For every scrape. `sysfs` is where sysfs is mounted.
    pub fn new(sysfs: &Path) -> Self {
        Self::keeping(sysfs, KEPT_OPEN)
    }

    /// For now and then: nothing stays open.
    pub fn rarely(sysfs: &Path) -> Self {
        Self::keeping(sysfs, 0)
    }

    fn keeping(sysfs: &Path, most_open: usize) -> Self {
        Self {
            folder: sysfs.join("fs/btrfs"),
            known: FxHashMap::default(),
            open: 0,
            most_open,
        }
    }

    /// Reads them now, by UUID. One that goes meanwhile is left out.
    pub fn read(&mut self, now: Instant) -> Vec<Filesystem> {
        let uuids = names_in(&self.folder);
        self.known.retain(|uuid, _| uuids.contains(uuid));
        self.open = self.known.values().map(Shape::open).sum();
        let mut found = Vec::new();
        for uuid in uuids {
            let folder = self.folder.join(&uuid);
            let fresh = self.known.get(&uuid).is_some_and(|shape| {
                now.saturating_duration_since(shape.at) < FRESH && !shape.changing
            });
            if !fresh {
                self.open -= self.known.remove(&uuid).map_or(0, |shape| shape.open());
                if !folder.join("devices").is_dir() {
                    continue;
                }
                self.known.insert(uuid.clone(), Shape::look(&folder, now));
            }
            let Some(shape) = self.known.get_mut(&uuid) else {
                continue;
            };
            let before = shape.open();
            let filesystem = shape.read(uuid, self.most_open.saturating_sub(self.open));
            self.open = (self.open + shape.open()).saturating_sub(before);
            // Unmounted while it was read, nothing of it is left.
            if filesystem.spaces.is_empty() && !folder.is_dir() {
                continue;
            }
            found.push(filesystem);
        }
        found
    }
}

/// An attribute that may stay open.
#[derive(Debug)]
struct Attribute {
    path: PathBuf,
    file: Option<File>,
}

impl Attribute {
    fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(name),
            file: None,
        }
    }

    /// Its text; `None` when it is not there, or not readable.
    fn read<'a>(&mut self, room: &mut usize, buffer: &'a mut [u8; PAGE]) -> Option<&'a str> {
        let length = match &self.file {
            Some(file) => match file.read_at(buffer, 0) {
                Ok(length) => length,
                // Of a filesystem that was unmounted, and perhaps is mounted again.
                Err(_) => self.open(room, buffer)?,
            },
            None => self.open(room, buffer)?,
        };
        std::str::from_utf8(&buffer[..length]).ok()
    }

    fn open(&mut self, room: &mut usize, buffer: &mut [u8; PAGE]) -> Option<usize> {
        if self.file.take().is_some() {
            *room += 1;
        }
        let file = File::open(&self.path).ok()?;
        let length = file.read_at(buffer, 0).ok()?;
        if *room > 0 {
            *room -= 1;
            self.file = Some(file);
        }
        Some(length)
    }
}

#[derive(Debug)]
struct SpaceShape {
    kind: String,
    profiles: Vec<(String, Attribute, Attribute)>,
    /// In the order of the fields of [`Space`].
    parts: [Attribute; 5],
}

/// What is where in the folder of a filesystem, and what hardly ever changes.
#[derive(Debug)]
struct Shape {
    at: Instant,
    /// Something goes on that may move block groups to other profiles or devices.
    changing: bool,
    label: String,
    checksum: String,
    devices: Vec<String>,
    spaces: Vec<SpaceShape>,
    reserve: [Attribute; 2],
    commits: Attribute,
    operation: Attribute,
    missing: Vec<Attribute>,
}

impl Shape {
    fn look(folder: &Path, now: Instant) -> Self {
        let text = |name: &str| attribute(&folder.join(name)).unwrap_or_default();
        let allocation = folder.join("allocation");
        let devinfo = folder.join("devinfo");
        let space = |kind: String| {
            let folder = allocation.join(&kind);
            let of = |name: &str| Attribute::new(&folder, name);
            let profile = |name: String| {
                let folder = folder.join(&name);
                let of = |file: &str| Attribute::new(&folder, file);
                (name, of("total_bytes"), of("used_bytes"))
            };
            SpaceShape {
                profiles: folders_in(&folder).into_iter().map(profile).collect(),
                parts: [
                    of("bytes_reserved"),
                    of("bytes_may_use"),
                    of("bytes_pinned"),
                    of("bytes_readonly"),
                    of("bytes_zone_unusable"),
                ],
                kind,
            }
        };
        Self {
            at: now,
            changing: false,
            label: text("label"),
            checksum: text("checksum")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            devices: names_in(&folder.join("devices"))
                .into_iter()
                .map(|name| name.replace('!', "/"))
                .collect(),
            spaces: folders_in(&allocation).into_iter().map(space).collect(),
            reserve: ["global_rsv_size", "global_rsv_reserved"]
                .map(|name| Attribute::new(&allocation, name)),
            commits: Attribute::new(folder, "commit_stats"),
            operation: Attribute::new(folder, "exclusive_operation"),
            missing: names_in(&devinfo)
                .iter()
                .map(|id| Attribute::new(&devinfo.join(id), "missing"))
                .collect(),
        }
    }

    fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        let of_spaces = self.spaces.iter().flat_map(|space| {
            let of_profiles = space.profiles.iter().flat_map(|(_, a, b)| [a, b]);
            of_profiles.chain(&space.parts)
        });
        of_spaces
            .chain(&self.reserve)
            .chain([&self.commits, &self.operation])
            .chain(&self.missing)
    }

    fn open(&self) -> usize {
        self.attributes().filter(|a| a.file.is_some()).count()
    }

    fn read(&mut self, uuid: String, mut room: usize) -> Filesystem {
        let room = &mut room;
        let buffer = &mut [0; PAGE];
        let mut bytes = |attribute: &mut Attribute| number(attribute.read(room, buffer)?);
        let mut spaces = Vec::with_capacity(self.spaces.len());
        for shape in &mut self.spaces {
            let mut profiles = Vec::with_capacity(shape.profiles.len());
            for (name, total, used) in &mut shape.profiles {
                profiles.push((name.clone(), bytes(total), bytes(used)));
            }
            let [reserved, may_use, pinned, readonly, zone_unusable] = &mut shape.parts;
            let space = Space {
                kind: shape.kind.clone(),
                reserved: bytes(reserved),
                may_use: bytes(may_use),
                pinned: bytes(pinned),
                readonly: bytes(readonly),
                zone_unusable: bytes(zone_unusable),
                profiles,
            };
            // A profile or a kind whose last block group went.
            if space.profiles.iter().any(|(_, total, _)| total.is_some()) {
                spaces.push(space);
            }
        }
        for space in &mut spaces {
            space.profiles.retain(|(_, total, _)| total.is_some());
        }
        let [size, left] = &mut self.reserve;
        let (global_reserve, global_reserve_left) = (bytes(size), bytes(left));
        let commits = self.commits.read(room, buffer).and_then(commit_stats);
        let operation = self.operation.read(room, buffer).map(operation);
        self.changing = operation.is_some_and(|operation| operation != "none");
        let flags: Vec<bool> = self
            .missing
            .iter_mut()
            .filter_map(|attribute| flag(attribute.read(room, buffer)?))
            .collect();
        let missing = flags.iter().filter(|missing| **missing).count();
        Filesystem {
            uuid,
            label: self.label.clone(),
            checksum: self.checksum.clone(),
            devices: self.devices.clone(),
            spaces,
            global_reserve,
            global_reserve_left,
            commits,
            operation,
            missing: (!flags.is_empty()).then_some((flags.len(), missing)),
        }
    }
}

/// The content of `commit_stats`; `None` unless all that the first kernel with it wrote is there.
pub fn commit_stats(text: &str) -> Option<CommitStats> {
    let of = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| number(line.strip_prefix(key)?.strip_prefix(' ')?))
    };
    Some(CommitStats {
        commits: of("commits")?,
        current_ms: of("cur_commit_ms"),
        last_ms: of("last_commit_ms")?,
        max_ms: of("max_commit_ms")?,
        total_ms: of("total_commit_ms")?,
    })
}

/// The content of `exclusive_operation` as one of [`OPERATIONS`].
pub fn operation(text: &str) -> &'static str {
    let text = text.trim_end_matches('\n').replace(' ', "_");
    let known = OPERATIONS.into_iter().find(|known| *known == text);
    known.unwrap_or("other")
}

#[cfg(test)]
mod tests;

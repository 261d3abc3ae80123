//! The mount table: parsed from the bytes of a `mountinfo` file, with the question answered which
//! mounts a path look-up still reaches.
//!
//! Format: proc_pid_mountinfo(5); kernel `fs/proc_namespace.c`, `show_mountinfo`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};
use thiserror::Error;

/// A device number as the kernel prints it: `major:minor`. A filesystem without a block device has
/// major 0 and a minor of its own, so this also names a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

impl DeviceNumber {
    /// Reads `major:minor`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once(':')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One line of the mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount's id; the kernel gives it to another mount once this one is gone for good.
    pub id: u32,
    /// Id of the mount it is mounted on.
    pub parent: u32,
    /// Names the superblock: all bind mounts and subvolumes of a filesystem share it.
    pub dev: DeviceNumber,
    /// Which directory of the filesystem is shown; `/` is all of it.
    pub root: PathBuf,
    /// Where.
    pub mountpoint: PathBuf,
    /// Options of this mount, comma separated.
    pub options: String,
    /// Filesystem type, such as `ext4` or `nfs4`.
    pub fstype: String,
    /// What was mounted: a device, `server:/export`, or any word. Any bytes.
    pub source: PathBuf,
    /// Options of the superblock, comma separated; `ro` here means that nobody can write.
    pub super_options: String,
}

/// What kind of storage a filesystem type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FsClass {
    /// On a block device of this host.
    Local,
    /// On another host.
    Network,
    /// In user space, on something only its author knows.
    UserSpace,
    /// In memory.
    Memory,
    /// A view of other files: overlay, squashfs and other images.
    View,
    /// No storage at all: proc, sysfs, cgroup.
    Pseudo,
}

impl FsClass {
    /// Whether it counts in a tier without being named.
    pub fn is_storage(self) -> bool {
        matches!(self, Self::Local | Self::Network)
    }
}

const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.juicefs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "pvfs2",
    "smb3",
    "smbfs",
    "virtiofs",
    "wekafs",
];
/// Whether a filesystem of this type lies on another host.
pub fn is_network(fstype: &str) -> bool {
    NETWORK.contains(&fstype)
}

const VIEW: &[&str] = &[
    "overlay", "aufs", "squashfs", "erofs", "iso9660", "udf", "cramfs", "romfs", "ecryptfs",
];
const LOCAL_WITHOUT_DEVICE: &[&str] = &["btrfs", "zfs", "bcachefs", "ubifs", "jffs2"];

impl Mount {
    /// What kind of storage this is, by its type and, for types that are not known here, by whether it
    /// has a block device.
    pub fn class(&self) -> FsClass {
        let fstype = self.fstype.as_str();
        if is_network(fstype) {
            FsClass::Network
        } else if matches!(fstype, "tmpfs" | "ramfs") {
            FsClass::Memory
        } else if VIEW.contains(&fstype) {
            FsClass::View
        } else if LOCAL_WITHOUT_DEVICE.contains(&fstype) || self.dev.major != 0 {
            FsClass::Local
        } else if fstype == "fuse" || fstype.starts_with("fuse.") {
            FsClass::UserSpace
        } else {
            FsClass::Pseudo
        }
    }

    /// Whether the superblock is read-only: the mount's own `ro` says only what this view may do.
    /// ext4 says `emergency_ro` when an error forbade writing.
    pub fn is_read_only(&self) -> bool {
        self.super_options
            .split(',')
            .any(|option| matches!(option, "ro" | "emergency_ro" | "shutdown"))
    }
}

/// Why a mount table could not be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("mountinfo line {line}: {problem}; expected the format of proc_pid_mountinfo(5)")]
pub struct MountError {
    line: usize,
    problem: &'static str,
}

/// All mounts of a mount namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountTable {
    mounts: Vec<Mount>,
    visible: Vec<usize>,
    by_path: FxHashMap<PathBuf, usize>,
}

impl MountTable {
    /// Parses the content of a `mountinfo` file.
    pub fn parse(content: &[u8]) -> Result<Self, MountError> {
        let mut mounts = Vec::new();
        for (index, line) in content.split(|b| *b == b'\n').enumerate() {
            if !line.is_empty() {
                mounts.push(parse_line(line).map_err(|problem| MountError {
                    line: index + 1,
                    problem,
                })?);
            }
        }
        let mut visible = visible(&mounts);
        let by_path: FxHashMap<PathBuf, usize> = visible
            .iter()
            .map(|&i| (mounts[i].mountpoint.clone(), i))
            .collect();
        // The kernel gives an id once; in a text that has one twice the last line counts.
        visible.retain(|&i| by_path.get(&mounts[i].mountpoint) == Some(&i));
        Ok(Self {
            mounts,
            visible,
            by_path,
        })
    }

    /// The mounts that a look-up of their mount point reaches, in the kernel's order: not those that
    /// another mount covers.
    pub fn visible(&self) -> impl Iterator<Item = &Mount> {
        self.visible.iter().map(|&i| &self.mounts[i])
    }

    /// The visible mount whose mount point is exactly `path`.
    pub fn at(&self, path: &Path) -> Option<&Mount> {
        self.by_path.get(path).map(|&i| &self.mounts[i])
    }

    /// The visible mount that a look-up of `path` ends in. `path` is absolute and normal; symbolic
    /// links in it are not followed.
    pub fn holding(&self, path: &Path) -> Option<&Mount> {
        path.ancestors().find_map(|ancestor| self.at(ancestor))
    }
}

fn parse_line(line: &[u8]) -> Result<Mount, &'static str> {
    let mut fields = line.split(|b| *b == b' ');
    let mut next = |problem| fields.next().filter(|f| !f.is_empty()).ok_or(problem);
    let id = number(next("no mount id")?).ok_or("the mount id is not a number")?;
    let parent = number(next("no parent id")?).ok_or("the parent id is not a number")?;
    let dev = std::str::from_utf8(next("no device number")?)
        .ok()
        .and_then(DeviceNumber::parse)
        .ok_or("the device number is not major:minor")?;
    let root = path(next("no root")?);
    let mountpoint = path(next("no mount point")?);
    let options = text(next("no mount options")?);
    // Optional fields (shared:N, master:N …) end at a lone hyphen.
    while next("no separator between optional fields and filesystem type")? != b"-" {}
    let fstype = text(next("no filesystem type")?);
    // The source is empty when a program mounted with an empty name.
    let source = path(fields.next().ok_or("no source")?);
    let super_options = text(fields.next().ok_or("no superblock options")?);
    Ok(Mount {
        id,
        parent,
        dev,
        root,
        mountpoint,
        options,
        fstype,
        source,
        super_options,
    })
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(unescape(field).into_owned()))
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// Undoes the kernel's `mangle`: space, tab, newline, backslash and `#` come as three octal digits.
pub fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .filter(|d| first == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        match octal.and_then(|d| {
            u8::try_from(d.iter().fold(0u32, |n, b| n * 8 + u32::from(b - b'0'))).ok()
        }) {
            Some(byte) => {
                out.push(byte);
                rest = &after[3..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

/// Indexes of the mounts that a path look-up reaches.
///
/// A look-up goes from the root mount through mount points. A mount is out of reach when another one
/// with the same parent covers a directory above it, when something is mounted on the root of its
/// parent (whatever else lies below is then hidden), or when its parent is out of reach. It is
/// reachable but not visible itself when something is mounted on its own root.
fn visible(mounts: &[Mount]) -> Vec<usize> {
    let by_id: FxHashMap<u32, usize> = mounts.iter().enumerate().map(|(i, m)| (m.id, i)).collect();
    let on: FxHashSet<(u32, &OsStr)> = mounts
        .iter()
        .filter(|m| m.id != m.parent)
        .map(|m| (m.parent, m.mountpoint.as_os_str()))
        .collect();
    let covered = |m: &Mount| on.contains(&(m.id, m.mountpoint.as_os_str()));
    let mut reach: Vec<Option<bool>> = vec![None; mounts.len()];
    for start in 0..mounts.len() {
        // Up to an ancestor whose answer is known, then down again: depth is not bounded by a stack.
        let mut chain = vec![start];
        while let Some(&last) = chain.last() {
            if reach[last].is_some() {
                break;
            }
            match by_id.get(&mounts[last].parent) {
                Some(&parent) if !chain.contains(&parent) => chain.push(parent),
                _ => {
                    reach[last] = Some(true);
                    break;
                }
            }
        }
        for pair in (1..chain.len()).rev() {
            let (parent, child) = (chain[pair], chain[pair - 1]);
            if reach[child].is_none() {
                let (p, c) = (&mounts[parent], &mounts[child]);
                let stacked = c.mountpoint == p.mountpoint;
                let shadowed = c
                    .mountpoint
                    .ancestors()
                    .skip(1)
                    .take_while(|a| a.starts_with(&p.mountpoint))
                    .any(|a| on.contains(&(p.id, a.as_os_str())));
                reach[child] =
                    Some(reach[parent] == Some(true) && (stacked || !(shadowed || covered(p))));
            }
        }
    }
    (0..mounts.len())
        .filter(|&i| reach[i] == Some(true) && !covered(&mounts[i]))
        .collect()
}

/// Any bytes as text for a label or a table: valid UTF-8 as it is; otherwise bytes that are not as
/// `\xNN`, and backslashes doubled.
pub fn displayable(bytes: &OsStr) -> Cow<'_, str> {
    if let Some(text) = bytes.to_str() {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for chunk in bytes.as_bytes().utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(lines: &[&str]) -> MountTable {
        MountTable::parse(lines.join("\n").as_bytes()).unwrap()
    }

    fn visible_ids(lines: &[&str]) -> Vec<u32> {
        table(lines).visible().map(|m| m.id).collect()
    }

    #[test]
    fn a_line_with_everything() {
        let table = MountTable::parse(
            b"36 35 98:0 /mnt1 /mnt\\0402/a\\012b\\134\xff rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n",
        )
        .unwrap();
        let mount = table.visible().next().unwrap();
        assert_eq!(
            (mount.id, mount.parent, mount.dev),
            (
                36,
                35,
                DeviceNumber {
                    major: 98,
                    minor: 0
                }
            )
        );
        assert_eq!(
            mount.mountpoint.as_os_str().as_bytes(),
            b"/mnt 2/a\nb\\\xff"
        );
        assert_eq!(
            displayable(mount.mountpoint.as_os_str()),
            "/mnt 2/a\nb\\\\\\xff"
        );
        assert_eq!(
            (mount.fstype.as_str(), mount.super_options.as_str()),
            ("ext3", "rw,errors=continue")
        );
        assert!(!mount.is_read_only());
    }

    #[test]
    fn an_empty_source_is_kept() {
        let table = table(&["30 1 0:5 / /m rw - tmpfs  rw"]);
        assert_eq!(table.visible().next().unwrap().source, PathBuf::new());
    }

    #[test]
    fn bad_lines_are_told_by_number() {
        let error = MountTable::parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 x\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "mountinfo line 2: the parent id is not a number; expected the format of proc_pid_mountinfo(5)"
        );
    }

    #[test]
    fn the_last_of_a_stack_is_visible() {
        let lines = [
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
            "2 1 0:9 / /mnt/nas rw - autofs systemd-1 rw",
            "3 2 0:50 / /mnt/nas rw - nfs4 nas:/x rw",
        ];
        assert_eq!(visible_ids(&lines), [1, 3]);
        assert_eq!(table(&lines).at(Path::new("/mnt/nas")).unwrap().id, 3);
        assert_eq!(
            table(&lines).holding(Path::new("/mnt/nas/a/b")).unwrap().id,
            3
        );
        assert_eq!(table(&lines).holding(Path::new("/mnt")).unwrap().id, 1);
    }

    #[test]
    fn a_mount_above_hides_what_is_below() {
        let root = "1 0 8:1 / / rw - ext4 /dev/sda1 rw";
        let below = "2 1 8:2 / /data/a rw - ext4 /dev/sda2 rw";
        let above = "3 1 8:3 / /data rw - ext4 /dev/sda3 rw";
        let again = "4 3 8:4 / /data/a rw - ext4 /dev/sda4 rw";
        assert_eq!(visible_ids(&[root, below, above]), [1, 3]);
        assert_eq!(visible_ids(&[root, below, above, again]), [1, 3, 4]);
    }

    #[test]
    fn a_mount_on_a_root_hides_the_children_of_what_it_covers() {
        let lines = [
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
            "2 1 8:2 / /data rw - ext4 /dev/sda2 rw",
            "3 2 8:3 / /data/a rw - ext4 /dev/sda3 rw",
            "4 2 8:4 / /data rw - ext4 /dev/sda4 rw",
        ];
        assert_eq!(visible_ids(&lines), [1, 4]);
    }

    #[test]
    fn classes() {
        let class = |line| table(&[line]).visible().next().unwrap().class();
        assert_eq!(class("1 0 8:1 / / rw - ext4 /dev/sda1 rw"), FsClass::Local);
        assert_eq!(
            class("1 0 0:30 / / rw - btrfs /dev/sda1 rw"),
            FsClass::Local
        );
        assert_eq!(class("1 0 0:30 / / rw - nfs4 nas:/a rw"), FsClass::Network);
        assert_eq!(
            class("1 0 0:30 / / rw - fuse.sshfs a:/ rw"),
            FsClass::Network
        );
        assert_eq!(
            class("1 0 0:30 / / rw - fuse.mergerfs a rw"),
            FsClass::UserSpace
        );
        assert_eq!(
            class("1 0 8:17 / / rw - fuseblk /dev/sdb1 rw"),
            FsClass::Local
        );
        assert_eq!(class("1 0 0:30 / / rw - tmpfs tmpfs rw"), FsClass::Memory);
        assert_eq!(
            class("1 0 7:3 / / ro - squashfs /dev/loop3 ro"),
            FsClass::View
        );
        assert_eq!(
            class("1 0 0:30 / / rw - cgroup2 cgroup rw"),
            FsClass::Pseudo
        );
    }

    #[test]
    fn an_id_that_is_there_twice_is_one_mount() {
        let table = table(&[
            "27 1 259:2 / / rw - ext4 /dev/root rw",
            "27 1 259:2 / / rw - ext4 /dev/root ro",
        ]);
        let visible: Vec<_> = table.visible().map(|m| m.super_options.as_str()).collect();
        assert_eq!(visible, ["ro"]);
        assert_eq!(table.at(Path::new("/")).unwrap().super_options, "ro");
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = MountTable::parse(&bytes);
        }

        /// With the kernel's escaping of the bytes that would part fields or lines.
        #[test]
        fn any_bytes_of_a_path_come_back(
            mountpoint in proptest::collection::vec(any::<u8>(), 0..20),
            source in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mangle = |bytes: &[u8]| -> Vec<u8> {
                let escape = |b: &u8| match b {
                    b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{b:03o}").into_bytes(),
                    b => vec![*b],
                };
                bytes.iter().flat_map(escape).collect()
            };
            let line = [
                b"7 7 8:1 / /",
                &*mangle(&mountpoint),
                b" rw shared:1 - ext4 ",
                &*mangle(&source),
                b" rw\n",
            ]
            .concat();
            let table = MountTable::parse(&line).unwrap();
            let mount = table.visible().next().unwrap();
            prop_assert_eq!(mount.mountpoint.as_os_str().as_bytes(), [b"/", &*mountpoint].concat());
            prop_assert_eq!(mount.source.as_os_str().as_bytes(), &*source);
            prop_assert_eq!(table.at(&mount.mountpoint), Some(mount));
            prop_assert_eq!(table.holding(&mount.mountpoint.join("x")), Some(mount));
        }

        #[test]
        fn any_tree_is_no_panic(links in proptest::collection::vec((0u32..12, 0u32..12, "(/[ab]){0,3}"), 0..14)) {
            let lines: Vec<String> = links
                .iter()
                .map(|(id, parent, path)| format!("{id} {parent} 8:1 / /{} rw - ext4 d rw", path.trim_start_matches('/')))
                .collect();
            let table = MountTable::parse(lines.join("\n").as_bytes()).unwrap();
            let mut points: Vec<_> = table.visible().map(|m| (m.id, &m.mountpoint)).collect();
            points.dedup();
            prop_assert!(points.len() <= lines.len());
        }
    }
}

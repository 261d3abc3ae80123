//! Which filesystem belongs to which tier, by the declared paths and the mount table.
//!
//! A superblock has at most one tier, however many mounts show it. Where several tiers could claim it,
//! the strongest claim wins: a path that is its mount point or lies above it (the longest such path),
//! then a device glob, then a path inside it, then a path inside it that has other mounts below (the
//! folder of a tier's mount points, which need not be the tier's itself). Two equal claims of different
//! tiers are a conflict, and neither gets it.

use std::cmp::Reverse;
use std::fmt;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use crate::mount::{DeviceNumber, Mount, MountTable, displayable};
use crate::tier::Tier;

/// How strongly a tier claims a superblock; the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// The path lies inside the filesystem, and other filesystems of the tier are mounted below the
    /// path: perhaps only a folder of mount points.
    Above,
    /// The path lies inside the filesystem.
    Inside,
    /// A device glob matches.
    Device,
    /// The path is a mount point of it, or lies above one; with the number of the path's components.
    MountedAt(usize),
}

/// A filesystem that belongs to a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its superblock.
    pub dev: DeviceNumber,
    /// The mount point at which it is read.
    pub mountpoint: PathBuf,
}

/// Why a tier has no numbers, before anything was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// `require_mount`, and nothing that holds data is mounted there.
    NotMounted(PathBuf),
    /// The filesystem that holds this path belongs, by a stronger claim, to this other tier.
    Taken {
        /// The tier's path.
        path: PathBuf,
        /// The other tier's name.
        by: String,
    },
    /// Another tier has a path on the same filesystem, and neither claim is stronger.
    Conflict {
        /// The tier's path or glob.
        path: PathBuf,
        /// The other tier's name.
        with: String,
        /// Where the filesystem is mounted.
        mountpoint: PathBuf,
    },
    /// No filesystem matches.
    Empty,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted(path) => write!(f, "{} is not mounted", show(path)),
            Self::Taken { path, by } => {
                write!(
                    f,
                    "{} lies on a filesystem of tier `{by}`; is it not mounted?",
                    show(path)
                )
            }
            Self::Conflict {
                path,
                with,
                mountpoint,
            } => write!(
                f,
                "{} and tier `{with}` are on the same filesystem ({}); where a path should be a mount of its own, set `require_mount: true`, else make them directories of one tier",
                show(path),
                show(mountpoint)
            ),
            Self::Empty => f.write_str("no filesystem matches its paths and devices"),
        }
    }
}

fn show(path: &Path) -> std::borrow::Cow<'_, str> {
    displayable(path.as_os_str())
}

/// The members of one tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierPlacement {
    /// Its filesystems, each once.
    pub members: Vec<Member>,
    /// Paths that only lie inside a member: they must exist, else the numbers would be another's.
    pub inside: Vec<PathBuf>,
    /// Why the tier is down; its aggregates are absent then.
    pub down: Vec<Down>,
}

/// Which superblock belongs to which tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// One for each tier, in their order.
    pub tiers: Vec<TierPlacement>,
    tier_of: FxHashMap<DeviceNumber, usize>,
}

struct Claim<'a> {
    strength: Strength,
    tier: usize,
    by: &'a Path,
}

impl Placement {
    /// Places every filesystem of `table`. Mounts for which `counts` is false are left out, but where
    /// a path names exactly their mount point.
    pub fn new(tiers: &[Tier], table: &MountTable, counts: impl Fn(&Mount) -> bool) -> Self {
        let mut placed: Vec<TierPlacement> =
            tiers.iter().map(|_| TierPlacement::default()).collect();
        let mut claims: FxHashMap<DeviceNumber, Vec<Claim<'_>>> = FxHashMap::default();
        let representatives = representatives(table);
        for mount in table.visible() {
            let counts = counts(mount);
            for (index, tier) in tiers.iter().enumerate() {
                for claim in claims_on(mount, index, tier, counts) {
                    claims.entry(mount.dev).or_default().push(claim);
                }
            }
        }
        for (index, tier) in tiers.iter().enumerate() {
            for path in &tier.paths {
                let mounted = table.at(path).is_some_and(|m| is_mount_of_storage(m, path));
                if tier.require_mount {
                    if !mounted {
                        placed[index].down.push(Down::NotMounted(path.clone()));
                    }
                } else if let Some(holder) = table
                    .holding(path)
                    // Memory that holds the mount points of volumes is no volume.
                    .filter(|m| m.mountpoint != *path && m.class().is_storage() && counts(m))
                {
                    let below =
                        |m: &Mount| m.class().is_storage() && m.mountpoint.starts_with(path);
                    let strength = if table.visible().any(below) {
                        Strength::Above
                    } else {
                        Strength::Inside
                    };
                    claims.entry(holder.dev).or_default().push(Claim {
                        strength,
                        tier: index,
                        by: path,
                    });
                }
            }
        }
        let mut tier_of = FxHashMap::default();
        for (dev, of_dev) in &claims {
            let mountpoint = representatives
                .get(dev)
                .map_or(Path::new("/"), |m| &m.mountpoint);
            if let Some(tier) = decide(of_dev, tiers, mountpoint, &mut placed) {
                tier_of.insert(*dev, tier);
            }
        }
        for (dev, mount) in &representatives {
            if let Some(&tier) = tier_of.get(dev) {
                placed[tier].members.push(Member {
                    dev: *dev,
                    mountpoint: mount.mountpoint.clone(),
                });
            }
        }
        for tier in &mut placed {
            if tier.members.is_empty() && tier.down.is_empty() {
                tier.down.push(Down::Empty);
            }
            tier.members.sort_by(|a, b| a.mountpoint.cmp(&b.mountpoint));
            tier.down.sort_by_key(ToString::to_string);
        }
        Self {
            tiers: placed,
            tier_of,
        }
    }

    /// Index of the tier that a superblock belongs to.
    pub fn tier_of(&self, dev: DeviceNumber) -> Option<usize> {
        self.tier_of.get(&dev).copied()
    }
}

/// Something that a path may stand for without further naming: real storage, or exactly this mount
/// whatever its type (but for autofs, which only waits for a mount).
fn is_mount_of_storage(mount: &Mount, path: &Path) -> bool {
    mount.fstype != "autofs" && (mount.class().is_storage() || mount.mountpoint == path)
}

fn claims_on<'a>(mount: &Mount, index: usize, tier: &'a Tier, counts: bool) -> Vec<Claim<'a>> {
    let mut claims = Vec::new();
    for path in &tier.paths {
        let named = mount.mountpoint == *path;
        if mount.mountpoint.starts_with(path)
            && is_mount_of_storage(mount, path)
            && (counts || named)
        {
            claims.push(Claim {
                strength: Strength::MountedAt(path.components().count()),
                tier: index,
                by: path,
            });
        }
    }
    if counts && mount.class().is_storage() {
        for glob in &tier.devices {
            if device_matches(glob, mount) {
                claims.push(Claim {
                    strength: Strength::Device,
                    tier: index,
                    by: Path::new(glob),
                });
            }
        }
    }
    claims
}

fn device_matches(glob: &str, mount: &Mount) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let source = mount.source.as_os_str().as_bytes();
    let name = source.strip_prefix(b"/dev/").unwrap_or(source);
    fast_glob::glob_match(glob, source) || fast_glob::glob_match(glob, name)
}

/// The tier whose claim on a superblock is the strongest; the others learn why they lost it.
fn decide(
    claims: &[Claim<'_>],
    tiers: &[Tier],
    mountpoint: &Path,
    placed: &mut [TierPlacement],
) -> Option<usize> {
    let best = claims
        .iter()
        .max_by_key(|c| (c.strength, Reverse(c.tier)))?;
    let rival = claims
        .iter()
        .find(|c| c.strength == best.strength && c.tier != best.tier);
    if let Some(rival) = rival {
        if best.strength == Strength::Above {
            return None;
        }
        for (one, other) in [(best, rival), (rival, best)] {
            placed[one.tier].down.push(Down::Conflict {
                path: one.by.to_owned(),
                with: tiers[other.tier].name.clone(),
                mountpoint: mountpoint.to_owned(),
            });
        }
        return None;
    }
    for claim in claims.iter().filter(|c| c.strength <= Strength::Inside) {
        if claim.tier == best.tier {
            placed[claim.tier].inside.push(claim.by.to_owned());
        } else if claim.strength == Strength::Inside {
            placed[claim.tier].down.push(Down::Taken {
                path: claim.by.to_owned(),
                by: tiers[best.tier].name.clone(),
            });
        }
    }
    Some(best.tier)
}

/// The mount that stands for each filesystem: one that shows all of it, then the one with the
/// shortest mount point.
fn representatives(table: &MountTable) -> FxHashMap<DeviceNumber, &Mount> {
    let rank = |m: &Mount| (m.root != Path::new("/"), m.mountpoint.as_os_str().len());
    let mut chosen: FxHashMap<DeviceNumber, &Mount> = FxHashMap::default();
    for mount in table.visible() {
        let held = chosen.entry(mount.dev).or_insert(mount);
        if rank(mount) < rank(held) {
            *held = mount;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::Expect;
    use crate::tier::Thresholds;

    const ROOT: &str = "1 0 259:2 / / rw - ext4 /dev/nvme0n1p2 rw";
    const HOT: &str = "2 1 253:0 / /data/hot/pg rw - xfs /dev/mapper/vg_jts-postgresql rw";
    const HOT2: &str = "3 1 253:1 / /data/hot/kafka rw - xfs /dev/mapper/vg_jts-kafka rw";
    const WARM: &str = "4 1 0:40 /@warm /data/warm rw - btrfs /dev/sda2 rw";
    const WARM_TOP: &str = "5 1 0:40 / /mnt/btrfs rw - btrfs /dev/sda2 rw";
    const NAS: &str = "6 1 0:50 / /mnt/nas rw - nfs nas:/x rw";
    const TMP: &str = "7 1 0:60 / /tmp rw - tmpfs tmpfs rw";

    fn tier(name: &str, paths: &[&str]) -> Tier {
        Tier {
            name: name.into(),
            paths: paths.iter().map(PathBuf::from).collect(),
            devices: vec![],
            thresholds: Thresholds::default(),
            require_mount: false,
            directories: vec![],
            expect: Expect::default(),
        }
    }

    fn place(tiers: &[Tier], lines: &[&str]) -> Vec<String> {
        let table = MountTable::parse(lines.join("\n").as_bytes()).unwrap();
        let placement = Placement::new(tiers, &table, |m| {
            !m.mountpoint.starts_with("/var/lib/docker")
        });
        tiers
            .iter()
            .zip(&placement.tiers)
            .map(|(tier, placed)| {
                let members: Vec<_> = placed.members.iter().map(|m| show(&m.mountpoint)).collect();
                let down: Vec<_> = placed.down.iter().map(ToString::to_string).collect();
                format!("{}: {} | {}", tier.name, members.join(" "), down.join("; "))
            })
            .collect()
    }

    #[test]
    fn volumes_below_a_path_and_once_for_each_filesystem() {
        let tiers = [
            tier("hot", &["/data/hot"]),
            tier("warm", &["/data/warm"]),
            tier("cold", &["/mnt/nas"]),
        ];
        assert_eq!(
            place(&tiers, &[ROOT, HOT, HOT2, WARM, WARM_TOP, NAS]),
            [
                "hot: / /data/hot/kafka /data/hot/pg | ",
                "warm: /mnt/btrfs | ",
                "cold: /mnt/nas | "
            ]
        );
    }

    #[test]
    fn the_longest_path_wins() {
        let tiers = [tier("system", &["/"]), tier("cold", &["/mnt/nas"])];
        assert_eq!(
            place(&tiers, &[ROOT, HOT, NAS, TMP]),
            ["system: / /data/hot/pg | ", "cold: /mnt/nas | "]
        );
    }

    #[test]
    fn a_nas_that_is_not_mounted_never_shows_the_root_filesystem() {
        let mut cold = tier("cold", &["/mnt/nas"]);
        let system = tier("system", &["/"]);
        assert_eq!(
            place(&[system.clone(), cold.clone()], &[ROOT]),
            [
                "system: / | ",
                "cold:  | /mnt/nas lies on a filesystem of tier `system`; is it not mounted?"
            ]
        );
        cold.require_mount = true;
        assert_eq!(
            place(&[system, cold.clone()], &[ROOT])[1],
            "cold:  | /mnt/nas is not mounted"
        );
        let autofs = "6 1 0:50 / /mnt/nas rw - autofs systemd-1 rw";
        assert_eq!(
            place(&[cold], &[ROOT, autofs]),
            ["cold:  | /mnt/nas is not mounted"]
        );
    }

    #[test]
    fn two_tiers_inside_one_filesystem_conflict() {
        let tiers = [tier("hot", &["/data/hot"]), tier("warm", &["/data/warm"])];
        let placed = place(&tiers, &[ROOT]);
        assert!(
            placed[0]
                .starts_with("hot:  | /data/hot and tier `warm` are on the same filesystem (/)"),
            "{placed:?}"
        );
        assert!(
            placed[1].starts_with("warm:  | /data/warm and tier `hot`"),
            "{placed:?}"
        );
    }

    #[test]
    fn a_directory_tier_takes_the_filesystem_that_holds_it() {
        assert_eq!(
            place(&[tier("hot", &["/srv/hot"])], &[ROOT, TMP]),
            ["hot: / | "]
        );
    }

    #[test]
    fn a_folder_of_mount_points_yields_the_filesystem_that_holds_it() {
        let hot = tier("hot", &["/data/hot"]);
        assert_eq!(
            place(&[tier("system", &["/"]), hot.clone()], &[ROOT, HOT]),
            ["system: / | ", "hot: /data/hot/pg | "]
        );
        assert_eq!(
            place(&[hot.clone(), tier("dir", &["/srv/dir"])], &[ROOT, HOT]),
            ["hot: /data/hot/pg | ", "dir: / | "]
        );
        assert_eq!(
            place(&[hot, tier("nas", &["/mnt"])], &[ROOT, HOT, NAS]),
            ["hot: /data/hot/pg | ", "nas: /mnt/nas | "]
        );
    }

    #[test]
    fn what_does_not_count_counts_when_named() {
        let docker = "9 1 8:9 / /var/lib/docker rw - ext4 /dev/sdb1 rw";
        assert_eq!(place(&[tier("a", &["/"])], &[ROOT, docker]), ["a: / | "]);
        assert_eq!(
            place(
                &[tier("a", &["/"]), tier("b", &["/var/lib/docker"])],
                &[ROOT, docker]
            ),
            ["a: / | ", "b: /var/lib/docker | "]
        );
    }

    #[test]
    fn memory_counts_only_when_named() {
        assert_eq!(place(&[tier("a", &["/tmp"])], &[ROOT, TMP]), ["a: /tmp | "]);
        assert_eq!(place(&[tier("a", &["/"])], &[ROOT, TMP]), ["a: / | "]);
    }

    #[test]
    fn memory_that_holds_mount_points_does_not_count() {
        let volume = "8 7 253:0 / /tmp/hot/pg rw - xfs /dev/mapper/vg_jts-postgresql rw";
        assert_eq!(
            place(&[tier("hot", &["/tmp/hot"])], &[ROOT, TMP, volume]),
            ["hot: /tmp/hot/pg | "]
        );
        assert_eq!(
            place(&[tier("hot", &["/tmp/hot"])], &[ROOT, TMP]),
            ["hot:  | no filesystem matches its paths and devices"]
        );
    }

    #[test]
    fn device_globs_yield_to_paths() {
        let mut hot = tier("hot", &[]);
        hot.devices = vec!["/dev/mapper/vg_jts-*".into(), "nvme*".into()];
        assert_eq!(
            place(
                &[hot.clone(), tier("x", &["/data/hot/kafka"])],
                &[ROOT, HOT, HOT2]
            ),
            ["hot: / /data/hot/pg | ", "x: /data/hot/kafka | "]
        );
        assert_eq!(
            place(&[hot], &[NAS]),
            ["hot:  | no filesystem matches its paths and devices"]
        );
    }
}

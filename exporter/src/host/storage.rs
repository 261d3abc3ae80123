//! The host's storage as one pass sees it: the mount table, who belongs to which tier, and how full
//! each filesystem is.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use tidegauge_model::metric::Labels;
use tidegauge_model::mount::{Mount, MountTable, displayable};
use tidegauge_model::placement::Placement;
use tidegauge_model::reading::{Reading, Why};
use tidegauge_model::tier::Tier;

use super::ReadError;
use super::blocks::{BlockCache, Blocks};
use crate::device::block::BlockSource;
use crate::device::mountinfo::MountInfo;
use crate::device::probe::{Ask, MountKey, Prober, Shown, Timing};
use crate::device::statfs::Space;
use crate::settings::Settings;

/// A mount that is shown.
#[derive(Clone, Debug)]
pub struct ShownMount {
    /// What it is known by.
    pub key: MountKey,
    /// Where it is mounted, as the host sees it.
    pub mountpoint: PathBuf,
    /// Its source as text.
    pub device: String,
    /// Filesystem type.
    pub fstype: String,
    /// Index of its tier.
    pub tier: Option<usize>,
    /// Its superblock takes no writes.
    pub read_only: bool,
    /// Another of the mounts that are shown stands for its filesystem.
    pub duplicate: bool,
    /// `tier`, `mountpoint`, `device`, `fstype`.
    pub labels: Labels,
    /// These and how it is mounted.
    pub info_labels: Labels,
}

/// The mounts and their tiers, as long as the mount table stays the same.
#[derive(Debug)]
pub struct MountLayout {
    /// The table.
    pub table: Arc<MountTable>,
    /// Who belongs where.
    pub placement: Placement,
    /// What is shown, in the kernel's order.
    pub mounts: Vec<ShownMount>,
    /// Paths of tiers that only lie inside a filesystem, with the tier's index: they must exist.
    pub inside: Vec<(usize, MountKey, String)>,
    by_path: FxHashMap<PathBuf, usize>,
}

/// How full the filesystems are.
#[derive(Debug)]
pub struct Filesystems {
    /// What was read.
    pub layout: Arc<MountLayout>,
    /// One for each of the layout's mounts.
    pub readings: Vec<Shown>,
    /// For each path of a tier inside a filesystem, whether it exists: (tier, path, answer).
    pub inside: Vec<(usize, PathBuf, Shown)>,
}

impl Filesystems {
    /// The reading at a mount point.
    pub fn at(&self, mountpoint: &Path) -> Option<&Reading<Space>> {
        self.layout
            .by_path
            .get(mountpoint)
            .map(|&i| &self.readings[i].reading)
    }
}

/// Reads the host's storage. Shared by all collectors of a pass.
pub struct Storage {
    tiers: Arc<[Tier]>,
    /// Settings of the `filesystem` collector: which mounts count.
    selection: Settings,
    rootfs: PathBuf,
    blocks: BlockSource,
    block_cache: Mutex<BlockCache>,
    mounts: Mutex<(MountInfo, Option<Arc<MountLayout>>)>,
    prober: Mutex<(Prober, Option<Arc<MountLayout>>)>,
}

impl Storage {
    /// `timing` is the default and `ask` is [`crate::device::probe::ask_kernel`], but in tests.
    pub fn new(
        tiers: Arc<[Tier]>,
        selection: Settings,
        blocks: BlockSource,
        [procfs, rootfs]: [&Path; 2],
        timing: Timing,
        ask: Box<Ask>,
    ) -> Self {
        Self {
            tiers,
            selection,
            rootfs: rootfs.to_owned(),
            blocks,
            block_cache: Mutex::default(),
            mounts: Mutex::new((MountInfo::new(procfs), None)),
            prober: Mutex::new((Prober::new(timing, ask), None)),
        }
    }

    /// Reads the mount table. The same [`Arc`] comes back while nothing changed.
    pub fn layout(&self) -> Result<Arc<MountLayout>, ReadError> {
        let mut guard = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
        let (mountinfo, known) = &mut *guard;
        let table = mountinfo.read().map_err(ReadError::new)?;
        if let Some(layout) = known
            .as_ref()
            .filter(|layout| Arc::ptr_eq(&layout.table, &table))
        {
            return Ok(Arc::clone(layout));
        }
        let layout = Arc::new(self.lay_out(table));
        *known = Some(Arc::clone(&layout));
        Ok(layout)
    }

    /// Reads how full everything is, beginning with a layout that was just read. Bounded in time by the
    /// [`Prober`].
    pub fn filesystems(&self, mut layout: Arc<MountLayout>) -> Result<Filesystems, ReadError> {
        let mut guard = self.prober.lock().unwrap_or_else(PoisonError::into_inner);
        let (prober, known) = &mut *guard;
        // A mount that went while it was read would show the filesystem below it. Where mounts come
        // and go all the time, the last try makes sure of each that it is the one that answers.
        for _ in 0..2 {
            let (readings, inside) = ask(prober, known, &layout, false);
            if !self
                .mounts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .0
                .changed()
            {
                return Ok(Filesystems {
                    layout,
                    readings,
                    inside,
                });
            }
            layout = self.layout()?;
        }
        let (mut readings, inside) = ask(prober, known, &layout, true);
        for shown in &mut readings {
            if shown.reading == Reading::Failed(Why::OtherFilesystem) {
                (shown.reading, shown.device_error) = (Reading::Absent, false);
            }
        }
        Ok(Filesystems {
            layout,
            readings,
            inside,
        })
    }

    /// Block devices and the tiers that they serve, some seconds old at most.
    pub fn blocks(&self, layout: &Arc<MountLayout>) -> Arc<Blocks> {
        self.block_cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read(&self.blocks, layout, &self.tiers)
    }

    fn counts(&self, mount: &Mount) -> bool {
        mount.class().is_storage()
            && self
                .selection
                .selects("fs_types_include", "fs_types_exclude", &mount.fstype)
            && self.selection.selects(
                "mount_points_include",
                "mount_points_exclude",
                &mount.mountpoint.to_string_lossy(),
            )
    }

    fn lay_out(&self, table: Arc<MountTable>) -> MountLayout {
        let placement = Placement::new(&self.tiers, &table, |mount| self.counts(mount));
        let mut labels_seen = FxHashSet::default();
        let (mut mounts, mut ranks) = (Vec::new(), Vec::new());
        for mount in table.visible() {
            let tier = placement.tier_of(mount.dev);
            if !(self.counts(mount) || self.is_named(mount)) {
                continue;
            }
            let shown = self.shown(mount, tier);
            // Names that are no text are shown escaped; should two become the same, Prometheus would
            // refuse the whole scrape.
            if labels_seen.insert(shown.labels.clone()) {
                mounts.push(shown);
                ranks.push((!self.is_named(mount), mount.root != Path::new("/")));
            } else {
                tracing::warn!(mountpoint = %displayable(mount.mountpoint.as_os_str()), "two mounts have the same name in text; the second is not shown");
            }
        }
        mark_duplicates(&mut mounts, &ranks);
        let inside = placement
            .tiers
            .iter()
            .enumerate()
            .flat_map(|(index, tier)| {
                tier.inside.iter().filter_map({
                    let table = &table;
                    move |path| {
                        let holder = table.holding(path)?;
                        let key = MountKey {
                            id: holder.id,
                            dev: holder.dev,
                            path: super::rooted(&self.rootfs, path),
                        };
                        Some((index, key, holder.fstype.clone()))
                    }
                })
            });
        let inside = inside.collect();
        let by_path = mounts
            .iter()
            .enumerate()
            .map(|(i, m)| (m.mountpoint.clone(), i))
            .collect();
        MountLayout {
            placement,
            mounts,
            inside,
            by_path,
            table,
        }
    }

    fn is_named(&self, mount: &Mount) -> bool {
        mount.fstype != "autofs"
            && self
                .tiers
                .iter()
                .any(|tier| tier.paths.contains(&mount.mountpoint))
    }

    fn shown(&self, mount: &Mount, tier: Option<usize>) -> ShownMount {
        let device = self.device_name(mount);
        let mountpoint = displayable(mount.mountpoint.as_os_str());
        let labels = Labels::new(&[
            ("tier", tier.map_or("", |i| &self.tiers[i].name)),
            ("mountpoint", &mountpoint),
            ("device", &device),
            ("fstype", &mount.fstype),
        ]);
        let info_labels = labels
            .with("major", &mount.dev.major.to_string())
            .with("minor", &mount.dev.minor.to_string())
            .with("root", &displayable(mount.root.as_os_str()))
            .with("options", &all_options(mount));
        ShownMount {
            key: MountKey {
                id: mount.id,
                dev: mount.dev,
                path: super::rooted(&self.rootfs, &mount.mountpoint),
            },
            mountpoint: mount.mountpoint.clone(),
            device: device.into_owned(),
            fstype: mount.fstype.clone(),
            tier,
            read_only: mount.is_read_only(),
            duplicate: false,
            labels,
            info_labels,
        }
    }

    /// The mount's source; `/dev/root`, which is no device node, as the device that it stands for.
    fn device_name<'a>(&self, mount: &'a Mount) -> Cow<'a, str> {
        if mount.source == Path::new("/dev/root")
            && let Some(name) = self.blocks.name_of(mount.dev)
        {
            return Cow::Owned(format!("/dev/{name}"));
        }
        displayable(mount.source.as_os_str())
    }
}

/// Of the mounts of one filesystem one stands for it: one that a tier names, then one that shows all of it, then
/// the one with the shortest mount point, then the first by name, so that it is the same one whatever order they
/// came in. `ranks` has of each mount what speaks against it: that no tier names it, that it shows only a part.
fn mark_duplicates(mounts: &mut [ShownMount], ranks: &[(bool, bool)]) {
    let mut order: Vec<usize> = (0..mounts.len()).collect();
    order.sort_by_key(|&i| {
        let path = mounts[i].mountpoint.as_os_str();
        (ranks[i], path.len(), path)
    });
    let mut seen = FxHashSet::default();
    for index in order {
        mounts[index].duplicate = !seen.insert(mounts[index].key.dev);
    }
}

fn ask(
    prober: &mut Prober,
    known: &mut Option<Arc<MountLayout>>,
    layout: &Arc<MountLayout>,
    verify: bool,
) -> (Vec<Shown>, Vec<(usize, PathBuf, Shown)>) {
    if !known
        .as_ref()
        .is_some_and(|known| Arc::ptr_eq(known, layout))
    {
        let mounts = layout
            .mounts
            .iter()
            .map(|m| (m.key.clone(), m.fstype.clone()));
        let inside = layout
            .inside
            .iter()
            .map(|(_, key, fstype)| (key.clone(), fstype.clone()));
        prober.set_targets(mounts.chain(inside));
        *known = Some(Arc::clone(layout));
    }
    let mut readings = prober.read(verify);
    let of_inside = readings.split_off(layout.mounts.len());
    let inside = layout
        .inside
        .iter()
        .zip(of_inside)
        .map(|((tier, key, _), shown)| (*tier, key.path.clone(), shown))
        .collect();
    (readings, inside)
}

/// Options of the mount, then those of the superblock that it does not repeat.
fn all_options(mount: &Mount) -> String {
    let mut options: Vec<&str> = mount.options.split(',').collect();
    for option in mount.super_options.split(',') {
        if !options.contains(&option) {
            options.push(option);
        }
    }
    options.join(",")
}

#[cfg(test)]
mod tests {
    use tidegauge_model::mount::DeviceNumber;

    use super::*;

    fn mount(minor: u32, path: &str) -> ShownMount {
        let dev = DeviceNumber { major: 8, minor };
        let path = PathBuf::from(path);
        ShownMount {
            key: MountKey {
                id: 1,
                dev,
                path: path.clone(),
            },
            mountpoint: path,
            device: String::new(),
            fstype: String::new(),
            tier: None,
            read_only: false,
            duplicate: false,
            labels: Labels::none(),
            info_labels: Labels::none(),
        }
    }

    #[test]
    fn one_mount_stands_for_each_filesystem_whatever_the_order() {
        let one = [
            (mount(1, "/data/warm"), (false, true)),
            (mount(1, "/top"), (true, false)),
            (mount(1, "/a"), (true, true)),
            (mount(2, "/srv/b"), (true, false)),
            (mount(2, "/srv/a"), (true, false)),
            (mount(3, "/x"), (true, true)),
        ];
        let stands = |order: &[usize]| {
            let (mut mounts, ranks): (Vec<_>, Vec<_>) =
                order.iter().map(|&i| one[i].clone()).unzip();
            mark_duplicates(&mut mounts, &ranks);
            let mut paths: Vec<_> = mounts
                .into_iter()
                .filter(|m| !m.duplicate)
                .map(|m| m.mountpoint)
                .collect();
            paths.sort();
            paths
        };
        let expected = ["/data/warm", "/srv/a", "/x"].map(PathBuf::from);
        assert_eq!(stands(&[0, 1, 2, 3, 4, 5]), expected);
        assert_eq!(stands(&[5, 4, 3, 2, 1, 0]), expected);
        assert_eq!(stands(&[2, 4, 0, 5, 1, 3]), expected);
    }
}

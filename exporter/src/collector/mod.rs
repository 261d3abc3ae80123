//! What turns readings of devices into metric families: one file for each subject.
//!
//! A new collector is a file with a [`CollectorSpec`] and a line in [`COLLECTORS`].

pub mod btrfs;
pub mod directory;
pub mod disk;
pub mod dm;
pub mod filesystem;
pub mod hazard;
pub mod lvm;
pub mod md;
pub mod nfs;
pub mod nfs_server;
pub mod nvme;
pub mod pressure;
pub mod readings;
pub mod setting;
pub mod smart;
pub mod table;
pub mod tier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegauge_model::metric::{Family, FamilySpec};
use tidegauge_model::tier::Tier;

use self::directory::Watchers;
use self::disk::Histories;
use self::nvme::Drives;
use self::readings::Readings;
use crate::device;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, Settings};

/// Every collector, in the order of their names.
pub static COLLECTORS: &[&CollectorSpec] = &[
    &btrfs::SPEC,
    &btrfs::volume::SPEC,
    &directory::SPEC,
    &disk::SPEC,
    &dm::SPEC,
    &filesystem::SPEC,
    &hazard::SPEC,
    &lvm::SPEC,
    &md::SPEC,
    &nfs::SPEC,
    &nfs_server::SPEC,
    &nvme::SPEC,
    &pressure::SPEC,
    &setting::SPEC,
    &smart::SPEC,
    &tier::SPEC,
];

/// A collector as it is listed.
#[derive(Debug)]
pub struct CollectorSpec {
    /// As in `--collector.<name>` and `collect[]`.
    pub name: &'static str,
    /// What it reads, in a sentence.
    pub help: &'static str,
    /// Where it reads.
    pub source: &'static str,
    /// Whether it runs unless told otherwise.
    pub default_enabled: bool,
    /// When it reads.
    pub schedule: Schedule,
    /// What can be set, besides `enabled`.
    pub settings: &'static [Setting],
    /// What it can use beyond the rights of an ordinary user; without it does less.
    pub rights: &'static [Need],
    /// What it may produce.
    pub families: &'static [&'static FamilySpec],
    /// Makes one.
    pub build: fn(&Context, &Settings) -> Box<dyn Collector>,
}

impl CollectorSpec {
    /// The rights that it can use with these settings and tiers.
    pub fn rights_with(&self, settings: &Settings, tiers: &[Tier]) -> Vec<Right> {
        let of_use = |need: &&Need| need.is_of_use(settings, tiers);
        self.rights
            .iter()
            .filter(of_use)
            .map(|need| need.right)
            .collect()
    }
}

/// When a collector reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Cheap: at every scrape.
    AtScrape,
    /// Expensive: on a timer of its own, whose length is the setting `interval`.
    Interval,
    /// At the scrape it tells what threads of its own found, which read each `interval`.
    OwnTimers,
}

/// Where the host's files are and what its tiers are.
#[derive(Clone)]
pub struct Context {
    /// `/proc`.
    pub procfs: PathBuf,
    /// `/sys`.
    pub sysfs: PathBuf,
    /// `/run/udev/data`.
    pub udev: PathBuf,
    /// `/`, or where the host's root is mounted.
    pub rootfs: PathBuf,
    /// The tiers, hottest first.
    pub tiers: Arc<[Tier]>,
    /// What collectors keep over a change of the configuration.
    pub memory: Memory,
    /// How devices are asked.
    pub access: Access,
}

/// How devices are asked that no file of `/proc` or `/sys` stands for: by the kernel, or by recordings in tests.
#[derive(Clone)]
pub struct Access {
    /// btrfs filesystems, by their mount points.
    pub btrfs: Arc<dyn device::btrfs::ask::Ask>,
    /// Device mapper.
    pub dm: device::dm::Control,
    /// Superblocks and mount points.
    pub hazard: hazard::Looks,
    /// NFS servers.
    pub nfs: device::nfs_probe::Asker,
    /// NVMe controllers.
    pub nvme: Arc<dyn device::nvme::Ask>,
}

impl Default for Access {
    /// The kernel.
    fn default() -> Self {
        Self {
            btrfs: Arc::new(device::btrfs::ask::Kernel),
            dm: device::dm::Control::default(),
            hazard: hazard::Looks::default(),
            nfs: device::nfs_probe::Asker::default(),
            nvme: Arc::new(device::nvme::Nodes),
        }
    }
}

/// What must not be lost, or done twice, when the configuration is read again.
#[derive(Clone)]
pub struct Memory {
    /// The directories that are watched.
    pub watchers: Arc<Watchers>,
    /// Counters of disks, extended over wraps.
    pub disks: Arc<Histories>,
    /// What came of asking each device.
    pub readings: Arc<Readings>,
    /// What each NVMe drive does not have.
    pub nvme: Arc<Drives>,
    /// When each device was last seen to discard.
    pub discards: Arc<setting::Discards>,
}

impl Memory {
    /// Nothing yet.
    pub fn new(procfs: &Path) -> Self {
        Self {
            watchers: Arc::new(Watchers::with_pressure(procfs)),
            disks: Arc::default(),
            readings: Arc::default(),
            nvme: Arc::default(),
            discards: Arc::default(),
        }
    }
}

impl Context {
    /// Where the host's `path` is found from here.
    pub fn rooted(&self, path: &Path) -> PathBuf {
        crate::host::rooted(&self.rootfs, path)
    }
}

/// Reads one subject.
pub trait Collector: Send {
    /// Reads now. Nothing there is not a failure: it is no families. After an error none of its
    /// families are shown.
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError>;
}

#[cfg(test)]
mod tests {
    use tidegauge_model::expect::Expect;
    use tidegauge_model::tier::{Budget, Thresholds};
    use tidegauge_model::units::Bytes;

    use super::*;

    #[test]
    fn names_are_sorted_and_families_belong_to_one_collector() {
        let names: Vec<_> = COLLECTORS.iter().map(|c| c.name).collect();
        assert!(names.is_sorted());
        let mut families: Vec<_> = COLLECTORS
            .iter()
            .flat_map(|c| c.families)
            .map(|f| f.name)
            .collect();
        let all = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!(families.len(), all);
    }

    #[test]
    fn a_right_for_budgets_is_kept_only_with_budgets() {
        let mut tier = Tier {
            name: "hot".into(),
            paths: Vec::new(),
            devices: Vec::new(),
            thresholds: Thresholds::default(),
            require_mount: false,
            directories: Vec::new(),
            expect: Expect::default(),
        };
        let settings = Settings::defaults(directory::SPEC.settings);
        let rights =
            |tier: &Tier| directory::SPEC.rights_with(&settings, std::slice::from_ref(tier));
        assert_eq!(rights(&tier), [Right::ReadSearch]);
        tier.directories.push(Budget {
            path: "/data".into(),
            budget: Bytes(1),
            ages: Vec::new(),
        });
        assert_eq!(rights(&tier), [Right::ReadSearch, Right::SysAdmin]);
    }

    #[test]
    fn defaults_of_settings_are_valid() {
        for collector in COLLECTORS {
            for setting in collector.settings {
                Settings::default().set(setting, setting.default).unwrap();
            }
            let timed = collector.settings.iter().any(|s| s.key == "interval");
            assert_eq!(
                timed,
                collector.schedule != Schedule::AtScrape,
                "{}",
                collector.name
            );
        }
    }
}

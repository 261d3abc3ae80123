//! Who the disks are, which tier each serves, and their labels: kept between scrapes, because asking
//! sysfs for all of it each time would cost more than the rest of the scrape.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tidegauge_model::metric::Labels;
use tidegauge_model::mount::DeviceNumber;
use tidegauge_model::tier::Tier;

use super::histories::Histories;
use crate::device::block::{BlockDevice, BlockSource};
use crate::device::diskstats::{Counters, DiskStats};
use crate::host::blocks::tiers_of;
use crate::host::storage::MountLayout;

/// The scheduler of each disk, and whether it was replaced, are looked up this often …
const REFRESH: Duration = Duration::from_secs(60);
/// … but never for more disks than this in one scrape.
const REFRESH_AT_ONCE: usize = 64;

/// A disk, partition or mapped device.
pub struct Known {
    dev: DeviceNumber,
    device: BlockDevice,
    tier: Option<usize>,
    refreshed: Instant,
    seen: u64,
    /// `tier`, `device`.
    pub labels: Labels,
    /// These and who it is.
    pub info_labels: Labels,
}

/// All disks of the host.
pub struct Devices {
    source: BlockSource,
    tiers: Arc<[Tier]>,
    histories: Arc<Histories>,
    known: FxHashMap<String, Known>,
    /// The layout by which the tiers were worked out.
    layout: Option<Arc<MountLayout>>,
    pass: u64,
}

impl Devices {
    /// None known yet.
    pub fn new(source: BlockSource, tiers: Arc<[Tier]>, histories: Arc<Histories>) -> Self {
        Self {
            source,
            tiers,
            histories,
            known: FxHashMap::default(),
            layout: None,
            pass: 0,
        }
    }

    /// Takes a whole reading of diskstats; afterwards every disk in it is known, and no other.
    pub fn update(&mut self, stats: &[DiskStats<'_>], layout: &Arc<MountLayout>, now: Instant) {
        self.pass += 1;
        let mut changed = !self.layout.as_ref().is_some_and(|l| Arc::ptr_eq(l, layout));
        for disk in stats {
            match self
                .known
                .get_mut(disk.name)
                .filter(|known| known.dev == disk.dev)
            {
                Some(known) => known.seen = self.pass,
                None => {
                    let known = self.meet(disk, now);
                    self.known.insert(disk.name.to_owned(), known);
                    changed = true;
                }
            }
        }
        let before = self.known.len();
        self.known.retain(|_, known| known.seen == self.pass);
        changed |= self.known.len() < before;
        changed |= self.refresh(now);
        if changed {
            self.histories.keep(|name| self.known.contains_key(name));
            self.assign_tiers(layout);
            self.layout = Some(Arc::clone(layout));
        }
    }

    /// The disk of this name and its counters to show.
    pub fn follow(&self, name: &str, raw: &Counters) -> Option<(&Known, Counters)> {
        let known = self.known.get(name)?;
        Some((known, self.histories.follow(name, known.dev, raw)))
    }

    fn meet(&self, disk: &DiskStats<'_>, now: Instant) -> Known {
        let device = self.source.read(disk.name, disk.dev);
        let labels = Labels::none();
        Known {
            dev: disk.dev,
            tier: None,
            refreshed: now,
            seen: self.pass,
            info_labels: labels.clone(),
            labels,
            device,
        }
    }

    /// Looks again at what may have changed; whether anything had.
    fn refresh(&mut self, now: Instant) -> bool {
        let mut due: Vec<(&String, &mut Known)> = self
            .known
            .iter_mut()
            .filter(|(_, known)| now.saturating_duration_since(known.refreshed) >= REFRESH)
            .collect();
        due.sort_by_key(|(_, known)| known.refreshed);
        let mut changed = false;
        for (name, known) in due.into_iter().take(REFRESH_AT_ONCE) {
            known.refreshed = now;
            let device = &known.device;
            let current = self.source.volatile(device);
            let before = (&device.diskseq, &device.scheduler, &device.slaves);
            if (&current.0, &current.1, &current.2) != before {
                known.device = self.source.read(name, known.dev);
                known.labels = Labels::none();
                changed = true;
            }
        }
        changed
    }

    fn assign_tiers(&mut self, layout: &MountLayout) {
        let devices = self.known.values().map(|known| (known.dev, &known.device));
        let found = tiers_of(devices, &self.source, layout, &self.tiers);
        let found: FxHashMap<String, usize> = found
            .into_iter()
            .map(|(name, tier)| (name.to_owned(), tier))
            .collect();
        for (name, known) in &mut self.known {
            let tier = found.get(name).copied();
            if known.labels.rendered().is_empty() || known.tier != tier {
                known.tier = tier;
                let tier = tier.map_or("", |i| &self.tiers[i].name);
                known.labels = Labels::new(&[("tier", tier), ("device", name)]);
                known.info_labels = info_labels(&known.labels, known.dev, &known.device);
            }
        }
    }
}

fn info_labels(labels: &Labels, dev: DeviceNumber, device: &BlockDevice) -> Labels {
    let flag = |value: Option<bool>| value.map_or("", |v| if v { "1" } else { "0" });
    let mut all = labels.clone();
    for (name, value) in [
        ("major", dev.major.to_string().as_str()),
        ("minor", &dev.minor.to_string()),
        ("parent", &device.parent),
        ("dm_name", &device.dm_name),
        ("model", &device.model),
        ("serial", &device.serial),
        ("wwn", &device.wwn),
        ("transport", &device.transport),
        ("rotational", flag(device.rotational)),
        ("discard", flag(device.discard)),
        ("scheduler", &device.scheduler),
    ] {
        all = all.with(name, value);
    }
    all
}

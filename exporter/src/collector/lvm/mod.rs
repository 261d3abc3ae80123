//! What only LVM knows: volume groups with their free space and missing disks, physical volumes, logical
//! volumes with their origins and ages. How full a snapshot or a pool is, is in the collector `dm`.
//!
//! One `lvm fullreport --readonly` tells all of it. It takes no locks: an LVM command that holds one delays
//! nothing here, nor is it delayed. LVM writes its metadata so that a reader without locks sees the old or the
//! new state, by their checksums.

mod asking;
mod families;
mod groups;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{Family, Labels};

use self::asking::Program;
use super::readings::{ReadingFamilies, Readings, Trouble, reading_families};
use super::table::{join, specs};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::block::BlockSource;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

/// The reading that stands for the report as a whole.
const WHOLE: &str = "report";

static READINGS: ReadingFamilies = reading_families!("lvm", "vg");

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "lvm",
    help: "LVM: space of volume groups, missing disks, logical volumes with their origins and ages",
    source: "lvm fullreport",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[
        Setting {
            key: "interval",
            help: "how often LVM is asked",
            kind: SettingKind::Duration,
            default: "1m",
        },
        Setting {
            key: "timeout",
            help: "how long it may take",
            kind: SettingKind::Duration,
            default: "30s",
        },
        Setting {
            key: "command",
            help: "LVM's program; empty: `lvm` where programs are",
            kind: SettingKind::Path,
            default: "",
        },
    ],
    rights: &[
        Need::new(
            Right::Owner,
            "to let lvm open disks that are not its user's (with CAP_DAC_READ_SEARCH; root needs neither)",
        ),
        Need::new(
            Right::SysAdmin,
            "to let lvm, as root, look at disks that are mapped devices (encrypted, multipath)",
        ),
    ],
    families: &join::<27>(&[
        &[&families::VG_INFO],
        &specs(&families::VG),
        &[&families::PV_INFO],
        &specs(&families::PV),
        &[&families::LV_INFO],
        &specs(&families::LV),
        &[&READINGS.state, &READINGS.last, &READINGS.failures],
    ]),
    build,
};

struct Lvm {
    program: Program,
    readings: Arc<Readings>,
    source: BlockSource,
    /// The groups of the last report, by identifier.
    known: BTreeMap<String, Labels>,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    let limit = settings.duration("timeout");
    Box::new(Lvm {
        program: Program::new(
            settings.path("command").map(Path::to_owned),
            limit.unwrap_or(Duration::from_secs(30)),
        ),
        readings: Arc::clone(&context.memory.readings),
        source: BlockSource {
            sysfs: context.sysfs.clone(),
            udev: context.udev.clone(),
        },
        known: BTreeMap::new(),
    })
}

impl Collector for Lvm {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let blocks = pass.blocks()?;
        let readings = Arc::clone(&self.readings);
        let mut round = readings.round(&READINGS, SystemTime::now());
        let members = groups::members(&blocks);
        let active = groups::active(&blocks);
        let mut families = Vec::new();
        if !members.is_empty() || !active.is_empty() {
            let report = self.program.report(&members);
            let whole = Labels::new(&[("tier", ""), ("vg", "")]);
            let result = report.as_ref().map(|_| ()).map_err(Trouble::clone);
            round.tell(WHOLE, &whole, result);
            match report {
                Ok((groups, unsaid)) => {
                    let node = |pv: &str| self.source.name_of_node(Path::new(pv));
                    let shown = families::show(&groups, &blocks, node);
                    for group in &shown.groups {
                        round.tell(&group.key, &group.labels, Ok(()));
                    }
                    let mut known: BTreeMap<_, _> = shown
                        .groups
                        .iter()
                        .map(|group| (group.key.clone(), group.labels.clone()))
                        .collect();
                    // When LVM met an error, a group that it does not tell of is not gone.
                    if let Some(trouble) = unsaid {
                        for (key, labels) in &self.known {
                            if !known.contains_key(key) {
                                round.tell(key, labels, Err(trouble.clone()));
                                known.insert(key.clone(), labels.clone());
                            }
                        }
                    }
                    self.known = known;
                    families = families::families(&shown);
                }
                Err(trouble) => {
                    let mut all = self.known.clone();
                    for (key, labels) in active {
                        all.entry(key).or_insert(labels);
                    }
                    for (key, labels) in &all {
                        round.tell(key, labels, Err(trouble.clone()));
                    }
                }
            }
        }
        families.extend(round.finish());
        families.retain(|family| !family.samples.is_empty());
        Ok(families)
    }
}

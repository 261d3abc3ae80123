//! Every device of device mapper: which logical volume it is, whether it works, and how full snapshots, pools
//! and caches are. What LVM alone knows (the free space of a group) is in the collector `lvm`.
//!
//! The map and whether a device is suspended come from sysfs and udev, which anybody may read. The rest is
//! asked of each device on a thread of its own: a pool answers only when its metadata do.

mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::mount::DeviceNumber;

use super::readings::{ReadingFamilies, Readings, State, Trouble, reading_families};
use super::table::join;
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::block::BlockDevice;
use crate::device::dm::status::Status;
use crate::device::dm::{Ask, Control, DeviceStatus, DmError, status};
use crate::device::isolate::{Answer, Isolated, Question};
use crate::device::kernel_file::attribute;
use crate::host::ReadError;
use crate::host::blocks::Blocks;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

/// The labels of all but the map: names that stay the same over a restart of the host.
const LABELS: &[&str] = &["tier", "dm_name", "vg", "lv"];
/// A device that does not answer in this time is late; what it says later is not waited for.
const LIMIT: Duration = Duration::from_secs(2);
/// Devices asked at a time.
const PARALLEL: usize = 8;

static READINGS: ReadingFamilies = reading_families!("dm", "dm_name");

static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_dm_info",
    "Which logical volume a mapped device is; layer: which hidden part of it.",
    &["tier", "device", "dm_name", "vg", "lv", "layer", "uuid"],
)
.from("/sys/block/dm-*, udev")
.with_rights("none");
static SUSPENDED: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_suspended",
    "Whether the device is suspended: whoever reads or writes it waits.",
    LABELS,
)
.from("/sys/block/dm-*")
.with_rights("none");
static OPENERS: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_openers",
    "How many hold the device open: mounts, programs, devices above it.",
    LABELS,
);
static READ_ONLY: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_read_only",
    "Whether the device may only be read.",
    LABELS,
);
static TARGETS: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_targets",
    "The pieces that the device is made of, by driver (linear, snapshot, crypt…).",
    &["tier", "dm_name", "vg", "lv", "target"],
);
static FAILED: FamilySpec = FamilySpec::gauge(
    "tidegauge_dm_failed",
    "Whether a piece of the device fails all I/O: an invalid snapshot, a failed pool or cache, a missing part.",
    LABELS,
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "dm",
    help: "device mapper: which logical volume a device is, fill and state of snapshots, thin pools, caches, RAID",
    source: "DM_TABLE_STATUS",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[
        Setting {
            key: "interval",
            help: "how often",
            kind: SettingKind::Duration,
            default: "15s",
        },
        Setting {
            key: "name_include",
            help: "only devices whose name in /dev/mapper matches",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "name_exclude",
            help: "no devices whose name in /dev/mapper matches",
            kind: SettingKind::Pattern,
            default: "",
        },
    ],
    rights: &[Need::new(
        Right::SysAdmin,
        "to ask device mapper how full snapshots, thin pools and caches are",
    )],
    families: &join::<53>(&[
        &[&INFO, &SUSPENDED, &OPENERS, &READ_ONLY, &TARGETS, &FAILED],
        &targets::FAMILIES,
        &[&READINGS.state, &READINGS.last, &READINGS.failures],
    ]),
    build,
};

struct DeviceMapper {
    sysfs: PathBuf,
    control: Control,
    settings: Settings,
    readings: Arc<Readings>,
    isolated: Isolated<DeviceNumber>,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    Box::new(DeviceMapper {
        sysfs: context.sysfs.clone(),
        control: context.access.dm.clone(),
        settings: settings.clone(),
        readings: Arc::clone(&context.memory.readings),
        isolated: Isolated::default(),
    })
}

/// A device as it is labelled.
struct Mapped {
    labels: Labels,
    of_reading: Labels,
    info: Labels,
    suspended: bool,
    /// Its name is text, which the kernel's answer can be compared with.
    is_named: bool,
}

impl Collector for DeviceMapper {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let blocks = pass.blocks()?;
        let mapped = self.map(&blocks);
        let questions = mapped
            .values()
            .map(|(dev, _)| (*dev, question(&self.control, *dev)))
            .collect();
        let answers: BTreeMap<_, _> = self
            .isolated
            .ask(questions, LIMIT, PARALLEL)
            .into_iter()
            .map(|(dev, answer)| ((dev.major, dev.minor), answer))
            .collect();

        let mut round = self
            .readings
            .round(&READINGS, SystemTime::now())
            .forget_the_gone();
        let mut common =
            [&INFO, &SUSPENDED, &OPENERS, &READ_ONLY, &TARGETS, &FAILED].map(Family::new);
        let mut told: Vec<(Labels, Vec<Status>)> = Vec::new();
        for (name, (dev, device)) in &mapped {
            let found = match answers.get(&(dev.major, dev.minor)) {
                // Another device has its number by now.
                Some(Answer::Answered(Ok(status))) if device.is_named && status.name != *name => {
                    continue;
                }
                Some(Answer::Answered(Ok(status))) => Ok(status),
                Some(Answer::Answered(Err(DmError::Kernel(Errno::NXIO)))) => continue,
                Some(Answer::Answered(Err(error))) => Err(trouble(error)),
                Some(Answer::Late(since)) => Err(Trouble::new(
                    State::Late,
                    format!(
                        "no answer for {since:?}; does `dmsetup status --noflush {name}` hang?"
                    ),
                )),
                Some(Answer::Lost(reason)) => Err(Trouble::new(State::Failed, reason)),
                None => continue,
            };
            let [info, suspended, openers, read_only, targets, failed] = &mut common;
            info.push(&device.info, true);
            suspended.push(&device.labels, device.suspended);
            let result = found.and_then(|found| {
                openers.push(&device.labels, found.openers);
                read_only.push(&device.labels, found.read_only);
                for (kind, count) in kinds(found) {
                    targets.push(&device.labels.with("target", kind), count);
                }
                let (known, unknown) = statuses(found);
                failed.push(&device.labels, known.iter().any(targets::has_failed));
                told.push((device.labels.clone(), known));
                unknown.map_or(Ok(()), |(kind, status)| {
                    Err(Trouble::new(
                        State::Failed,
                        format!("target {kind} says `{status}`, which is not understood; please report it with the kernel's version"),
                    ))
                })
            });
            round.tell(name, &device.of_reading, result);
        }
        let mut families = Vec::from(common);
        families.extend(targets::families(&told));
        families.extend(round.finish());
        families.retain(|family| !family.samples.is_empty());
        Ok(families)
    }
}

impl DeviceMapper {
    /// The devices that there are, by name. One that went since the list was made is left out.
    fn map(&self, blocks: &Blocks) -> BTreeMap<String, (DeviceNumber, Mapped)> {
        let mut all = BTreeMap::new();
        for (dev, device) in blocks.iter().filter(|(_, d)| d.transport == "dm") {
            let folder = self.sysfs.join("class/block").join(&device.name).join("dm");
            let Some(suspended) = attribute(&folder.join("suspended")) else {
                continue;
            };
            // A name that is not text.
            let name = if device.dm_name.is_empty() {
                &device.name
            } else {
                &device.dm_name
            };
            if self.settings.selects("name_include", "name_exclude", name) {
                let mapped = labelled(device, name, blocks.tier(&device.name), suspended != "0");
                all.insert(name.clone(), (dev, mapped));
            }
        }
        all
    }
}

fn labelled(device: &BlockDevice, name: &str, tier: &str, suspended: bool) -> Mapped {
    let volume = device.volume.clone().unwrap_or_default();
    let named = [("dm_name", name), ("vg", &volume.vg), ("lv", &volume.lv)];
    let more = [("layer", volume.layer.as_str()), ("uuid", &device.dm_uuid)];
    Mapped {
        labels: Labels::new(&[&[("tier", tier)], named.as_slice()].concat()),
        of_reading: Labels::new(&[("tier", tier), ("dm_name", name)]),
        info: Labels::new(
            &[
                [("tier", tier), ("device", &device.name)].as_slice(),
                &named,
                &more,
            ]
            .concat(),
        ),
        suspended,
        is_named: !device.dm_name.is_empty(),
    }
}

fn question(control: &Control, dev: DeviceNumber) -> Question<Result<DeviceStatus, DmError>> {
    let ask: Arc<dyn Ask> = Arc::clone(&control.0);
    Box::new(move || ask.table_status(dev))
}

fn trouble(error: &DmError) -> Trouble {
    let state = match error {
        DmError::Kernel(Errno::ACCESS | Errno::PERM) => State::Denied,
        DmError::Control(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound
            ) =>
        {
            State::Denied
        }
        _ => State::Failed,
    };
    Trouble::new(state, error)
}

fn kinds(found: &DeviceStatus) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for target in &found.targets {
        *kinds.entry(target.kind.as_str()).or_default() += 1;
    }
    kinds
}

/// What the targets tell, one of each kind, and the first that is not understood.
fn statuses(found: &DeviceStatus) -> (Vec<Status>, Option<(&str, &str)>) {
    let (mut known, mut unknown): (Vec<Status>, _) = (Vec::new(), None);
    let mut seen = BTreeSet::new();
    for target in &found.targets {
        match status::parse(&target.kind, &target.status) {
            // A mirror or RAID that has grown is several, one after the other.
            Some(Status::Raid(raid)) => {
                let first = known.iter_mut().find_map(|status| match status {
                    Status::Raid(first) => Some(first),
                    _ => None,
                });
                match first {
                    Some(first) => first.join(raid),
                    None => known.push(Status::Raid(raid)),
                }
            }
            Some(Status::Other { failed: true }) => known.push(Status::Other { failed: true }),
            // Of the others no volume manager makes two in one device.
            Some(status) if seen.insert(target.kind.as_str()) => known.push(status),
            Some(_) => {}
            None => {
                unknown.get_or_insert((target.kind.as_str(), target.status.as_str()));
            }
        }
    }
    (known, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::dm::Target;

    fn device(targets: &[(&str, &str)]) -> DeviceStatus {
        DeviceStatus {
            name: "a".into(),
            openers: 0,
            suspended: false,
            read_only: false,
            targets: targets
                .iter()
                .map(|(kind, status)| Target {
                    kind: (*kind).into(),
                    sectors: 8,
                    status: (*status).into(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_mirror_in_pieces_is_one() {
        let found = device(&[
            ("mirror", "2 1:0 1:1 4/8 1 AA 1 core"),
            ("linear", ""),
            ("mirror", "2 1:0 1:1 0/8 1 AD 1 core"),
        ]);
        let (known, unknown) = statuses(&found);
        assert_eq!(unknown, None);
        let raids: Vec<_> = known
            .iter()
            .filter_map(|status| match status {
                Status::Raid(raid) => Some(raid),
                _ => None,
            })
            .collect();
        let [raid] = raids.as_slice() else {
            panic!("{raids:?}")
        };
        assert_eq!(raid.synced.map(|s| (s.used, s.total)), Some((4, 16)));
        assert!(raid.degraded());
        assert_eq!(kinds(&found), [("linear", 1), ("mirror", 2)].into());
    }

    #[test]
    fn one_target_that_is_not_understood_spoils_no_other() {
        let found = device(&[
            ("thin-pool", "later"),
            ("snapshot", "8/16 8"),
            ("error", ""),
        ]);
        let (known, unknown) = statuses(&found);
        assert_eq!(unknown, Some(("thin-pool", "later")));
        assert_eq!(known.len(), 2);
        assert!(known.iter().any(targets::has_failed));
    }

    #[test]
    fn what_an_answer_means() {
        let state = |error| trouble(&error).state;
        assert_eq!(state(DmError::Kernel(Errno::ACCESS)), State::Denied);
        let hidden = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(state(DmError::Control(hidden)), State::Denied);
        assert_eq!(state(DmError::Kernel(Errno::IO)), State::Failed);
        assert_eq!(state(DmError::Short(3)), State::Failed);
    }
}

//! From what is known of one filesystem to samples.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use tidegauge_ioctl::btrfs::{BalanceProgress, Device, ScrubProgress};
use tidegauge_model::metric::Labels;

use super::families::*;
use crate::collector::btrfs::sheet::Sheet;
use crate::device::btrfs::devices::{DeviceInfo, ERRORS};
use crate::device::btrfs::profile::Profile;
use crate::device::btrfs::qgroups::Qgroups;
use crate::device::btrfs::scrub::{DeviceScrub, ScrubState};
use crate::device::btrfs::subvolumes::Listing;
use crate::device::btrfs::sysfs::Space;

/// The labels of each device of a filesystem by its number.
pub type DeviceLabels = BTreeMap<u64, Labels>;

/// What sysfs shows of devices.
pub fn devices(sheet: &mut Sheet, labels: &DeviceLabels, devices: &[DeviceInfo]) {
    for device in devices {
        let Some(labels) = labels.get(&device.id) else {
            continue;
        };
        for ((_, kind), count) in ERRORS.iter().zip(device.errors) {
            sheet.push_known(&DEVICE_ERRORS, &labels.with("kind", kind), count);
        }
        sheet.push_known(&DEVICE_MISSING, labels, device.missing);
        sheet.push_known(&DEVICE_WRITEABLE, labels, device.writeable);
        sheet.push_known(&DEVICE_REPLACE_TARGET, labels, device.replace_target);
    }
}

/// How much of the devices is taken, and how much more each kind of block group could take.
pub fn allocation(
    sheet: &mut Sheet,
    filesystem: &Labels,
    labels: &DeviceLabels,
    (devices, infos): (&[Device], &[DeviceInfo]),
    spaces: &[Space],
) {
    let mut unallocated: Vec<u64> = Vec::with_capacity(devices.len());
    for device in devices {
        let info = infos.iter().find(|info| info.id == device.id);
        let is = |flag: fn(&DeviceInfo) -> Option<bool>| info.and_then(flag);
        let unused = device.size.saturating_sub(device.allocated);
        if let Some(labels) = labels.get(&device.id) {
            sheet.push(&DEVICE_SIZE, labels, device.size);
            sheet.push(&DEVICE_UNUSED, labels, unused);
        }
        let missing = is(|info| info.missing).unwrap_or(device.path.is_empty());
        let writeable = is(|info| info.writeable).unwrap_or(true);
        let replaces = is(|info| info.replace_target).unwrap_or(device.id == 0);
        if !missing && writeable && !replaces {
            unallocated.push(unused);
        }
    }
    let sum = unallocated
        .iter()
        .fold(0_u64, |all, one| all.saturating_add(*one));
    sheet.push(&UNALLOCATED, filesystem, sum);
    for space in spaces {
        let profiles = space.profiles.iter().map(|(name, ..)| Profile::parse(name));
        // A profile that is not known here could need anything.
        let Some(existing) = profiles.collect::<Option<Vec<_>>>() else {
            continue;
        };
        let next = Profile::next(&existing, unallocated.len());
        let labels = filesystem.with("block_group_type", &space.kind);
        sheet.push(&ALLOCATABLE, &labels, next.allocatable(&unallocated));
    }
}

/// Quota groups.
pub fn qgroups(sheet: &mut Sheet, filesystem: &Labels, groups: &Qgroups) {
    sheet.push(&QGROUP_COUNT, filesystem, groups.all as u64);
    sheet.push_known(&QGROUPS_INCONSISTENT, filesystem, groups.inconsistent);
    for group in &groups.read {
        let name = format!("{}/{}", group.id.level, group.id.number);
        let labels = filesystem.with("qgroup", &name);
        sheet.push_known(&QGROUP_REFERENCED, &labels, group.referenced);
        sheet.push_known(&QGROUP_EXCLUSIVE, &labels, group.exclusive);
        sheet.push_known(&QGROUP_MAX_REFERENCED, &labels, group.max_referenced);
        sheet.push_known(&QGROUP_MAX_EXCLUSIVE, &labels, group.max_exclusive);
    }
}

/// Subvolumes and the ages of snapshots, of at most so many subvolumes.
pub fn subvolumes(sheet: &mut Sheet, filesystem: &Labels, listing: &Listing, most: usize) {
    let complete = listing.incomplete.is_none();
    sheet.push(&LIST_COMPLETE, filesystem, complete);
    if complete {
        sheet.push(&SUBVOLUMES, filesystem, listing.subvolumes.len() as u64);
        sheet.push(&SNAPSHOTS, filesystem, listing.snapshots() as u64);
    }
    let mut seen = BTreeSet::new();
    for group in listing.ages(most) {
        // Two names that are no text may read the same.
        if !seen.insert(group.of.clone()) {
            continue;
        }
        let labels = filesystem.with("subvolume", &group.of);
        sheet.push(&OF_SOURCE, &labels, group.count as u64);
        if let Some((oldest, newest)) = group.made {
            sheet.push(&OLDEST, &labels, oldest);
            sheet.push(&NEWEST, &labels, newest);
        }
    }
}

/// The last scrub: what its tool wrote, when, and what of it runs.
pub struct Scrub<'a> {
    /// By device; `None` when the file could not be read.
    pub file: Option<&'a BTreeMap<u64, DeviceScrub>>,
    /// When the file was written.
    pub written: Option<SystemTime>,
    /// By device; `None` when the kernel could not be asked.
    pub running: Option<&'a BTreeMap<u64, ScrubProgress>>,
}

impl Scrub<'_> {
    fn state(&self, now: SystemTime) -> Option<ScrubState> {
        let runs = self.running.map(|running| !running.is_empty());
        let ago = self
            .written
            .map(|at| now.duration_since(at).unwrap_or_default());
        match self.file {
            Some(file) => Some(ScrubState::of(file, runs, ago)),
            None => (runs == Some(true)).then_some(ScrubState::Running),
        }
    }

    /// Shows it.
    pub fn show(&self, sheet: &mut Sheet, filesystem: &Labels, labels: &DeviceLabels) {
        if let Some(state) = self.state(SystemTime::now()) {
            let all = ScrubState::ALL.map(ScrubState::name);
            sheet.push_state(&SCRUB_STATE, filesystem, "state", all, state.name());
        }
        let written = self
            .written
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        for (id, labels) in labels {
            let of_file = self.file.and_then(|file| file.get(id));
            let running = self.running.and_then(|running| running.get(id));
            // What the file says of a device whose scrub just began may still be of the one before.
            let of_file = of_file.filter(|scrub| running.is_none() || !scrub.finished);
            if let Some(scrub) = of_file {
                sheet.push(&SCRUB_STARTED, labels, scrub.started);
                sheet.push(&SCRUB_DURATION, labels, scrub.duration);
                if scrub.finished && !scrub.canceled {
                    let ended = written.map_or(u64::MAX, |at| at.as_secs());
                    sheet.push(&SCRUB_FINISHED, labels, ended.min(scrub.ended()));
                }
            }
            if let Some(progress) = running.or(of_file.map(|scrub| &scrub.progress)) {
                show_progress(sheet, labels, progress);
            }
        }
    }
}

fn show_progress(sheet: &mut Sheet, labels: &Labels, progress: &ScrubProgress) {
    let scrubbed = progress
        .data_bytes_scrubbed
        .saturating_add(progress.tree_bytes_scrubbed);
    sheet.push(&SCRUBBED, labels, scrubbed);
    for (kind, count) in [
        ("read", progress.read_errors),
        ("csum", progress.csum_errors),
        ("verify", progress.verify_errors),
        ("super", progress.super_errors),
    ] {
        sheet.push(&SCRUB_ERRORS, &labels.with("kind", kind), count);
    }
    sheet.push(&SCRUB_CORRECTED, labels, progress.corrected_errors);
    sheet.push(&SCRUB_UNCORRECTABLE, labels, progress.uncorrectable_errors);
    sheet.push(&SCRUB_UNVERIFIED, labels, progress.unverified_errors);
}

/// A balance. `told` is what the kernel answered, `None` when it could not be asked; `operation` is the one in
/// force as sysfs names it.
pub fn balance(
    sheet: &mut Sheet,
    filesystem: &Labels,
    told: Option<Option<BalanceProgress>>,
    operation: Option<&str>,
) {
    let state = match (told, operation) {
        (Some(None), _) | (None, Some("none")) => "none",
        (Some(Some(BalanceProgress { is_running, .. })), _) if is_running => "running",
        (Some(Some(_)), _) | (None, Some("balance_paused")) => "paused",
        (None, Some("balance")) => "running",
        // While devices are added a paused balance does not show.
        (None, _) => return,
    };
    let states = ["none", "running", "paused"];
    sheet.push_state(&BALANCE_STATE, filesystem, "state", states, state);
    if let Some(Some(progress)) = told {
        sheet.push(&BALANCE_EXPECTED, filesystem, progress.expected);
        sheet.push(&BALANCE_CONSIDERED, filesystem, progress.considered);
        sheet.push(&BALANCE_COMPLETED, filesystem, progress.completed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegauge_model::metric::Family;

    use super::*;

    fn fs() -> Labels {
        Labels::new(&[("uuid", "U")])
    }

    fn labels(ids: &[u64]) -> DeviceLabels {
        let label = |id: &u64| (*id, Labels::new(&[("devid", &id.to_string())]));
        ids.iter().map(label).collect()
    }

    fn value(families: &[Family], name: &str, labels: &str) -> Option<f64> {
        let family = families.iter().find(|family| family.spec.name == name)?;
        let mut samples = family.samples.iter();
        let sample = samples.find(|sample| sample.labels.rendered() == labels)?;
        Some(sample.value.as_f64())
    }

    fn state(families: &[Family], name: &str) -> Option<String> {
        let family = families.iter().find(|family| family.spec.name == name)?;
        let mut holding = family.samples.iter().filter(|s| s.value.as_f64() == 1.0);
        let (_, state) = holding.next()?.labels.iter().last()?;
        assert_eq!(holding.next(), None);
        Some(state.into_owned())
    }

    const GIB: u64 = 1 << 30;

    fn device(id: u64, unused: u64, path: &str) -> Device {
        Device {
            id,
            size: 100 * GIB,
            allocated: 100 * GIB - unused,
            path: path.into(),
        }
    }

    #[test]
    fn what_cannot_be_written_is_not_to_be_allocated() {
        let devices = [
            device(0, 50 * GIB, "/dev/sdz"),
            device(1, 10 * GIB, "/dev/sda"),
            device(2, 20 * GIB, "/dev/sdb"),
            device(3, 40 * GIB, ""),
            device(4, 40 * GIB, "/dev/sdd"),
        ];
        let infos = [DeviceInfo {
            id: 4,
            writeable: Some(false),
            ..DeviceInfo::default()
        }];
        let space = |kind: &str, profiles: &[&str]| Space {
            kind: kind.to_owned(),
            profiles: profiles
                .iter()
                .map(|name| ((*name).to_owned(), None, None))
                .collect(),
            ..Space::default()
        };
        let spaces = [
            space("data", &["single"]),
            space("metadata", &["dup", "raid1"]),
            space("system", &["raid9"]),
        ];
        let mut sheet = Sheet::new(ALL);
        let of = labels(&[0, 1, 2, 3, 4]);
        allocation(&mut sheet, &fs(), &of, (&devices, &infos), &spaces);
        let found = sheet.finish();
        let value =
            |name: &str, labels: &str| value(&found, &format!("tidegauge_btrfs_{name}"), labels);
        let gib = |n: u64| Some((n * GIB) as f64);
        assert_eq!(value("unallocated_bytes", "uuid=\"U\""), gib(30));
        assert_eq!(value("device_unused_bytes", "devid=\"3\""), gib(40));
        let of = |kind: &str| {
            value(
                "allocatable_bytes",
                &format!("uuid=\"U\",block_group_type=\"{kind}\""),
            )
        };
        let mib = (1 << 20) as f64;
        assert_eq!(of("data"), gib(30).map(|all| all - 2.0 * mib));
        assert_eq!(of("metadata"), gib(10).map(|all| all - mib));
        assert_eq!(of("system"), None, "a profile that is not known");
    }

    fn scrub_of(finished: bool, canceled: bool, scrubbed: u64) -> DeviceScrub {
        DeviceScrub {
            progress: ScrubProgress {
                data_bytes_scrubbed: scrubbed,
                ..ScrubProgress::default()
            },
            started: 1000,
            duration: 500,
            finished,
            canceled,
            ..DeviceScrub::default()
        }
    }

    #[test]
    fn a_scrub_as_far_as_it_is_known() {
        let shown = |file: Option<&BTreeMap<u64, DeviceScrub>>,
                     running: Option<&BTreeMap<u64, ScrubProgress>>| {
            let written = Some(UNIX_EPOCH + Duration::from_secs(1400));
            let mut sheet = Sheet::new(ALL);
            let scrub = Scrub {
                file,
                written,
                running,
            };
            scrub.show(&mut sheet, &fs(), &labels(&[1, 2]));
            sheet.finish()
        };
        let name = |name: &str| format!("tidegauge_btrfs_scrub_{name}");
        let of = |found: &[Family], family: &str, id: u64| {
            value(found, &name(family), &format!("devid=\"{id}\""))
        };
        let nothing = BTreeMap::new();
        let file = BTreeMap::from([(1, scrub_of(true, false, 7)), (9, scrub_of(true, false, 9))]);
        let found = shown(Some(&file), Some(&nothing));
        assert_eq!(state(&found, &name("state")).as_deref(), Some("finished"));
        // The file was written earlier than start and duration say: the clock was set.
        assert_eq!(of(&found, "finished_timestamp_seconds", 1), Some(1400.0));
        assert_eq!(of(&found, "scrubbed_bytes", 1), Some(7.0));
        assert_eq!(
            of(&found, "scrubbed_bytes", 9),
            None,
            "a device that was removed"
        );
        assert_eq!(of(&found, "scrubbed_bytes", 2), None, "one that came later");

        // A new one has just begun: the file is still that of the last.
        let running = BTreeMap::from([(1, ScrubProgress::default())]);
        let found = shown(Some(&file), Some(&running));
        assert_eq!(state(&found, &name("state")).as_deref(), Some("running"));
        assert_eq!(of(&found, "scrubbed_bytes", 1), Some(0.0));
        assert_eq!(of(&found, "finished_timestamp_seconds", 1), None);

        let found = shown(Some(&BTreeMap::from([(1, scrub_of(false, true, 3))])), None);
        assert_eq!(state(&found, &name("state")).as_deref(), Some("aborted"));
        assert_eq!(of(&found, "finished_timestamp_seconds", 1), None);
        assert_eq!(of(&found, "started_timestamp_seconds", 1), Some(1000.0));

        // Without the file a scrub that runs is still seen, and else nothing is claimed.
        assert_eq!(
            state(&shown(None, Some(&running)), &name("state")).as_deref(),
            Some("running")
        );
        assert!(shown(None, Some(&nothing)).is_empty());
        assert!(shown(None, None).is_empty());
    }

    #[test]
    fn a_balance_as_far_as_it_is_known() {
        let shown = |told, operation| {
            let mut sheet = Sheet::new(ALL);
            balance(&mut sheet, &fs(), told, operation);
            state(&sheet.finish(), "tidegauge_btrfs_balance_state")
        };
        let progress = |is_running| {
            Some(Some(BalanceProgress {
                is_running,
                ..BalanceProgress::default()
            }))
        };
        for (told, operation, state) in [
            (Some(None), Some("balance"), Some("none")),
            (progress(true), Some("none"), Some("running")),
            (progress(false), Some("device_add"), Some("paused")),
            (None, Some("balance"), Some("running")),
            (None, Some("balance_paused"), Some("paused")),
            (None, Some("none"), Some("none")),
            (None, Some("device_add"), None),
            (None, None, None),
        ] {
            assert_eq!(
                shown(told, operation).as_deref(),
                state,
                "{told:?} {operation:?}"
            );
        }
    }
}

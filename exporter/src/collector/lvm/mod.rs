//! What only LVM knows: volume groups with their free space and missing disks, physical volumes, logical
//! volumes with their origins and ages. How full a snapshot or a pool is, is in the collector `dm`.
//!
//! One `lvm fullreport --readonly` tells all of it. It takes no locks: an LVM command that holds one delays
//! nothing here, nor is it delayed. LVM writes its metadata so that a reader without locks sees the old or the
//! new state, by their checksums.

mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{Family, Labels};

use self::families::Shown;
use super::readings::{ReadingFamilies, Readings, State, Trouble, reading_families};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::block::{BlockDevice, BlockSource};
use crate::device::dm::name::identifiers;
use crate::device::lvm::{self, VolumeGroup};
use crate::device::tool::{self, Call, Output, Runner, ToolError};
use crate::host::ReadError;
use crate::host::blocks::Blocks;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

/// What udev finds on a physical volume.
const MEMBER: &str = "LVM2_member";
/// A report of 20,000 logical volumes.
const MOST: usize = 16 << 20;
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
    families: &[
        &families::VG_INFO,
        &families::VG[0].0,
        &families::VG[1].0,
        &families::VG[2].0,
        &families::VG[3].0,
        &families::VG[4].0,
        &families::VG[5].0,
        &families::VG[6].0,
        &families::VG[7].0,
        &families::VG[8].0,
        &families::VG[9].0,
        &families::VG[10].0,
        &families::PV_INFO,
        &families::PV[0].0,
        &families::PV[1].0,
        &families::PV[2].0,
        &families::PV[3].0,
        &families::PV[4].0,
        &families::PV[5].0,
        &families::LV_INFO,
        &families::LV[0].0,
        &families::LV[1].0,
        &families::LV[2].0,
        &families::LV[3].0,
        &READINGS.state,
        &READINGS.last,
        &READINGS.failures,
    ],
    build,
};

struct Lvm {
    command: Option<PathBuf>,
    limit: Duration,
    runner: Runner,
    readings: Arc<Readings>,
    source: BlockSource,
    /// Older versions (before 2.03.12) cannot be told which devices to look at.
    takes_devices: bool,
    /// The groups of the last report, by identifier.
    known: BTreeMap<String, Labels>,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    Box::new(Lvm {
        command: settings.path("command").map(Path::to_owned),
        limit: settings
            .duration("timeout")
            .unwrap_or(Duration::from_secs(30)),
        runner: Runner::default(),
        readings: Arc::clone(&context.memory.readings),
        source: BlockSource {
            sysfs: context.sysfs.clone(),
            udev: context.udev.clone(),
        },
        takes_devices: true,
        known: BTreeMap::new(),
    })
}

impl Collector for Lvm {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let blocks = pass.blocks()?;
        let readings = Arc::clone(&self.readings);
        let mut round = readings.round(&READINGS, SystemTime::now());
        let members = members(&blocks);
        let active = active_groups(&blocks);
        let mut families = Vec::new();
        if !members.is_empty() || !active.is_empty() {
            let report = self.report(&members);
            let whole = Labels::new(&[("tier", ""), ("vg", "")]);
            let result = report.as_ref().map(|_| ()).map_err(Trouble::clone);
            round.tell(WHOLE, &whole, result);
            match report {
                Ok((groups, unsaid)) => {
                    let shown = self.show(&groups, &blocks);
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

/// Groups, and why others may be missing among them.
type Report = (Vec<VolumeGroup>, Option<Trouble>);

impl Lvm {
    /// Asks LVM, which looks only at the devices named. When it misses a disk then, it may look everywhere:
    /// udev may not know all.
    fn report(&mut self, members: &[String]) -> Result<Report, Trouble> {
        let named: &[String] = if self.takes_devices { members } else { &[] };
        let first = match self.run(members, named) {
            Err(Refused::Arguments(_)) if !named.is_empty() => {
                self.takes_devices = false;
                return self.run(members, &[]).map_err(Refused::into_trouble);
            }
            other => other.map_err(Refused::into_trouble)?,
        };
        let misses = |group: &VolumeGroup| group.missing_pvs.is_some_and(|n| n > 0);
        if !named.is_empty() && first.0.iter().any(misses) {
            return Ok(self.run(members, &[]).unwrap_or(first));
        }
        Ok(first)
    }

    fn run(&mut self, members: &[String], devices: &[String]) -> Result<Report, Refused> {
        let program = match &self.command {
            Some(program) => program.clone(),
            None => tool::find("lvm").map_err(|error| Refused::Trouble(of_tool(&error)))?,
        };
        let arguments = lvm::arguments(devices);
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let output = self
            .runner
            .run(Call {
                program: &program,
                arguments: &arguments,
                limit: self.limit,
                most: MOST,
            })
            .map_err(|error| Refused::Trouble(of_tool(&error)))?;
        let mapped = members.iter().any(|node| node.starts_with("/dev/dm-"));
        read(&output, rustix::process::geteuid().is_root(), mapped)
    }

    /// Labels everything.
    fn show<'a>(&self, groups: &'a [VolumeGroup], blocks: &'a Blocks) -> Shown<'a> {
        let node = |pv: &str| self.source.name_of_node(Path::new(pv));
        families::show(groups, blocks, node)
    }
}

enum Refused {
    /// It does not know an option.
    Arguments(Trouble),
    Trouble(Trouble),
}

impl Refused {
    fn into_trouble(self) -> Trouble {
        match self {
            Self::Arguments(trouble) | Self::Trouble(trouble) => trouble,
        }
    }
}

fn of_tool(error: &ToolError) -> Trouble {
    let state = match error {
        ToolError::Missing(_) => State::ToolMissing,
        ToolError::Late { .. } | ToolError::Stuck { .. } => State::Late,
        ToolError::Start { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            State::Denied
        }
        ToolError::Start { .. } | ToolError::TooMuch { .. } => State::Failed,
    };
    Trouble::new(state, error)
}

/// `EINVALID_CMD_LINE` of LVM's errors.h.
const INVALID_COMMAND_LINE: i32 = 3;

/// What LVM says when it may not use device mapper, and takes all mapped devices for none of its disks.
const NO_DEVICE_MAPPER: &str = "Incompatible libdevmapper";

/// What LVM's output is worth. An exit code other than 0 may come with a report that lacks something. `mapped`: it
/// had to look at a mapped device too.
fn read(output: &Output, is_root: bool, mapped: bool) -> Result<Report, Refused> {
    let said = || output.stderr.lines().next().unwrap_or_default().trim();
    let failed = |reason: &dyn std::fmt::Display| Trouble::new(State::Failed, reason);
    let denied = || {
        let reason = "LVM may not open the disks: it needs to run as root, or with CAP_DAC_READ_SEARCH and CAP_FOWNER";
        Refused::Trouble(Trouble::new(State::Denied, reason))
    };
    // Without the right to open a disk LVM takes it for missing, and its report for good.
    if !is_root && output.stderr.lines().any(is_denial) {
        return Err(denied());
    }
    if mapped && output.stderr.contains(NO_DEVICE_MAPPER) {
        let reason = "LVM may not ask device mapper about the mapped devices that its groups are on: it needs to run as root with CAP_SYS_ADMIN";
        return Err(Refused::Trouble(Trouble::new(State::Denied, reason)));
    }
    if output.code == Some(INVALID_COMMAND_LINE) {
        return Err(Refused::Arguments(failed(&format!(
            "LVM refuses the command: {}; it may be older than 2.02.166",
            said()
        ))));
    }
    let groups = match lvm::parse(&output.stdout) {
        Ok(groups) => groups,
        Err(error) => {
            return Err(Refused::Trouble(match output.code {
                Some(0) => failed(&error),
                Some(code) => failed(&format!("LVM ended with {code}: {}", said())),
                None => failed(&"LVM was ended by a signal"),
            }));
        }
    };
    // Nor does it always say so: there are disks, or it would not have been asked.
    if !is_root && groups.is_empty() {
        return Err(denied());
    }
    if output.code == Some(0) {
        return Ok((groups, None));
    }
    let trouble = failed(&format!("LVM's report lacks something: {}", said()));
    if groups.is_empty() {
        return Err(Refused::Trouble(trouble));
    }
    Ok((groups, Some(trouble)))
}

fn is_denial(line: &str) -> bool {
    // Device mapper is not needed for the report.
    let of_disk = !line.contains("/dev/mapper/control");
    let denial = [
        "has no path names",
        "Permission denied",
        "Operation not permitted",
    ];
    of_disk && denial.iter().any(|text| line.contains(text))
}

/// Nodes of what udev or the kernel knows for physical volumes. What lies on a logical volume is a guest's, of which
/// LVM wants to know nothing, unless a group of this host's is active on it.
fn members(blocks: &Blocks) -> Vec<String> {
    fn group(device: &BlockDevice) -> Option<&str> {
        identifiers(&device.dm_uuid).map(|(group, _)| group)
    }
    let mut names: BTreeSet<&str> = blocks
        .iter()
        .filter(|(_, device)| device.content == MEMBER && group(device).is_none())
        .map(|(_, device)| device.name.as_str())
        .collect();
    for (_, device) in blocks.iter().filter(|(_, d)| group(d).is_some()) {
        let below = device.slaves.iter().filter_map(|name| blocks.get(name));
        names.extend(
            below
                .filter(|below| group(below) != group(device))
                .map(|below| below.name.as_str()),
        );
    }
    names
        .into_iter()
        .map(|name| format!("/dev/{name}"))
        .collect()
}

/// The groups that have a volume in device mapper, by identifier: known without LVM.
fn active_groups(blocks: &Blocks) -> BTreeMap<String, Labels> {
    let mut found: BTreeMap<&str, (&str, Vec<&str>)> = BTreeMap::new();
    for (_, device) in blocks.iter() {
        if let (Some((group, _)), Some(volume)) = (identifiers(&device.dm_uuid), &device.volume) {
            let (_, names) = found.entry(group).or_insert((&volume.vg, Vec::new()));
            names.push(&device.name);
        }
    }
    let mut all = BTreeMap::new();
    for (group, (name, devices)) in found {
        let tier = blocks.hottest(devices);
        all.insert(
            group.to_owned(),
            Labels::new(&[("tier", tier), ("vg", name)]),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        Output {
            code: Some(code),
            signal: None,
            stdout: stdout.into(),
            stderr: stderr.into(),
            took: Duration::ZERO,
        }
    }

    fn state(output: &Output, is_root: bool) -> Result<(usize, bool), State> {
        read(output, is_root, false)
            .map(|(groups, unsaid)| (groups.len(), unsaid.is_some()))
            .map_err(|refused| refused.into_trouble().state)
    }

    const GOOD: &str = r#"{"report":[{"vg":[{"vg_name":"a"}]}]}"#;

    #[test]
    fn what_output_is_worth() {
        assert_eq!(state(&output(0, GOOD, ""), true), Ok((1, false)));
        assert_eq!(
            state(&output(5, GOOD, "  Volume group \"b\" is damaged"), true),
            Ok((1, true)),
            "what is there counts"
        );
        assert_eq!(
            state(&output(5, r#"{"report":[]}"#, "x"), true),
            Err(State::Failed)
        );
        assert_eq!(
            state(&output(0, r#"{"report":[]}"#, ""), true),
            Ok((0, false))
        );
        for printed in ["", "garbage", "{\"report\":"] {
            assert_eq!(state(&output(0, printed, ""), true), Err(State::Failed));
        }
        let refused = read(
            &output(3, "", "  lvm: unrecognized option '--devices'"),
            true,
            false,
        );
        assert!(matches!(refused, Err(Refused::Arguments(_))));
    }

    #[test]
    fn without_rights_a_report_is_not_believed() {
        let denied = "  WARNING: Running as a non-root user. Functionality may be unavailable.\n  Device open 259:2 has no path names.";
        assert_eq!(state(&output(0, GOOD, denied), false), Err(State::Denied));
        assert_eq!(
            state(&output(0, GOOD, denied), true),
            Ok((1, false)),
            "root's disk has another trouble"
        );
        let silent = output(
            0,
            r#"{"report":[]}"#,
            "  WARNING: Running as a non-root user.",
        );
        assert_eq!(state(&silent, false), Err(State::Denied));
        let control = "  /dev/mapper/control: open failed: Permission denied";
        assert_eq!(state(&output(0, GOOD, control), false), Ok((1, false)));
    }

    /// LVM as this script plays it, and the folder that holds it.
    fn played(script: &str) -> (tempfile::TempDir, Lvm) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let command = folder.path().join("lvm");
        std::fs::write(&command, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
        let lvm = Lvm {
            command: Some(command),
            limit: Duration::from_secs(60),
            runner: Runner::default(),
            readings: Arc::default(),
            source: BlockSource {
                sysfs: PathBuf::from("/sys"),
                udev: PathBuf::from("/run/udev/data"),
            },
            takes_devices: true,
            known: BTreeMap::new(),
        };
        (folder, lvm)
    }

    const WHEN_NAMED: &str = "case \"$*\" in *--devices*)";

    fn missing(lvm: &mut Lvm) -> Result<Option<u64>, State> {
        lvm.report(&["/dev/sda".into()])
            .map(|(groups, _)| groups[0].missing_pvs)
            .map_err(|trouble| trouble.state)
    }

    fn says(missing: u32) -> String {
        format!(
            r#"echo '{{"report":[{{"vg":[{{"vg_name":"a","vg_missing_pv_count":"{missing}"}}]}}]}}'"#
        )
    }

    #[test]
    fn a_disk_that_udev_does_not_know_is_not_told_as_missing() {
        let script = format!("{WHEN_NAMED} {};; *) {};; esac", says(1), says(0));
        assert_eq!(missing(&mut played(&script).1), Ok(Some(0)));
        let script = format!("{WHEN_NAMED} {};; *) exit 5;; esac", says(1));
        assert_eq!(
            missing(&mut played(&script).1),
            Ok(Some(1)),
            "better than nothing"
        );
        let script = format!("{WHEN_NAMED} {};; *) exit 5;; esac", says(0));
        assert_eq!(
            missing(&mut played(&script).1),
            Ok(Some(0)),
            "not asked twice"
        );
    }

    #[test]
    fn an_older_version_is_not_told_which_disks() {
        let script = format!(
            "{WHEN_NAMED} echo unrecognized option >&2; exit 3;; *) {};; esac",
            says(0)
        );
        let (_folder, mut lvm) = played(&script);
        assert_eq!(missing(&mut lvm), Ok(Some(0)));
        assert!(!lvm.takes_devices);
        assert_eq!(missing(&mut lvm), Ok(Some(0)));
        let (_folder, mut lvm) = played("echo unrecognized option >&2; exit 3");
        assert_eq!(missing(&mut lvm), Err(State::Failed), "another option");
    }

    #[test]
    fn a_tool_that_prints_nothing_or_garbage_or_for_ever_has_failed() {
        for script in [
            "exit 0",
            "kill -9 $$",
            "echo '{\"report\": [{\"vg\": [{\"vg_name'",
            "head -c 300000 /dev/urandom",
            "while :; do echo '{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{'; done",
        ] {
            assert_eq!(
                missing(&mut played(script).1),
                Err(State::Failed),
                "{script}"
            );
        }
    }

    #[test]
    fn only_disks_of_this_hosts_groups_are_looked_at() {
        let device =
            |name: &str, group: Option<char>, content: &str, slaves: &[&str]| BlockDevice {
                name: name.into(),
                dm_uuid: group.map_or_else(String::new, |group| {
                    format!("LVM-{}", group.to_string().repeat(64))
                }),
                content: content.into(),
                slaves: slaves.iter().map(|&slave| slave.to_owned()).collect(),
                ..BlockDevice::default()
            };
        let blocks = Blocks::of(vec![
            device("sda1", None, MEMBER, &[]),
            device("sda2", None, "ext4", &[]),
            // Of which udev knows nothing, but a volume lies on it.
            device("sdb", None, "", &[]),
            device("dm-0", Some('a'), "", &["sdb"]),
            device("dm-1", Some('a'), MEMBER, &["dm-0"]),
            device("dm-2", Some('a'), MEMBER, &["dm-0"]),
            device("dm-3", Some('b'), "", &["dm-2"]),
        ]);
        assert_eq!(
            members(&blocks),
            ["/dev/dm-2", "/dev/sda1", "/dev/sdb"],
            "dm-1 is the disk of a guest"
        );
        assert_eq!(
            active_groups(&blocks).len(),
            0,
            "without names there are no labels"
        );
    }

    #[test]
    fn without_device_mapper_disks_that_are_mapped_are_not_told_as_missing() {
        let said = "  device-mapper: version ioctl on   failed: Permission denied\n  Incompatible libdevmapper 1.02.185 (2022-05-18) and kernel driver (unknown version).";
        let denied = read(&output(0, GOOD, said), true, true).map_err(Refused::into_trouble);
        assert!(matches!(
            denied,
            Err(Trouble {
                state: State::Denied,
                ..
            })
        ));
        assert!(
            read(&output(0, GOOD, said), true, false).is_ok(),
            "it needs none of them"
        );
    }

    #[test]
    fn what_trouble_with_the_tool_means() {
        let program = || PathBuf::from("/sbin/lvm");
        let late = ToolError::Late {
            program: program(),
            limit: Duration::from_secs(1),
        };
        assert_eq!(of_tool(&late).state, State::Late);
        assert_eq!(
            of_tool(&ToolError::Stuck { program: program() }).state,
            State::Late
        );
        assert_eq!(
            of_tool(&ToolError::Missing(program())).state,
            State::ToolMissing
        );
        let much = ToolError::TooMuch {
            program: program(),
            most: 1,
        };
        assert_eq!(of_tool(&much).state, State::Failed);
    }
}

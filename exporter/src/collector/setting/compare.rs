//! Compares what is in force with what the configuration expects of each tier and of the host.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;
use tidegauge_model::expect::Expect;
use tidegauge_model::mount::{Mount, displayable};
use tidegauge_model::mount_option::MountOption;
use tidegauge_model::tier::Tier;
use tidegauge_model::units::{Bytes, format_duration};

use super::discards::{Discards, Watched};
use super::in_force::{all_options, queue_of, read_ahead, shown, trim_supported};
use super::trim::Evidence;
use super::verdict::{Verdict, Verdicts};
use crate::collector::readings::{State, Trouble};
use crate::device::block::BlockDevice;
use crate::device::queue::{Queue, Told, nvme_paths};
use crate::device::sysctl::Sysctl;
use crate::host::blocks::Blocks;
use crate::host::storage::{MountLayout, ShownMount};

/// A mount that is shown, and the devices that its filesystem lies on directly.
pub struct Filesystem<'a> {
    /// As it is shown.
    pub shown: &'a ShownMount,
    /// As the kernel lists it.
    pub mount: &'a Mount,
    /// Empty where it lies on none of this host.
    pub under: Vec<&'a BlockDevice>,
}

/// All of them, in the kernel's order.
pub fn filesystems<'a>(layout: &'a MountLayout, blocks: &'a Blocks) -> Vec<Filesystem<'a>> {
    let known = layout.mounts.iter().filter_map(|shown| {
        let mount = layout.table.at(&shown.mountpoint)?;
        Some(Filesystem {
            shown,
            mount,
            under: blocks.under(mount),
        })
    });
    known.collect()
}

/// The host at one moment.
pub struct Moment<'a> {
    /// `/sys`.
    pub sysfs: &'a Path,
    /// `/proc`.
    pub procfs: &'a Path,
    /// The block devices.
    pub blocks: &'a Blocks,
    /// The mounts.
    pub filesystems: &'a [Filesystem<'a>],
    /// What was seen of discards.
    pub discards: &'a Discards,
    /// Now.
    pub now: Instant,
    /// Since the host started.
    pub uptime: Option<Duration>,
    /// How long ago fstrim.timer ran, and the mount points that it trims.
    pub fstrim: Option<(Duration, Vec<std::path::PathBuf>)>,
}

/// The kinds of targets.
pub const DISK: &str = "disk";
pub const FILESYSTEM: &str = "filesystem";
pub const SYSCTL: &str = "sysctl";

impl Moment<'_> {
    /// Every line that is declared of one tier.
    pub fn tier(&self, index: usize, tier: &Tier, verdicts: &mut Verdicts) {
        let expect = &tier.expect;
        if *expect == Expect::default() {
            return;
        }
        let members: Vec<&Filesystem<'_>> = self
            .filesystems
            .iter()
            .filter(|filesystem| filesystem.shown.tier == Some(index))
            .collect();
        if expect.of_disks() {
            self.disks(tier, &members, verdicts);
        }
        let mut once = FxHashSet::default();
        let mut whole = members.clone();
        whole.retain(|member| once.insert(member.mount.dev));
        if let Some(expected) = expect.read_ahead {
            let line = ["read_ahead", &format!("{expected:#}")];
            let compared = whole.iter().map(|one| {
                let actual = read_ahead(self.sysfs, one.mount, &one.under).map(Bytes);
                (
                    target(one),
                    compare(actual, &expected, None, |size| format!("{size:#}")),
                )
            });
            verdicts.line(FILESYSTEM, &tier.name, line, compared);
        }
        for expected in &expect.mount_options {
            let line = ["mount_options", &expected.to_string()];
            let compared = members
                .iter()
                .map(|one| (target(one), self.option(one, expected)));
            verdicts.line(FILESYSTEM, &tier.name, line, compared);
        }
        if let Some(limit) = expect.trim_within {
            let line = ["trim_within", &format_duration(limit)];
            let local = whole.iter().filter(|one| !one.under.is_empty());
            let compared = local.map(|one| (target(one), self.evidence(one).within(limit)));
            verdicts.line(FILESYSTEM, &tier.name, line, compared);
        }
    }

    /// The lines of whole disks: those below the tier's filesystems, and those that the tier's globs name.
    fn disks(&self, tier: &Tier, members: &[&Filesystem<'_>], verdicts: &mut Verdicts) {
        let under = members.iter().flat_map(|one| one.under.iter().copied());
        let serving = self.blocks.iter().map(|(_, device)| device);
        let serving = serving.filter(|device| self.blocks.tier(&device.name) == tier.name);
        let disks = self.blocks.disks_below(under.chain(serving));
        if let Some(expected) = &tier.expect.scheduler {
            // Of a namespace with several controllers each path has its own queue.
            let paths = disks.keys().flat_map(|disk| {
                let paths = nvme_paths(self.sysfs, disk);
                if paths.is_empty() {
                    vec![(*disk).to_owned()]
                } else {
                    paths
                }
            });
            let compared = paths.map(|name| {
                let queue = Queue::of(self.sysfs, &name);
                let verdict = compare(queue.scheduler(), expected, Some(&queue), String::clone);
                (name, verdict)
            });
            verdicts.line(DISK, &tier.name, ["scheduler", expected], compared);
        }
        if let Some(expected) = tier.expect.write_cache {
            let compared = disks.keys().map(|disk| {
                let queue = Queue::of(self.sysfs, disk);
                let actual = queue.write_cache();
                let verdict = compare(actual, &expected, Some(&queue), ToString::to_string);
                ((*disk).to_owned(), verdict)
            });
            let line = ["write_cache", &expected.to_string()];
            verdicts.line(DISK, &tier.name, line, compared);
        }
    }

    fn option(&self, filesystem: &Filesystem<'_>, expected: &MountOption) -> Verdict {
        let all = all_options(self.procfs, filesystem.mount, &filesystem.under);
        let mut shown = shown(filesystem.mount);
        shown.all = &all;
        let found = expected.compare(&shown);
        Verdict::Compared {
            ok: found.ok,
            actual: found.actual,
        }
    }

    fn evidence(&self, filesystem: &Filesystem<'_>) -> Evidence {
        let under = &filesystem.under;
        let counting = |device: &&BlockDevice| {
            let iostats = queue_of(self.sysfs, device).number("iostats");
            iostats.is_ok_and(|flag| flag != 0)
        };
        let watched: Vec<Watched> = under
            .iter()
            .filter_map(|device| self.discards.of(&device.name))
            .collect();
        let is_listed = |listed: &[std::path::PathBuf]| {
            self.filesystems
                .iter()
                .filter(|other| other.mount.dev == filesystem.mount.dev)
                .any(|other| listed.contains(&other.mount.mountpoint))
        };
        let timer = self.fstrim.as_ref().filter(|(_, listed)| is_listed(listed));
        let mut evidence = Evidence {
            supported: trim_supported(self.sysfs, under).ok(),
            counting: watched.len() == under.len() && under.iter().all(counting),
            uptime: self.uptime,
            timer: timer.map(|(ago, _)| *ago),
            remembers: filesystem.mount.fstype == "ext4",
            ..Evidence::default()
        };
        evidence.watch(&watched, self.now);
        evidence
    }

    /// The lines of the kernel's settings, which are the host's and no tier's.
    pub fn sysctls(&self, sysctls: &[Sysctl], verdicts: &mut Verdicts) {
        for sysctl in sysctls {
            let verdict = match sysctl.read(self.procfs) {
                Ok(actual) => Verdict::Compared {
                    ok: sysctl.holds(&actual),
                    actual,
                },
                Err(error) => Verdict::Unknown(unreadable(&error, &missing_sysctl(sysctl))),
            };
            let line = ["sysctl", &sysctl.expected()];
            verdicts.target(SYSCTL, "", line, sysctl.name().to_owned(), verdict);
        }
    }
}

fn missing_sysctl(sysctl: &Sysctl) -> String {
    format!(
        "the kernel has no setting {}; is the module that brings it loaded?",
        sysctl.name()
    )
}

/// As a mount is named in a label.
fn target(filesystem: &Filesystem<'_>) -> String {
    displayable(filesystem.mount.mountpoint.as_os_str()).into_owned()
}

fn compare<T: PartialEq>(
    actual: Told<T>,
    expected: &T,
    of: Option<&Queue>,
    show: impl Fn(&T) -> String,
) -> Verdict {
    match actual {
        Ok(actual) => Verdict::Compared {
            ok: actual == *expected,
            actual: show(&actual),
        },
        Err(_) if of.is_some_and(|queue| !queue.exists()) => {
            Verdict::Unknown(Trouble::new(State::Gone, "the device is no longer there"))
        }
        Err(error) => Verdict::Unknown(unreadable(&error, "the kernel does not tell it")),
    }
}

/// What it means that a kernel file could not be read.
fn unreadable(error: &io::Error, missing: &str) -> Trouble {
    match error.kind() {
        io::ErrorKind::NotFound => Trouble::new(State::Unsupported, missing),
        io::ErrorKind::PermissionDenied => Trouble::new(
            State::Denied,
            "only root may read it, whatever the capabilities",
        ),
        _ => Trouble::new(State::Failed, error),
    }
}

/// What is declared, by the keys under which it is remembered.
pub fn declared(tiers: &[Tier], sysctls: &[Sysctl]) -> impl Fn(&str) -> bool {
    let mut starts = Vec::new();
    for tier in tiers {
        if tier.expect.of_disks() {
            starts.push(super::verdict::key(DISK, &tier.name, ""));
        }
        if tier.expect.of_filesystems() {
            starts.push(super::verdict::key(FILESYSTEM, &tier.name, ""));
        }
    }
    let whole: BTreeMap<String, ()> = sysctls
        .iter()
        .map(|sysctl| (super::verdict::key(SYSCTL, "", sysctl.name()), ()))
        .collect();
    move |key| whole.contains_key(key) || starts.iter().any(|start| key.starts_with(start))
}

//! Settings that hurt and arrangements that will, found without writing anything. docs/hazards.md says of each why
//! it is one, and what to do.

mod boot;
mod files;
mod host;
mod look;
mod mounted;
mod report;
mod trim;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::mount::{DeviceNumber, FsClass};

use self::host::{Host, shown, trouble};
pub use self::look::{Kernel, Look, MountPoint};
use self::mounted::{Superblocks, is_ext4};
pub use self::report::Hazard;
use self::report::Report;
use super::readings::{ReadingFamilies, State, Trouble, reading_families};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::isolate::{Answer, Isolated, Question};
use crate::device::{ext4, fstab};
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

static READINGS: ReadingFamilies = reading_families!("hazard", "hazard");

static HAZARD: FamilySpec = FamilySpec::gauge(
    "tidegauge_hazard",
    "1 for each hazard found; docs/hazards.md says of each why, and what to do. Of one kind 64 are shown at most.",
    &["tier", "hazard", "target"],
);
static FINDINGS: FamilySpec = FamilySpec::gauge(
    "tidegauge_hazard_findings",
    "How many of this kind there are; 0 when it was looked for everywhere and not found, absent when it could not be looked for everywhere.",
    &["hazard"],
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "hazard",
    help: "settings of filesystems, fstab, lvm and udev that endanger data or the boot",
    source: "/proc/1/mountinfo, /etc/fstab, /etc/lvm, udev rules, superblocks",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[Setting {
        key: "interval",
        help: "how long to wait between two looks",
        kind: SettingKind::Duration,
        default: "5m",
    }],
    rights: &[Need::new(
        Right::ReadSearch,
        "to read the features in superblocks of ext4, and files of configuration that are closed to others",
    )],
    families: &[
        &HAZARD,
        &FINDINGS,
        &READINGS.state,
        &READINGS.last,
        &READINGS.failures,
    ],
    build,
};

/// Of one kind so many are shown.
const MOST_SHOWN: usize = 64;
/// So many mount points and superblocks are looked at.
const MOST_ASKED: usize = 1024;
/// One device or folder is waited for this long.
const PATIENCE: Duration = Duration::from_secs(2);
const PARALLEL: usize = 4;

/// How the kernel is asked, or who answers for it in tests.
#[derive(Clone)]
pub struct Looks(pub Arc<dyn Look>);

impl Default for Looks {
    fn default() -> Self {
        Self(Arc::new(Kernel))
    }
}

struct Hazards {
    context: Context,
    isolated: Isolated<PathBuf>,
}

fn build(context: &Context, _: &Settings) -> Box<dyn Collector> {
    Box::new(Hazards {
        context: context.clone(),
        isolated: Isolated::default(),
    })
}

impl Collector for Hazards {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let (layout, blocks) = (pass.layout()?, pass.blocks()?);
        let context = self.context.clone();
        let mut report = Report::default();
        let mut host = Host {
            context: &context,
            layout: &layout,
            blocks: &blocks,
            fstab: &[],
        };
        let entries = match host.file(Path::new("/etc/fstab")) {
            Ok(content) => fstab::parse(&content.unwrap_or_default()),
            Err(trouble) => {
                for hazard in OF_FSTAB {
                    report.unchecked(*hazard, trouble.clone());
                }
                Vec::new()
            }
        };
        host.fstab = &entries;
        let superblocks = self.superblocks(&host);
        mounted::check(&host, &superblocks, &mut report);
        boot::check(&host, &superblocks, &mut report);
        trim::check(&host, &mut report);
        files::check(&host, &mut report);
        self.mount_points(&host, &mut report);
        Ok(self.families(&report))
    }
}

/// What is not known without fstab.
const OF_FSTAB: &[Hazard] = &[
    Hazard::FstabDeviceName,
    Hazard::FstabNoNofail,
    Hazard::FstabNoNetdev,
    Hazard::FstabNfsIntr,
    Hazard::FstabXfsBarrier,
    Hazard::FstabExt4JournalOption,
    Hazard::MountPointHoldsFiles,
    Hazard::MountPointUnprotected,
];

impl Hazards {
    /// The superblocks of the ext4 filesystems that are mounted, and of those for which fstab has options that need a
    /// journal.
    fn superblocks(&mut self, host: &Host<'_>) -> Superblocks {
        let mounted = host
            .filesystems()
            .into_iter()
            .filter(|mount| is_ext4(&mount.fstype));
        let wanted = host
            .fstab
            .iter()
            .filter(|entry| is_ext4(&entry.fstype) && boot::wants_journal(entry));
        let numbers = mounted
            .map(|mount| mount.dev)
            .chain(wanted.filter_map(|entry| host.number_of(entry)));
        let mut asked: BTreeMap<PathBuf, DeviceNumber> = BTreeMap::new();
        for dev in numbers.take(MOST_ASKED) {
            if let Some(device) = host.blocks.by_number(dev) {
                asked.insert(Path::new("/dev").join(&device.name), dev);
            }
        }
        let mut questions = Vec::with_capacity(asked.len());
        for (node, dev) in &asked {
            let (look, dev) = (host.context.access.hazard.0.clone(), *dev);
            let path = host.context.rooted(node);
            let question: Question<io::Result<Vec<u8>>> =
                Box::new(move || look.superblock(&path, dev));
            questions.push((node.clone(), question));
        }
        let answers = self.isolated.ask(questions, PATIENCE, PARALLEL);
        let read = answers.into_iter().filter_map(|(node, answer)| {
            let dev = *asked.get(&node)?;
            let features = match settled(&node, answer) {
                Ok(superblock) => ext4::features(&superblock).ok_or_else(|| {
                    Trouble::new(
                        State::Failed,
                        format!("{}: no superblock of ext4", node.display()),
                    )
                }),
                Err(trouble) if trouble.state == State::Gone => Err(Trouble::new(
                    State::Denied,
                    format!("{}; a unit with PrivateDevices= hides it", trouble.reason),
                )),
                Err(trouble) => Err(trouble),
            };
            Some((dev, features))
        });
        read.collect()
    }

    /// Looks at the folders on which something should be mounted and is not.
    fn mount_points(&mut self, host: &Host<'_>, report: &mut Report) {
        let of_fstab = host
            .fstab
            .iter()
            .filter(|entry| entry.mountpoint.is_absolute() && entry.fstype != "swap")
            .map(|entry| (entry.mountpoint.clone(), entry.at_boot()));
        let of_tiers = host.context.tiers.iter().filter(|tier| tier.require_mount);
        let of_tiers = of_tiers.flat_map(|tier| tier.paths.iter().map(|path| (path.clone(), true)));
        let mut expected: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for (path, at_boot) in of_fstab.chain(of_tiers) {
            if !host.is_mounted(&path) {
                *expected.entry(path).or_default() |= at_boot;
            }
        }
        let mut questions = Vec::new();
        if expected.len() > MOST_ASKED {
            let reason = format!("only the first {MOST_ASKED} mount points are looked at");
            let trouble = Trouble::new(State::Unsupported, reason);
            report.unchecked(Hazard::MountPointHoldsFiles, trouble.clone());
            report.unchecked(Hazard::MountPointUnprotected, trouble);
        }
        for path in expected.keys().take(MOST_ASKED) {
            let Some((mount, relative)) = local_holder(host, path) else {
                let reason = format!(
                    "{}: a filesystem of another host, or of a program, lies on the way and is not touched",
                    path.display()
                );
                let trouble = Trouble::new(State::Unsupported, reason);
                report.unchecked(Hazard::MountPointHoldsFiles, trouble.clone());
                report.unchecked(Hazard::MountPointUnprotected, trouble);
                continue;
            };
            let look = host.context.access.hazard.0.clone();
            let question: Question<io::Result<MountPoint>> =
                Box::new(move || look.mount_point(&mount, &relative));
            questions.push((path.clone(), question));
        }
        for (path, answer) in self.isolated.ask(questions, PATIENCE, PARALLEL) {
            let (tier, target) = (host.tier_name(host.tier_at(&path)), shown(&path));
            let found = match settled(&path, answer) {
                Ok(found) => found,
                // No folder yet, or one that something was mounted on meanwhile.
                Err(trouble) if trouble.state == State::Gone => continue,
                Err(trouble) => {
                    report.unchecked(Hazard::MountPointHoldsFiles, trouble.clone());
                    report.unchecked(Hazard::MountPointUnprotected, trouble);
                    continue;
                }
            };
            match found.empty {
                Ok(true) => {}
                Ok(false) => report.found(Hazard::MountPointHoldsFiles, tier, target.as_str()),
                Err(error) => {
                    report.unchecked(
                        Hazard::MountPointHoldsFiles,
                        trouble(&path.display(), &error),
                    );
                }
            }
            let writable = !host
                .layout
                .table
                .holding(&path)
                .is_some_and(|m| m.is_read_only());
            if found.immutable == Some(false) && writable && expected.get(&path) == Some(&true) {
                report.found(Hazard::MountPointUnprotected, tier, target);
            }
        }
    }

    fn families(&self, report: &Report) -> Vec<Family> {
        let mut round = self
            .context
            .memory
            .readings
            .round(&READINGS, SystemTime::now());
        let (mut hazards, mut counts) = (Family::new(&HAZARD), Family::new(&FINDINGS));
        for hazard in Hazard::ALL {
            let id = hazard.id();
            for (tier, target) in report.findings(*hazard).take(MOST_SHOWN) {
                let labels = [("tier", tier.as_str()), ("hazard", id), ("target", target)];
                hazards.push(&Labels::new(&labels), true);
            }
            let trouble = report.trouble(*hazard).cloned();
            if trouble.is_none() {
                let count = report.findings(*hazard).len() as u64;
                counts.push(&Labels::new(&[("hazard", id)]), count);
            }
            let labels = Labels::new(&[("tier", ""), ("hazard", id)]);
            round.tell(id, &labels, trouble.map_or(Ok(()), Err));
        }
        let mut families = vec![hazards, counts];
        families.extend(round.finish());
        families
    }
}

/// The mount that holds a path, and the path from there; `None` unless every mount on the way is of this host: a NAS
/// is never touched.
fn local_holder(host: &Host<'_>, path: &Path) -> Option<(PathBuf, PathBuf)> {
    let table = &host.layout.table;
    let is_local = |class| matches!(class, FsClass::Local | FsClass::Memory | FsClass::View);
    if !path
        .ancestors()
        .filter_map(|above| table.at(above))
        .all(|mount| is_local(mount.class()))
    {
        return None;
    }
    let holder = &table.holding(path)?.mountpoint;
    let relative = path.strip_prefix(holder).ok()?.to_owned();
    Some((host.context.rooted(holder), relative))
}

/// An answer, or why there is none; what is not there is gone.
fn settled<T>(what: &Path, answer: Answer<io::Result<T>>) -> Result<T, Trouble> {
    let gone = [
        rustix::io::Errno::NOENT,
        rustix::io::Errno::NOTDIR,
        rustix::io::Errno::XDEV,
        rustix::io::Errno::NXIO,
    ];
    let show = what.display();
    match answer {
        Answer::Answered(Ok(answer)) => Ok(answer),
        Answer::Answered(Err(error)) => {
            let code = error.raw_os_error();
            if gone.iter().any(|errno| code == Some(errno.raw_os_error()))
                || error.kind() == io::ErrorKind::NotFound
            {
                return Err(Trouble::new(State::Gone, format!("{show}: {error}")));
            }
            if code == Some(rustix::io::Errno::LOOP.raw_os_error()) {
                let reason = format!("{show}: symbolic links on the way are not followed");
                return Err(Trouble::new(State::Unsupported, reason));
            }
            Err(trouble(&show, &error))
        }
        Answer::Late(since) => Err(Trouble::new(
            State::Late,
            format!("{show}: no answer for {} s", since.as_secs()),
        )),
        Answer::Lost(reason) => Err(Trouble::new(State::Failed, format!("{show}: {reason}"))),
    }
}

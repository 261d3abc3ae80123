//! How disks, filesystems and the kernel are tuned, and whether that is as the configuration expects.

mod compare;
mod discards;
mod in_force;
mod trim;
mod verdict;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustc_hash::FxHashMap;
use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::mount::DeviceNumber;

use self::compare::{Filesystem, Moment, filesystems};
pub use self::discards::Discards;
use self::in_force::{ATIME, DISKS, ONLINE_DISCARD, READ_AHEAD, TRIM_SUPPORTED};
use self::verdict::{INFO, OK, READINGS, TARGETS, Verdicts};
use super::table::{filled, join, specs};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::queue::Queue;
use crate::device::systemd_timer::{self, Timer};
use crate::device::{diskstats, fstab};
use crate::host::ReadError;
use crate::host::blocks::Blocks;
use crate::host::pass::Pass;
use crate::settings::{Setting, SettingKind, Settings};

/// The timers that trim: systemd's, which reads fstab, and the one that scripts for tiered storage bring.
const TIMERS: [&str; 2] = [FSTRIM, "fstrim-all.timer"];
const FSTRIM: &str = "fstrim.timer";

static LAST_DISCARD: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_filesystem_last_discard_timestamp_seconds",
    "When the devices directly under it were last seen to discard (trim); absent until then: the kernel keeps no time.",
    &["tier", "mountpoint", "device", "fstype"],
)
.from("/proc/diskstats");
static TIMER_ENABLED: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_timer_enabled",
    "Whether a timer of systemd that trims starts at boot; absent where the host has none of that name.",
    &["timer"],
)
.from("systemd's units");
static TIMER_LAST: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_timer_last_trigger_timestamp_seconds",
    "When a timer of systemd that trims last triggered, whatever came of it.",
    &["timer"],
)
.from("/var/lib/systemd/timers");

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "setting",
    help: "tuning in force, and whether it is as the configuration expects",
    source: "/sys/block, /proc/1/mountinfo, /proc/sys",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[
        Setting {
            key: "interval",
            help: "how long to wait between two readings",
            kind: SettingKind::Duration,
            default: "1m",
        },
        Setting {
            key: "sysctl",
            help: "settings of the kernel with what they should be, such as `net.core.rmem_max>=16777216,vm.dirty_ratio=10`",
            kind: SettingKind::Sysctls,
            default: "",
        },
        Setting {
            key: "device_include",
            help: "only devices whose kernel name matches; what is expected of a tier holds for all",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "device_exclude",
            help: "no devices whose kernel name matches; what is expected of a tier holds for all",
            kind: SettingKind::Pattern,
            default: "^(z?ram|fd|sr)\\d+$",
        },
    ],
    rights: &[],
    families: &join::<21>(&[
        &specs(&DISKS),
        &[
            &ATIME,
            &ONLINE_DISCARD,
            &READ_AHEAD,
            &TRIM_SUPPORTED,
            &LAST_DISCARD,
            &TIMER_ENABLED,
            &TIMER_LAST,
            &OK,
            &INFO,
            &TARGETS,
            &READINGS.state,
            &READINGS.last,
            &READINGS.failures,
        ],
    ]),
    build,
};

struct InForce {
    context: Context,
    settings: Settings,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    Box::new(InForce {
        context: context.clone(),
        settings: settings.clone(),
    })
}

impl Collector for InForce {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let layout = pass.layout()?;
        let blocks = pass.blocks()?;
        let (now, time) = (Instant::now(), SystemTime::now());
        self.watch_discards(&blocks, (now, time));
        let filesystems = filesystems(&layout, &blocks);
        let timers = self.timers();

        let moment = Moment {
            sysfs: &self.context.sysfs,
            procfs: &self.context.procfs,
            blocks: &blocks,
            filesystems: &filesystems,
            discards: &self.context.memory.discards,
            now,
            uptime: self.uptime(),
            fstrim: self.fstrim(&timers, time),
        };
        let mut verdicts = Verdicts::default();
        for (index, tier) in self.context.tiers.iter().enumerate() {
            moment.tier(index, tier, &mut verdicts);
        }
        let sysctls = self.settings.sysctls("sysctl");
        moment.sysctls(sysctls, &mut verdicts);
        let declared = compare::declared(&self.context.tiers, sysctls);

        let mut families = self.disks(&blocks);
        families.extend(self.of_filesystems(&filesystems));
        families.extend(timer_families(&timers));
        families.extend(verdicts.finish(&self.context.memory.readings, time, declared));
        Ok(families)
    }
}

impl InForce {
    /// Every device with queues of its own: no partitions.
    fn disks(&self, blocks: &Blocks) -> Vec<Family> {
        let mut names: Vec<&str> = blocks
            .iter()
            .filter(|(_, device)| device.parent.is_empty())
            .map(|(_, device)| device.name.as_str())
            .filter(|name| {
                self.settings
                    .selects("device_include", "device_exclude", name)
            })
            .collect();
        names.sort_unstable();
        let disks: Vec<(Labels, Queue)> = names
            .into_iter()
            .map(|name| {
                let labels = Labels::new(&[("tier", blocks.tier(name)), ("device", name)]);
                (labels, Queue::of(&self.context.sysfs, name))
            })
            .collect();
        filled(&DISKS, &disks, |read, queue| Some(read(queue).ok()?.into()))
    }

    fn of_filesystems(&self, filesystems: &[Filesystem<'_>]) -> Vec<Family> {
        let mut families = [
            &ATIME,
            &ONLINE_DISCARD,
            &READ_AHEAD,
            &TRIM_SUPPORTED,
            &LAST_DISCARD,
        ]
        .map(Family::new);
        let [
            atime,
            online_discard,
            read_ahead,
            trim_supported,
            last_discard,
        ] = &mut families;
        // Bind mounts and subvolumes share all but the options of the mount.
        let mut known: FxHashMap<DeviceNumber, (Option<u64>, Option<bool>)> = FxHashMap::default();
        let sysfs = &self.context.sysfs;
        for Filesystem {
            shown,
            mount,
            under,
        } in filesystems
        {
            let labels = &shown.labels;
            in_force::push_atime(atime, labels, mount);
            let (ahead, supported) = *known.entry(mount.dev).or_insert_with(|| {
                let ahead = in_force::read_ahead(sysfs, mount, under);
                (ahead.ok(), in_force::trim_supported(sysfs, under).ok())
            });
            if let Some(bytes) = ahead {
                read_ahead.push(labels, bytes);
            }
            if under.is_empty() {
                continue;
            }
            let all = in_force::all_options(&self.context.procfs, mount, under);
            let mut options = in_force::shown(mount);
            options.all = &all;
            online_discard.push(labels, options.is_on("discard"));
            if let Some(supported) = supported {
                trim_supported.push(labels, supported);
            }
            let last = under
                .iter()
                .filter_map(|device| self.context.memory.discards.of(&device.name)?.last)
                .max();
            if let Some((_, time)) = last {
                last_discard.push(labels, seconds(time));
            }
        }
        families.into()
    }

    fn watch_discards(&self, blocks: &Blocks, now: (Instant, SystemTime)) {
        let path = self.context.procfs.join("diskstats");
        let content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "discards are not watched");
                return;
            }
        };
        let devices = diskstats::parse(&content).flatten().filter_map(|disk| {
            let identity = (disk.dev, blocks.get(disk.name)?.diskseq.clone());
            Some((disk.name, identity, disk.counters.discard?.discards))
        });
        self.context.memory.discards.observe(devices, now);
    }

    fn timers(&self) -> Vec<(&'static str, Timer)> {
        let found = TIMERS.iter().filter_map(|name| {
            match systemd_timer::find(&self.context.rootfs, name) {
                Ok(timer) => Some((*name, timer?)),
                Err(error) => {
                    tracing::debug!(timer = name, %error, "not read");
                    None
                }
            }
        });
        found.collect()
    }

    /// How long ago systemd's fstrim.timer ran, and what it trims then.
    fn fstrim(
        &self,
        timers: &[(&str, Timer)],
        now: SystemTime,
    ) -> Option<(Duration, Vec<PathBuf>)> {
        let (_, timer) = timers.iter().find(|(name, _)| *name == FSTRIM)?;
        // A stamp of the future says nothing.
        let ago = now.duration_since(timer.last?).ok()?;
        let fstab = self.context.rooted("/etc/fstab".as_ref());
        let entries = fstab::parse(&std::fs::read(fstab).ok()?);
        let trimmed = entries.into_iter().filter(fstab::Entry::is_trimmed);
        Some((ago, trimmed.map(|entry| entry.mountpoint).collect()))
    }

    fn uptime(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(self.context.procfs.join("uptime")).ok()?;
        Duration::try_from_secs_f64(text.split(' ').next()?.parse().ok()?).ok()
    }
}

fn timer_families(timers: &[(&'static str, Timer)]) -> [Family; 2] {
    let mut families = [&TIMER_ENABLED, &TIMER_LAST].map(Family::new);
    let [enabled, last] = &mut families;
    for (name, timer) in timers {
        let labels = Labels::new(&[("timer", name)]);
        enabled.push(&labels, timer.enabled);
        if let Some(time) = timer.last {
            last.push(&labels, seconds(time));
        }
    }
    families
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

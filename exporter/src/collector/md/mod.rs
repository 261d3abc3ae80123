//! Software RAID arrays (md): whether they run, are whole, are being repaired, and how far.

mod array;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use self::array::{ROLES, STATES, Seen};
use super::readings::{ReadingFamilies, Readings, State, Trouble, reading_families};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::isolate::{Answer, Isolated, Question};
use crate::device::{md, mdstat};
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::settings::Settings;

const LABELS: &[&str] = &["tier", "device"];
const MEMBER: &[&str] = &["tier", "device", "member"];
const SYSFS: &str = "/sys/class/block/md*/md";

static READINGS: ReadingFamilies = reading_families!("md", "device");

static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_md_info",
    "What the array is: its level, the version of its superblocks, where its write-intent bitmap is, and by what it stays consistent (resync, bitmap, journal, ppl, none).",
    &[
        "tier",
        "device",
        "level",
        "metadata",
        "uuid",
        "bitmap",
        "consistency_policy",
    ],
);
static STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_state",
    "1 for what the array does: active, inactive, broken, recovering, resync, check, reshape; 0 for the others.",
    &["tier", "device", "state"],
);
static ARRAY_STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_array_state",
    "1 for the kernel's array_state, 0 for the others.",
    &["tier", "device", "state"],
)
.from(SYSFS);
static DEGRADED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_degraded",
    "Required members that do not work or are not in order yet; absent for levels without redundancy.",
    LABELS,
)
.from(SYSFS);
static DISKS: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_disks",
    "Members by what they do: active, failed, spare, rebuilding, journal; missing are places without a member.",
    &["tier", "device", "state"],
);
static DISKS_REQUIRED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_disks_required",
    "Members that the array should have.",
    LABELS,
);
static MEMBER_STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_member_state",
    "1 for what the member does: active, failed, spare, rebuilding, journal; 0 for the others.",
    &["tier", "device", "member", "state"],
)
.from(SYSFS);
static MEMBER_ERRORS: FamilySpec = FamilySpec::counter(
    "tidegauge_md_member_corrected_read_errors_total",
    "Read errors of the member that the array mended from the others.",
    MEMBER,
)
.from(SYSFS);
static SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_size_bytes",
    "Size of the array; absent while it does not run.",
    LABELS,
)
.from(SYSFS);
static BLOCKS: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_blocks",
    "Size in blocks of 1 KiB; of an inactive array, what its members hold together.",
    LABELS,
);
static BLOCKS_SYNCED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_blocks_synced",
    "Blocks of 1 KiB that are in order: all, or while a sync is under way those that it has done (of a member, for a recovery).",
    LABELS,
);
static ACTION: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_action",
    "1 for the kernel's sync_action, 0 for the others; absent for levels without redundancy.",
    &["tier", "device", "action"],
)
.from(SYSFS);
static WAITING: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_waiting",
    "Whether a sync has to be done and waits: for another array on the same disks, the first write, or another node.",
    LABELS,
);
static COMPLETED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_completed_ratio",
    "How far the sync is; absent when none is under way.",
    LABELS,
);
static SPEED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_speed_bytes_per_second",
    "How fast the sync is, over the last half minute or so; absent when none is under way.",
    LABELS,
);
static REMAINING: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_sync_remaining_seconds",
    "Estimated time to the end of the sync; absent when none is under way or it stands still.",
    LABELS,
);
static MISMATCHES: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_mismatch_sectors",
    "Sectors of 512 bytes in which members differed at the last check or repair; counted in pages, so it can be more than truly differ.",
    LABELS,
)
.from(SYSFS);
static RESHAPE: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_reshape_position_bytes",
    "How far into the array the reshape is; absent when none is under way.",
    LABELS,
)
.from(SYSFS);
static BITMAP_PAGES: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_bitmap_pages",
    "Pages of the write-intent bitmap.",
    LABELS,
)
.from("/proc/mdstat");
static BITMAP_USED: FamilySpec = FamilySpec::gauge(
    "tidegauge_md_bitmap_used_pages",
    "Pages of the write-intent bitmap that are in memory, because something of theirs was written lately.",
    LABELS,
)
.from("/proc/mdstat");

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "md",
    help: "state, members and repair of software RAID arrays",
    source: "/proc/mdstat, /sys/class/block/md*/md",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[],
    rights: &[],
    families: &[
        &INFO,
        &STATE,
        &ARRAY_STATE,
        &DEGRADED,
        &DISKS,
        &DISKS_REQUIRED,
        &MEMBER_STATE,
        &MEMBER_ERRORS,
        &SIZE,
        &BLOCKS,
        &BLOCKS_SYNCED,
        &ACTION,
        &WAITING,
        &COMPLETED,
        &SPEED,
        &REMAINING,
        &MISMATCHES,
        &RESHAPE,
        &BITMAP_PAGES,
        &BITMAP_USED,
        &READINGS.state,
        &READINGS.last,
        &READINGS.failures,
    ],
    build,
};

/// `array_state` of kernel `Documentation/admin-guide/md.rst`.
const ARRAY_STATES: [&str; 10] = [
    "clear",
    "inactive",
    "suspended",
    "readonly",
    "read-auto",
    "clean",
    "active",
    "write-pending",
    "active-idle",
    "broken",
];
/// `sync_action` of the same.
const ACTIONS: [&str; 7] = [
    "idle", "frozen", "resync", "recover", "check", "repair", "reshape",
];

/// A scrape waits this long for `/proc/mdstat`.
const PATIENCE: Duration = Duration::from_millis(100);
/// A hundred arrays take 30 kB.
const MOST: u64 = 1 << 20;

struct Md {
    mdstat: PathBuf,
    sysfs: PathBuf,
    readings: Arc<Readings>,
    /// Reading the file waits for a mutex that is held while a bitmap is written (since Linux 6.12, and in updates of
    /// older ones): a member that hangs must not hold up the scrape.
    isolated: Isolated<()>,
}

fn build(context: &Context, _: &Settings) -> Box<dyn Collector> {
    Box::new(Md {
        mdstat: context.procfs.join("mdstat"),
        sysfs: context.sysfs.join("class/block"),
        readings: Arc::clone(&context.memory.readings),
        isolated: Isolated::default(),
    })
}

impl Md {
    /// The arrays of mdstat; `None` when it is not there, an error when it does not answer.
    fn overview(&mut self) -> Result<Option<Vec<mdstat::Array>>, Trouble> {
        let path = self.mdstat.clone();
        let question: Question<io::Result<Vec<mdstat::Array>>> =
            Box::new(move || read_bounded(&path).map(|text| mdstat::parse(&text)));
        let mut answers = self.isolated.ask(vec![((), question)], PATIENCE, 1);
        let path = self.mdstat.display();
        match answers.pop().map(|(_, answer)| answer) {
            Some(Answer::Answered(Ok(arrays))) => Ok(Some(arrays)),
            Some(Answer::Answered(Err(error))) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Some(Answer::Answered(Err(error))) => {
                let reason = format!("cannot read {path}: {error}; see the kernel's log");
                Err(Trouble::new(State::Failed, reason))
            }
            Some(Answer::Late(_)) | None => {
                let reason = format!(
                    "{path} does not answer; a member of an array may hang: see the kernel's log. What sysfs tells is shown"
                );
                Err(Trouble::new(State::Late, reason))
            }
            Some(Answer::Lost(reason)) => Err(Trouble::new(State::Failed, reason)),
        }
    }

    /// The arrays of sysfs.
    fn details(&self) -> BTreeMap<String, md::Array> {
        let Ok(entries) = std::fs::read_dir(&self.sysfs) else {
            return BTreeMap::new();
        };
        let named = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let array = name
                .starts_with("md")
                .then(|| md::read(&entry.path()))
                .flatten()?;
            Some((name, array))
        });
        named.collect()
    }
}

impl Collector for Md {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let (overview, trouble) = match self.overview() {
            Ok(Some(arrays)) => (arrays, None),
            // The kernel has no md, or has it as a module that nothing needed yet.
            Ok(None) => (Vec::new(), None),
            Err(trouble) => (Vec::new(), Some(trouble)),
        };
        let overview: BTreeMap<&str, &mdstat::Array> = overview
            .iter()
            .map(|array| (array.name.as_str(), array))
            .collect();
        let mut details = self.details();
        // A node that somebody opened makes an array of nothing, which mdstat does not list.
        details.retain(|name, array| {
            overview.contains_key(name.as_str()) || array.state.as_deref() != Some("clear")
        });
        let names: BTreeSet<&str> = overview
            .keys()
            .copied()
            .chain(details.keys().map(String::as_str))
            .collect();
        let mut round = self.readings.round(&READINGS, SystemTime::now());
        let mut out = Out(SPEC.families[..SPEC.families.len() - 3]
            .iter()
            .map(|spec| Family::new(spec))
            .collect());
        if !names.is_empty() {
            let blocks = pass.blocks()?;
            for name in names {
                let seen = Seen {
                    sysfs: details.get(name),
                    mdstat: overview.get(name).copied(),
                };
                // One that does not run serves no tier itself; its members may.
                let members = seen.sysfs.map(|array| array.members.iter());
                let members = members.into_iter().flatten().map(|m| m.name.as_str());
                let tier = match blocks.tier(name) {
                    "" => blocks.hottest(members),
                    tier => tier,
                };
                let labels = Labels::new(&[("tier", tier), ("device", name)]);
                out.array(&seen, &labels);
                round.tell(name, &labels, trouble.clone().map_or(Ok(()), Err));
            }
        }
        let mut families = out.0;
        families.extend(round.finish());
        families.retain(|family| !family.samples.is_empty());
        Ok(families)
    }
}

struct Out(Vec<Family>);

impl Out {
    fn push(&mut self, spec: &FamilySpec, labels: &Labels, value: impl Into<Value>) {
        if let Some(family) = self
            .0
            .iter_mut()
            .find(|family| family.spec.name == spec.name)
        {
            family.push(labels, value);
        }
    }

    fn array(&mut self, seen: &Seen<'_>, labels: &Labels) {
        let of_sysfs =
            |read: fn(&md::Array) -> Option<&str>| seen.sysfs.and_then(read).unwrap_or_default();
        let info = labels
            .with("level", seen.level())
            .with("metadata", seen.metadata())
            .with("uuid", of_sysfs(|array| array.uuid.as_deref()))
            .with("bitmap", of_sysfs(|array| array.bitmap))
            .with(
                "consistency_policy",
                of_sysfs(|array| array.consistency.as_deref()),
            );
        self.push(&INFO, &info, true);
        let state = seen.state();
        self.one_of(&STATE, labels, ("state", &STATES), state);
        for (name, count) in seen.members() {
            self.push(&DISKS, &labels.with("state", name), count);
        }
        let sync = seen.sync();
        let numbers = [
            (&DISKS_REQUIRED, seen.required()),
            (&BLOCKS, seen.blocks()),
            (&BLOCKS_SYNCED, seen.blocks_synced()),
            (
                &BITMAP_USED,
                seen.mdstat.and_then(|array| Some(array.bitmap_pages?.0)),
            ),
            (
                &BITMAP_PAGES,
                seen.mdstat.and_then(|array| Some(array.bitmap_pages?.1)),
            ),
            (&DEGRADED, seen.sysfs.and_then(|array| array.degraded)),
            (&MISMATCHES, seen.sysfs.and_then(|array| array.mismatches)),
            (&SIZE, seen.sysfs.and_then(|array| bytes(array.sectors?))),
            (
                &RESHAPE,
                seen.sysfs.and_then(|array| bytes(array.reshape_position?)),
            ),
            (&SPEED, sync.and_then(|now| now.speed?.checked_mul(1024))),
        ];
        for (spec, number) in numbers {
            if let Some(number) = number {
                self.push(spec, labels, number);
            }
        }
        // Levels without redundancy have nothing to sync.
        if seen.required().is_some() {
            self.push(&WAITING, labels, sync.is_some_and(|now| now.waits));
        }
        if let Some((done, total)) = sync.and_then(|now| now.blocks) {
            #[expect(clippy::cast_precision_loss, reason = "it is a ratio")]
            self.push(&COMPLETED, labels, done as f64 / total as f64);
        }
        if let Some(remaining) = sync.and_then(|now| now.remaining) {
            self.push(&REMAINING, labels, remaining);
        }
        let Some(sysfs) = seen.sysfs else { return };
        if let Some(state) = &sysfs.state {
            self.one_of(&ARRAY_STATE, labels, ("state", &ARRAY_STATES), state);
        }
        if let Some(action) = &sysfs.action {
            self.one_of(&ACTION, labels, ("action", &ACTIONS), action);
        }
        for member in &sysfs.members {
            let labels = labels.with("member", &member.name);
            for (role, name) in ROLES {
                self.push(
                    &MEMBER_STATE,
                    &labels.with("state", name),
                    role == member.role,
                );
            }
            if let Some(errors) = member.errors {
                self.push(&MEMBER_ERRORS, &labels, errors);
            }
        }
    }

    /// 1 for the word that holds, 0 for the others that are known.
    fn one_of(
        &mut self,
        spec: &FamilySpec,
        labels: &Labels,
        (label, words): (&str, &[&str]),
        holds: &str,
    ) {
        for word in words {
            self.push(spec, &labels.with(label, word), *word == holds);
        }
    }
}

/// Sectors in bytes; an array of none has no size.
fn bytes(sectors: u64) -> Option<u64> {
    sectors.checked_mul(512).filter(|bytes| *bytes > 0)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::block::BlockSource;
    use crate::device::probe::{Timing, ask_kernel};
    use crate::host::storage::Storage;
    use std::fs;
    use std::os::unix::fs::OpenOptionsExt;

    #[test]
    fn an_overview_that_hangs_leaves_what_sysfs_tells() {
        let host = tempfile::tempdir().unwrap();
        let (proc, sys) = (host.path().join("proc"), host.path().join("sys"));
        let array = sys.join("class/block/md0/md");
        fs::create_dir_all(array.join("dev-sda")).unwrap();
        fs::create_dir_all(proc.join("1")).unwrap();
        for (file, text) in [
            ("array_state", "clean"),
            ("level", "raid1"),
            ("raid_disks", "2"),
            ("degraded", "1"),
            ("dev-sda/state", "in_sync"),
            ("dev-sda/slot", "0"),
        ] {
            fs::write(array.join(file), text).unwrap();
        }
        fs::write(
            proc.join("1/mountinfo"),
            "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
        )
        .unwrap();
        // Nobody writes to the pipe: opening it waits for ever.
        let pipe = proc.join("mdstat");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let storage = Storage::new(
            Arc::from([]),
            Settings::defaults(&[]),
            BlockSource {
                sysfs: sys.clone(),
                udev: host.path().join("udev"),
            },
            [&proc, Path::new("/")],
            Timing::default(),
            Box::new(ask_kernel),
        );
        let pass = Pass::new(Arc::new(storage));
        let mut md = Md {
            mdstat: pipe.clone(),
            sysfs: sys.join("class/block"),
            readings: Arc::default(),
            isolated: Isolated::default(),
        };
        for _ in 0..2 {
            let families = md.collect(&pass).unwrap();
            let value = |spec: &FamilySpec, end: &str| {
                let family = families.iter().find(|family| family.spec == spec)?;
                let mut samples = family.samples.iter();
                let found = samples.find(|sample| sample.labels.rendered().ends_with(end))?;
                Some(found.value.as_f64())
            };
            assert_eq!(value(&DEGRADED, "device=\"md0\""), Some(1.0));
            assert_eq!(value(&DISKS, "state=\"missing\""), Some(1.0));
            assert_eq!(value(&READINGS.state, "state=\"late\""), Some(1.0));
        }
        // The thread that waits ends.
        fs::OpenOptions::new()
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().try_into().unwrap())
            .open(&pipe)
            .unwrap();
    }
}

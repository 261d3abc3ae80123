//! What every NFS mount has done, as its client counts it, and how it is mounted.
//!
//! Mounts of one superblock (several of one export, bind mounts) show the same counters: the first of them in the
//! kernel's order stands for all. Connections belong to a server and not to a mount: see `transport.rs`.

mod families;
mod transport;

use rustc_hash::FxHashMap;
use tidegauge_model::metric::{Family, Labels};
use tidegauge_model::mount::{DeviceNumber, displayable};

use self::families::{
    BAD_LINES, BYTES, EVENTS, INFO, MOUNTS, OPERATIONS, OPTIONS, STATE, TRANSPORTS,
};
use self::transport::{Key, Transports};
use super::table::{empty, join, push, specs};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::mountstats::{self, MountStatsFile, NfsMount, Operation};
use crate::device::nfs_options::Options;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::host::storage::{MountLayout, ShownMount};
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

/// The name under which all operations that are not named are added up.
const OTHER: &str = "other";

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "nfs",
    help: "counters and options of NFS mounts (/proc/1/mountstats)",
    source: "/proc/1/mountstats",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[Setting {
        key: "operations",
        help: "operations that are shown one by one; the others are added up as `other`",
        kind: SettingKind::Words,
        default: "READ, WRITE, COMMIT, GETATTR, LOOKUP, ACCESS, OPEN, CLOSE, READDIR, READDIRPLUS, RENAME, REMOVE, CREATE",
    }],
    rights: &[Need::new(
        Right::ReadSearch,
        "to read the counters of the host's own NFS mounts (/proc/1/mountstats)",
    )],
    families: &join::<46>(&[
        &[&INFO, &MOUNTS],
        &specs(&OPTIONS),
        &specs(&STATE),
        &specs(&BYTES),
        &specs(&EVENTS),
        &specs(&OPERATIONS),
        &specs(&TRANSPORTS),
        &[&BAD_LINES],
    ]),
    build,
};

struct Nfs {
    file: MountStatsFile,
    context: Context,
    operations: Vec<String>,
    bad_lines: u64,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    let words = settings.words("operations").iter();
    Box::new(Nfs {
        file: MountStatsFile::new(&context.procfs),
        context: context.clone(),
        operations: words.map(|word| word.to_ascii_uppercase()).collect(),
        bad_lines: 0,
    })
}

/// Whether a filesystem of this type is NFS.
pub(super) fn is_nfs(fstype: &str) -> bool {
    matches!(fstype, "nfs" | "nfs4")
}

impl Collector for Nfs {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let layout = pass.layout()?;
        let groups = by_superblock(&layout);
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let content = self.file.read().map_err(ReadError::new)?;
        let stats = mountstats::parse(content);
        if let Some((line, problem)) = stats.first_bad {
            if self.bad_lines == 0 {
                tracing::warn!(
                    line,
                    problem,
                    "mountstats has lines that are not understood; please report them"
                );
            }
            self.bad_lines = self.bad_lines.wrapping_add(stats.bad_lines);
        }
        // Of mounts on top of each other the last is the one that is seen.
        let by_mountpoint: FxHashMap<&[u8], &NfsMount<'_>> = stats
            .mounts
            .iter()
            .map(|mount| (mount.mountpoint.as_ref(), mount))
            .collect();

        let tier = |index: Option<usize>| index.map_or("", |i| self.context.tiers[i].name.as_str());
        let mut shown = Shown::new();
        for group in groups {
            let found = group.iter().find_map(|mount| {
                let path = mount.mountpoint.as_os_str().as_encoded_bytes();
                let stats = by_mountpoint.get(path).copied()?;
                let source = layout.table.at(&mount.mountpoint)?.source.as_os_str();
                (source.as_encoded_bytes() == stats.source.as_ref()).then_some((*mount, stats))
            });
            // One that came or went between the two files.
            let Some((mount, stats)) = found else {
                continue;
            };
            let of_table = layout.table.at(&mount.mountpoint);
            let server = of_table
                .and_then(|of_table| Options(&of_table.super_options).server(&mount.fstype))
                .map_or_else(String::new, |server| server.name());
            let labels = Labels::new(&[
                ("tier", tier(mount.tier)),
                ("mountpoint", &displayable(mount.mountpoint.as_os_str())),
                ("device", &mount.device),
            ]);
            shown.mount(&labels, &server, stats, group.len() as u64);
            shown.operations(&labels, stats, &self.operations);
            // A filesystem is of one tier, but a server's may be of several.
            let key = Key {
                server,
                version: Options(stats.options)
                    .value("vers")
                    .unwrap_or_default()
                    .into(),
                protocol: stats.transports.first().map_or("", |t| t.protocol).into(),
            };
            shown.transports.take(key, mount.tier, &stats.transports);
        }
        let mut families = shown.finish(tier);
        let mut bad_lines = Family::new(&BAD_LINES);
        bad_lines.push(&Labels::none(), self.bad_lines);
        families.push(bad_lines);
        Ok(families)
    }
}

/// The NFS mounts that are shown, those of one superblock together.
fn by_superblock(layout: &MountLayout) -> Vec<Vec<&ShownMount>> {
    let mut groups: Vec<Vec<&ShownMount>> = Vec::new();
    let mut known: FxHashMap<DeviceNumber, usize> = FxHashMap::default();
    for mount in layout.mounts.iter().filter(|m| is_nfs(&m.fstype)) {
        let index = *known.entry(mount.key.dev).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.push(mount),
            None => groups.push(vec![mount]),
        }
    }
    groups
}

/// The families as they are filled.
struct Shown {
    info: Family,
    mounts: Family,
    options: Vec<Family>,
    state: Vec<Family>,
    bytes: Vec<Family>,
    events: Vec<Family>,
    operations: Vec<Family>,
    transports: Transports,
}

impl Shown {
    fn new() -> Self {
        Self {
            info: Family::new(&INFO),
            mounts: Family::new(&MOUNTS),
            options: empty(&OPTIONS),
            state: empty(&STATE),
            bytes: empty(&BYTES),
            events: empty(&EVENTS),
            operations: empty(&OPERATIONS),
            transports: Transports::default(),
        }
    }

    /// All of one mount but its operations.
    fn mount(&mut self, labels: &Labels, server: &str, stats: &NfsMount<'_>, mounts: u64) {
        let options = Options(stats.options);
        self.info.push(&info_labels(labels, server, options), true);
        self.mounts.push(labels, mounts);
        push(&mut self.options, &OPTIONS, labels, |read| read(&options));
        push(&mut self.state, &STATE, labels, |read| read(stats));
        if let Some(bytes) = &stats.bytes {
            push(&mut self.bytes, &BYTES, labels, |read| read(bytes));
        }
        if let Some(events) = &stats.events {
            push(&mut self.events, &EVENTS, labels, |read| read(events));
        }
    }

    /// Its operations: the chosen ones, and the sum of the others.
    fn operations(&mut self, labels: &Labels, stats: &NfsMount<'_>, chosen: &[String]) {
        let mut other: Option<Operation<'_>> = None;
        for operation in &stats.operations {
            if chosen.iter().any(|name| name == operation.name) {
                self.operation(labels, operation.name, operation);
            } else {
                other.get_or_insert_default().add(operation);
            }
        }
        if let Some(other) = other {
            self.operation(labels, OTHER, &other);
        }
    }

    fn operation(&mut self, labels: &Labels, name: &str, operation: &Operation<'_>) {
        let labels = labels.with("operation", name);
        push(&mut self.operations, &OPERATIONS, &labels, |read| {
            read(operation)
        });
    }

    /// All families; `tier` is the name of a tier, by its index.
    fn finish<'t>(self, tier: impl Fn(Option<usize>) -> &'t str) -> Vec<Family> {
        let mut transports = empty(&TRANSPORTS);
        for (key, index, connections) in self.transports.iter() {
            let labels = Labels::new(&[
                ("tier", tier(index)),
                ("server", &key.server),
                ("version", &key.version),
                ("protocol", &key.protocol),
            ]);
            push(&mut transports, &TRANSPORTS, &labels, |read| {
                read(connections)
            });
        }
        let mut all = vec![self.info, self.mounts];
        for some in [
            self.options,
            self.state,
            self.bytes,
            self.events,
            self.operations,
            transports,
        ] {
            all.extend(some);
        }
        all
    }
}

/// What is in force, by the names of the options.
fn info_labels(labels: &Labels, server: &str, options: Options<'_>) -> Labels {
    let mut labels = labels.with("server", server);
    for key in ["vers", "proto", "sec"] {
        labels = labels.with(key, options.value(key).unwrap_or_default());
    }
    let recovery = ["hard", "softerr", "soft"];
    let recovery = recovery.into_iter().find(|word| options.has(word));
    labels = labels.with("recovery", recovery.unwrap_or_default());
    for key in [
        "rsize", "wsize", "timeo", "retrans", "nconnect", "acregmin", "acregmax", "acdirmin",
        "acdirmax",
    ] {
        labels = labels.with(key, options.value(key).unwrap_or_default());
    }
    for key in ["noac", "nocto"] {
        labels = labels.with(key, if options.has(key) { "true" } else { "false" });
    }
    for key in ["lookupcache", "local_lock"] {
        labels = labels.with(key, options.value(key).unwrap_or_default());
    }
    labels
}

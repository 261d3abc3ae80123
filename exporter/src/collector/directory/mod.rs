//! Directories with a budget: what they hold, and how much of it nobody changed for how long.
//!
//! Their totals come from what the filesystem keeps (project quota, qgroup) where it does, else from a
//! walk, which also tells ages. Each directory has a thread of its own; a scrape only takes what it knows.

mod pace;
mod watcher;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::mount::displayable;
use tidegauge_model::reading::Reading;
use tidegauge_model::units::format_duration;

use self::pace::Pace;
pub use self::watcher::Watchers;
use self::watcher::{Known, Order, Target, Watcher};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::quota::Source;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

const LABELS: &[&str] = &["tier", "path"];

static BUDGET: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_budget_bytes",
    "How much the directory may hold.",
    LABELS,
);
static USED: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_used_bytes",
    "What the directory holds, as allocated on the device; absent unless all of it could be read.",
    LABELS,
);
static USED_RATIO: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_used_ratio",
    "What the directory holds, as a share of its budget; over 1 when it holds more.",
    LABELS,
);
static APPARENT: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_apparent_bytes",
    "Sizes of the directory's files and directories added up, holes and unwritten blocks included (du --apparent-size); from walks only.",
    LABELS,
);
static FILES: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_files",
    "Files in the directory and below, a hard link counted once; from walks only.",
    LABELS,
);
static INODES: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_inodes",
    "Files and directories, the directory itself included; from walks and project quotas.",
    LABELS,
);
static OLDER: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_older_than_bytes",
    "Allocated bytes of files that were not changed (mtime) for so long; from walks only.",
    &["tier", "path", "age"],
);
static INFO: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_info",
    "Where the total comes from: project_quota, qgroup or walk; always 1.",
    &["tier", "path", "source"],
);
static UP: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_up",
    "Whether the last reading got all of the directory; absent until the first has ended.",
    LABELS,
);
static WALK_AGE: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_walk_age_seconds",
    "Time since the last walk ended.",
    LABELS,
);
static WALK_TIME: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_walk_duration_seconds",
    "How long the last walk took, its pauses included.",
    LABELS,
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "directory",
    help: "what directories with a budget hold, and how old it is",
    source: "quotactl_fd, btrfs ioctls, statx",
    default_enabled: true,
    schedule: Schedule::OwnTimers,
    settings: &[
        Setting {
            key: "interval",
            help: "how long to wait between two walks of a directory",
            kind: SettingKind::Duration,
            default: "10m",
        },
        Setting {
            key: "quota_interval",
            help: "how long to wait between two readings of quotas and qgroups",
            kind: SettingKind::Duration,
            default: "30s",
        },
        Setting {
            key: "threads",
            help: "threads that walk a directory together, 1 to 64",
            kind: SettingKind::Count { most: 64 },
            default: "2",
        },
    ],
    rights: &[
        Need::new(Right::ReadSearch, "to walk what is closed to others"),
        Need::new(
            Right::SysAdmin,
            "to read quotas of projects without a limit",
        )
        .when("a directory has a budget", |_, tiers| {
            tiers.iter().any(|tier| !tier.directories.is_empty())
        }),
    ],
    families: &[
        &APPARENT,
        &BUDGET,
        &FILES,
        &INFO,
        &INODES,
        &OLDER,
        &UP,
        &USED,
        &USED_RATIO,
        &WALK_AGE,
        &WALK_TIME,
    ],
    build,
};

struct Budgeted {
    tier: usize,
    /// As the operator wrote it.
    path: PathBuf,
    budget: u64,
    order: Order,
    watcher: Option<Arc<Watcher>>,
    /// What the filesystem keeps is of other directories of the configuration too.
    shared: bool,
    labels: Labels,
    older_labels: Vec<Labels>,
}

struct Directories {
    budgeted: Vec<Budgeted>,
    watchers: Arc<Watchers>,
}

impl Watchers {
    /// For walks that heed the I/O pressure that this procfs tells.
    pub fn with_pressure(procfs: &Path) -> Self {
        Self::new(Pace::new(procfs))
    }
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    let mut budgeted = Vec::new();
    let duration = |key| settings.duration(key).unwrap_or_default();
    for (index, tier) in context.tiers.iter().enumerate() {
        for directory in &tier.directories {
            let path = displayable(directory.path.as_os_str());
            let labels = Labels::new(&[("tier", &tier.name), ("path", &path)]);
            let older_labels = directory
                .ages
                .iter()
                .map(|age| labels.with("age", &format_duration(*age)))
                .collect();
            budgeted.push(Budgeted {
                tier: index,
                path: directory.path.clone(),
                budget: directory.budget.0,
                order: Order {
                    path: context.rooted(&directory.path),
                    ages: directory.ages.clone(),
                    sysfs: context.sysfs.clone(),
                    interval: duration("interval"),
                    quota_interval: duration("quota_interval"),
                    threads: settings.count("threads").unwrap_or(1),
                },
                watcher: None,
                shared: false,
                labels,
                older_labels,
            });
        }
    }
    Box::new(Directories {
        budgeted,
        watchers: Arc::clone(&context.memory.watchers),
    })
}

impl Collector for Directories {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        if self.budgeted.is_empty() {
            return Ok(Vec::new());
        }
        let filesystems = pass.filesystems()?;
        let layout = &filesystems.layout;
        let mut known = Vec::new();
        for directory in &mut self.budgeted {
            // Below a mount point without its mount lies another filesystem's directory.
            let is_down = !layout.placement.tiers[directory.tier].down.is_empty();
            let holding = layout.table.holding(&directory.path);
            // Its thread may hang in it, and what it found before is of no use while nothing answers.
            let answers = holding.is_some_and(|mount| {
                !matches!(filesystems.at(&mount.mountpoint), Some(Reading::Failed(_)))
            });
            let target = holding.filter(|_| !is_down).map(|mount| Target {
                mount: (mount.id, mount.dev),
                alone: !directory.shared,
            });
            let watcher = match &directory.watcher {
                Some(watcher) => watcher,
                None => directory.watcher.insert(
                    self.watchers
                        .get(&directory.order)
                        .map_err(|e| ReadError::new(format!("cannot start a thread: {e}")))?,
                ),
            };
            let found = watcher.ask(target);
            let is_there = target.is_some() && answers;
            known.push((is_there, if is_there { found } else { Known::default() }));
        }
        self.find_shared(&known);
        Ok(self.families(&known))
    }
}

impl Directories {
    /// Directories of one project or subvolume have its total together, so none has it alone. They are
    /// walked from the next pass on.
    fn find_shared(&mut self, known: &[(bool, Known)]) {
        let mut by_source: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, (_, known)) in known.iter().enumerate() {
            if let Some(total) = known.total {
                let source = match total.source {
                    Source::Project(id) => (0, u64::from(id)),
                    Source::Qgroup(id) => (1, id),
                };
                by_source
                    .entry((total.device, source))
                    .or_default()
                    .push(index);
            }
        }
        for indexes in by_source.into_values().filter(|i| i.len() > 1) {
            for index in indexes {
                let directory = &mut self.budgeted[index];
                directory.shared = true;
                tracing::warn!(path = %directory.path.display(), "its quota is that of another declared directory too, so it is walked");
            }
        }
    }

    fn families(&self, known: &[(bool, Known)]) -> Vec<Family> {
        let mut families = Families::default();
        for (directory, (is_there, known)) in self.budgeted.iter().zip(known) {
            families.push(directory, *is_there, known);
        }
        families.0
    }
}

/// In the order of the specification's list.
struct Families(Vec<Family>);

impl Default for Families {
    fn default() -> Self {
        Self(SPEC.families.iter().map(|spec| Family::new(spec)).collect())
    }
}

impl Families {
    fn of(&mut self, spec: &'static FamilySpec) -> Option<&mut Family> {
        self.0.iter_mut().find(|f| f.spec.name == spec.name)
    }

    fn add(
        &mut self,
        spec: &'static FamilySpec,
        labels: &Labels,
        value: impl Into<tidegauge_model::metric::Value>,
    ) {
        if let Some(family) = self.of(spec) {
            family.push(labels, value);
        }
    }

    fn push(&mut self, directory: &Budgeted, is_there: bool, known: &Known) {
        let labels = &directory.labels;
        self.add(&BUDGET, labels, directory.budget);
        let walked = known.walked.as_ref();
        let usage = walked.and_then(|walked| walked.usage.as_ref());
        let is_up = if !is_there {
            Some(false)
        } else if directory.order.ages.is_empty() && known.total.is_some() {
            Some(true)
        } else {
            walked.map(|walked| walked.usage.is_some())
        };
        if let Some(is_up) = is_up {
            self.add(&UP, labels, is_up);
        }
        let used = match (known.total, usage) {
            (Some(total), _) => {
                let source = match total.source {
                    Source::Project(_) => "project_quota",
                    Source::Qgroup(_) => "qgroup",
                };
                Some((total.bytes, source))
            }
            (None, Some(usage)) => Some((usage.allocated, "walk")),
            (None, None) => None,
        };
        if let Some((used, source)) = used {
            self.add(&USED, labels, used);
            self.add(&USED_RATIO, labels, share(used, directory.budget));
            self.add(&INFO, &labels.with("source", source), 1u64);
        }
        let of_walk = usage.map(|usage| usage.files.saturating_add(usage.directories));
        if let Some(inodes) = known.total.and_then(|total| total.inodes).or(of_walk) {
            self.add(&INODES, labels, inodes);
        }
        if let Some(usage) = usage {
            self.add(&APPARENT, labels, usage.apparent);
            self.add(&FILES, labels, usage.files);
            for (labels, older) in directory.older_labels.iter().zip(&usage.older) {
                self.add(&OLDER, labels, *older);
            }
        }
        if let Some(walked) = walked {
            self.add(&WALK_AGE, labels, walked.ended.elapsed().as_secs_f64());
            self.add(&WALK_TIME, labels, walked.took.as_secs_f64());
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio has no need of more than 53 bits"
)]
fn share(used: u64, budget: u64) -> f64 {
    used as f64 / budget as f64
}

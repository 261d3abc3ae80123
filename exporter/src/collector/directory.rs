//! Directories with a budget: what they hold, on a timer of its own, because a walk can take minutes.

use std::collections::HashSet;
use std::path::PathBuf;

use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::mount::displayable;

use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::tree;
use crate::host::ReadError;
use crate::host::pass::Pass;
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
static FILES: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_files",
    "Files in the directory and below, a hard link counted once.",
    LABELS,
);
static UP: FamilySpec = FamilySpec::gauge(
    "tidegauge_directory_up",
    "Whether the last walk read all of the directory.",
    LABELS,
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "directory",
    help: "what directories with a budget hold",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[Setting {
        key: "interval",
        help: "how long to wait between two walks",
        kind: SettingKind::Duration,
        default: "10m",
    }],
    families: &[&BUDGET, &USED, &FILES, &UP],
    build,
};

struct Budgeted {
    tier: usize,
    path: PathBuf,
    budget: u64,
    labels: Labels,
}

struct Directories {
    budgeted: Vec<Budgeted>,
    /// Those whose last walk failed, so that each failure is told once.
    failing: HashSet<PathBuf>,
}

fn build(context: &Context, _: &Settings) -> Box<dyn Collector> {
    let mut budgeted = Vec::new();
    for (index, tier) in context.tiers.iter().enumerate() {
        for directory in &tier.directories {
            let path = displayable(directory.path.as_os_str());
            budgeted.push(Budgeted {
                tier: index,
                path: directory.path.clone(),
                budget: directory.budget.0,
                labels: Labels::new(&[("tier", &tier.name), ("path", &path)]),
            });
        }
    }
    Box::new(Directories {
        budgeted,
        failing: HashSet::new(),
    })
}

impl Collector for Directories {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        if self.budgeted.is_empty() {
            return Ok(Vec::new());
        }
        let layout = pass.layout()?;
        let (mut budget, mut used) = (Family::new(&BUDGET), Family::new(&USED));
        let (mut files, mut up) = (Family::new(&FILES), Family::new(&UP));
        for directory in &self.budgeted {
            budget.push(&directory.labels, directory.budget);
            // Below a mount point without its mount lies another filesystem's directory.
            let walked = if layout.placement.tiers[directory.tier].down.is_empty() {
                tree::measure(&directory.path).map_err(|error| error.to_string())
            } else {
                Err("its tier is down".to_owned())
            };
            up.push(&directory.labels, walked.is_ok());
            match walked {
                Ok(usage) => {
                    used.push(&directory.labels, usage.allocated);
                    files.push(&directory.labels, usage.files);
                    self.failing.remove(&directory.path);
                }
                Err(error) if self.failing.insert(directory.path.clone()) => {
                    tracing::warn!(path = %directory.path.display(), error, "directory was not measured");
                }
                Err(_) => {}
            }
        }
        Ok(vec![budget, used, files, up])
    }
}

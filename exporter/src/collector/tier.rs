//! The tiers: sums over their filesystems, their thresholds, whether they can be read.

use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::tier::Thresholds;

use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::statfs::ratio;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::host::tiers::{TierState, tier_states};
use crate::settings::Settings;

const LABELS: &[&str] = &["tier"];

static UP: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_up",
    "Whether every filesystem of the tier is there and can be read.",
    LABELS,
);
static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_tier_info",
    "The tier as it is declared; position 0 is the hottest.",
    &["tier", "position", "paths", "devices", "require_mount"],
);
static THRESHOLD: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_threshold_ratio",
    "Fill levels at which the tier's state changes; without a tier those for filesystems that belong to none.",
    &["tier", "level"],
);
static SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_size_bytes",
    "Size of all filesystems of the tier, each counted once; absent unless all can be read.",
    LABELS,
);
static FREE: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_free_bytes",
    "Free space of the tier, what is reserved for root included.",
    LABELS,
);
static AVAIL: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_avail_bytes",
    "Free space of the tier that any user may write.",
    LABELS,
);
static USED_RATIO: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_used_ratio",
    "Fill level of the tier as df has it: used / (used + avail).",
    LABELS,
);
static FILES: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_files",
    "Inodes of the tier; absent where one of its filesystems makes them as needed.",
    LABELS,
);
static FILES_FREE: FamilySpec = FamilySpec::gauge(
    "tidegauge_tier_files_free",
    "Free inodes of the tier.",
    LABELS,
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "tier",
    help: "size, fill level and thresholds of each tier",
    source: "/proc/1/mountinfo, statfs, configuration",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[],
    rights: &[],
    families: &[
        &UP,
        &INFO,
        &THRESHOLD,
        &SIZE,
        &FREE,
        &AVAIL,
        &USED_RATIO,
        &FILES,
        &FILES_FREE,
    ],
    build,
};

struct Tiers {
    /// Those that never change.
    info: Family,
    thresholds: Family,
    labels: Vec<Labels>,
}

fn build(context: &Context, _: &Settings) -> Box<dyn Collector> {
    let (mut info, mut thresholds) = (Family::new(&INFO), Family::new(&THRESHOLD));
    let mut labels = Vec::new();
    for (position, tier) in context.tiers.iter().enumerate() {
        let of_tier = Labels::new(&[("tier", &tier.name)]);
        let paths: Vec<_> = tier.paths.iter().map(|p| p.to_string_lossy()).collect();
        info.push(
            &of_tier
                .with("position", &position.to_string())
                .with("paths", &paths.join(","))
                .with("devices", &tier.devices.join(","))
                .with(
                    "require_mount",
                    if tier.require_mount { "true" } else { "false" },
                ),
            true,
        );
        for (level, ratio) in tier.thresholds.each() {
            thresholds.push(&of_tier.with("level", level), ratio.0);
        }
        labels.push(of_tier);
    }
    for (level, ratio) in Thresholds::default().each() {
        let of_none = Labels::new(&[("tier", ""), ("level", level)]);
        thresholds.push(&of_none, ratio.0);
    }
    Box::new(Tiers {
        info,
        thresholds,
        labels,
    })
}

impl Collector for Tiers {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let filesystems = pass.filesystems()?;
        let family = |spec| Family::with_capacity(spec, self.labels.len());
        let (mut up, mut size, mut free, mut avail) =
            (family(&UP), family(&SIZE), family(&FREE), family(&AVAIL));
        let (mut used_ratio, mut files, mut files_free) =
            (family(&USED_RATIO), family(&FILES), family(&FILES_FREE));
        for (state, labels) in tier_states(&filesystems).iter().zip(&self.labels) {
            let TierState::Up(sum) = state else {
                up.push(labels, false);
                continue;
            };
            up.push(labels, true);
            size.push(labels, sum.space.size);
            free.push(labels, sum.space.free);
            avail.push(labels, sum.space.avail);
            if let Some(level) = ratio(sum.used, sum.space.avail) {
                used_ratio.push(labels, level);
            }
            if sum.files_known {
                files.push(labels, sum.space.files);
                files_free.push(labels, sum.space.files_free);
            }
        }
        Ok(vec![
            up,
            self.info.clone(),
            self.thresholds.clone(),
            size,
            free,
            avail,
            used_ratio,
            files,
            files_free,
        ])
    }
}

//! What `tidegauge status` knows: pure data, made from readings, shown by [`super::table`] and
//! [`super::json`].

use std::path::Path;
use std::time::Duration;

use tidegauge_exporter::device::statfs::Space;
use tidegauge_exporter::host::storage::Filesystems;
use tidegauge_exporter::host::tiers::TierState;
use tidegauge_model::mount::displayable;
use tidegauge_model::reading::{Reading, Why};
use tidegauge_model::tier::{Level, Thresholds, Tier};

use super::directories::{COLD, Findings, Place};

/// The tiers at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Hottest first.
    pub tiers: Vec<TierRow>,
    /// Filesystems in no tier; they do not count.
    pub unassigned: Vec<FilesystemRow>,
    /// The biggest and the coldest directories, when they were asked for.
    pub listing: Option<Listing>,
}

/// The directories that matter most when space is short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// Those that hold most, the biggest first.
    pub biggest: Vec<BranchRow>,
    /// Those that hold most of what nobody changed for long, the coldest first.
    pub coldest: Vec<BranchRow>,
    /// Places that could not be walked, with the reason.
    pub failed: Vec<(String, String)>,
}

/// A directory right below a budgeted one or below a tier's filesystem.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchRow {
    /// Its tier.
    pub tier: String,
    /// Where, as text.
    pub path: String,
    /// Bytes allocated.
    pub used: u64,
    /// Files, a hard link counted once.
    pub files: u64,
    /// Bytes of files that were not changed for `age`.
    pub cold: u64,
    /// See `cold`.
    pub age: Duration,
}

impl Listing {
    /// Of what was walked, at most `top` of each.
    pub fn new(tiers: &[Tier], places: &[Place], found: &Findings, top: usize) -> Self {
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        for place in places {
            let measured = match found.get(&place.path) {
                Some(Ok(measured)) => measured,
                Some(Err(reason)) => {
                    let path = displayable(place.path.as_os_str()).into_owned();
                    failed.push((path, reason.clone()));
                    continue;
                }
                None => continue,
            };
            let age = place.ages.last().copied().unwrap_or(COLD);
            let branches = measured.tree.iter().flat_map(|tree| &tree.branches);
            rows.extend(branches.map(|(name, usage)| BranchRow {
                tier: tiers[place.tier].name.clone(),
                path: displayable(place.path.join(name).as_os_str()).into_owned(),
                used: usage.allocated,
                files: usage.files,
                cold: usage.older.last().copied().unwrap_or(0),
                age,
            }));
        }
        let ranked = |size: fn(&BranchRow) -> u64| {
            let mut ranked: Vec<BranchRow> = rows.iter().filter(|r| size(r) > 0).cloned().collect();
            ranked.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.path.cmp(&b.path)));
            ranked.truncate(top);
            ranked
        };
        Self {
            biggest: ranked(|row| row.used),
            coldest: ranked(|row| row.cold),
            failed,
        }
    }
}

/// One tier.
#[derive(Clone, Debug, PartialEq)]
pub struct TierRow {
    /// Its name.
    pub name: String,
    /// Its thresholds, which hold for its filesystems and directories too.
    pub thresholds: Thresholds,
    /// Its sums; `None` when it is down.
    pub fill: Option<Fill>,
    /// Why it is down.
    pub reasons: Vec<String>,
    /// The worst of itself, its filesystems and its directories.
    pub level: Level,
    /// Its filesystems.
    pub filesystems: Vec<FilesystemRow>,
    /// Its budgeted directories.
    pub directories: Vec<DirectoryRow>,
}

/// How full something is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// In all; for a directory its budget.
    pub size: u64,
    /// In use.
    pub used: u64,
    /// What can still be written.
    pub avail: u64,
    /// used / (used + avail), or used / budget; `None` for something without any space.
    pub ratio: Option<f64>,
}

/// One filesystem.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesystemRow {
    /// Where it is mounted, as text.
    pub mountpoint: String,
    /// Its source.
    pub device: String,
    /// Its type.
    pub fstype: String,
    /// It takes no writes.
    pub read_only: bool,
    /// Its numbers, or why there are none.
    pub fill: Result<Fill, String>,
    /// How old the numbers are, where they are not of now.
    pub age: Option<Duration>,
    /// By the tier's thresholds; at least a warning when it takes no writes.
    pub level: Level,
}

/// One budgeted directory.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryRow {
    /// Where, as text.
    pub path: String,
    /// Its budget in bytes.
    pub budget: u64,
    /// Its numbers, or why there are none.
    pub fill: Result<Fill, String>,
    /// What a walk and the filesystem know besides.
    pub detail: Option<Detail>,
    /// By the tier's thresholds.
    pub level: Level,
}

/// More about a budgeted directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Where the bytes used come from: `walk`, `project_quota` or `qgroup`.
    pub source: &'static str,
    /// Sizes added up; from a walk.
    pub apparent: Option<u64>,
    /// Files; from a walk.
    pub files: Option<u64>,
    /// Bytes of files that were not changed for so long; from a walk.
    pub older: Vec<(Duration, u64)>,
}

impl Report {
    /// From one reading. `directories` holds what was found in budgeted directories, or why not.
    pub fn new(
        tiers: &[Tier],
        filesystems: &Filesystems,
        states: &[TierState],
        directories: &Findings,
    ) -> Self {
        let mut rows: Vec<TierRow> = tiers
            .iter()
            .zip(states)
            .map(|(tier, state)| tier_row(tier, state, directories))
            .collect();
        let mut unassigned = Vec::new();
        for (mount, shown) in filesystems.layout.mounts.iter().zip(&filesystems.readings) {
            let thresholds = mount
                .tier
                .map_or_else(Thresholds::default, |i| tiers[i].thresholds);
            let (fill, level) = filesystem_fill(&shown.reading, thresholds);
            let row = FilesystemRow {
                mountpoint: displayable(mount.mountpoint.as_os_str()).into_owned(),
                device: mount.device.clone(),
                fstype: mount.fstype.clone(),
                read_only: mount.read_only,
                fill,
                age: shown.reading.age().filter(|age| !age.is_zero()),
                level: if mount.read_only {
                    level.max(Level::Warning)
                } else {
                    level
                },
            };
            match mount.tier {
                None => unassigned.push(row),
                // Other views of a filesystem say nothing new.
                Some(index) if !is_member(filesystems, index, &mount.mountpoint) => {}
                Some(index) => {
                    rows[index].level = worse(rows[index].level, row.level);
                    rows[index].filesystems.push(row);
                }
            }
        }
        Self {
            tiers: rows,
            unassigned,
            listing: None,
        }
    }

    /// As monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown. Critical outranks unknown, which
    /// outranks a warning: what is known to be on fire comes before what cannot be seen.
    pub fn exit_code(&self) -> u8 {
        match self.tiers.iter().map(|t| t.level).reduce(worse) {
            Some(Level::Ok) => 0,
            Some(Level::Warning) => 1,
            Some(Level::Critical) => 2,
            Some(Level::Unknown) | None => 3,
        }
    }
}

/// The graver of two levels, as [`Report::exit_code`] ranks them.
fn worse(a: Level, b: Level) -> Level {
    let rank = |level| match level {
        Level::Ok => 0,
        Level::Warning => 1,
        Level::Unknown => 2,
        Level::Critical => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

fn is_member(filesystems: &Filesystems, tier: usize, mountpoint: &Path) -> bool {
    filesystems.layout.placement.tiers[tier]
        .members
        .iter()
        .any(|m| m.mountpoint == mountpoint)
}

fn tier_row(tier: &Tier, state: &TierState, directories: &Findings) -> TierRow {
    let (fill, reasons, level) = match state {
        TierState::Up(sum) => {
            let ratio = tidegauge_exporter::device::statfs::ratio(sum.used, sum.space.avail);
            let fill = Fill {
                size: sum.space.size,
                used: sum.used,
                avail: sum.space.avail,
                ratio,
            };
            (Some(fill), Vec::new(), level_of(ratio, tier.thresholds))
        }
        // Rights that are missing say nothing of the storage; anything else that is down is grave.
        TierState::Down {
            reasons,
            denied_only: true,
        } => (None, reasons.clone(), Level::Unknown),
        TierState::Down { reasons, .. } => (None, reasons.clone(), Level::Critical),
    };
    let rows: Vec<DirectoryRow> = tier
        .directories
        .iter()
        .map(|budget| {
            let unknown = || Err("it was not measured".to_owned());
            let found = directories
                .get(&budget.path)
                .cloned()
                .unwrap_or_else(unknown);
            let fill = found
                .clone()
                .map(|f| directory_fill(f.used, budget.budget.0));
            let detail = found.ok().map(|found| {
                let usage = found.tree.as_ref().map(|tree| &tree.total);
                let older = usage.map_or(&[][..], |usage| &usage.older);
                // With --directories an age is told where none was asked for.
                let cold = [COLD];
                let ages = if budget.ages.is_empty() {
                    &cold[..]
                } else {
                    &budget.ages
                };
                Detail {
                    source: found.source,
                    apparent: usage.map(|usage| usage.apparent),
                    files: usage.map(|usage| usage.files),
                    older: ages.iter().copied().zip(older.iter().copied()).collect(),
                }
            });
            let level = fill
                .as_ref()
                .map_or(Level::Unknown, |f| level_of(f.ratio, tier.thresholds));
            let path = displayable(budget.path.as_os_str()).into_owned();
            DirectoryRow {
                path,
                budget: budget.budget.0,
                fill,
                detail,
                level,
            }
        })
        .collect();
    let level = rows.iter().map(|d| d.level).fold(level, worse);
    TierRow {
        name: tier.name.clone(),
        thresholds: tier.thresholds,
        fill,
        reasons,
        level,
        filesystems: Vec::new(),
        directories: rows,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio has no need of more than 53 bits"
)]
fn directory_fill(used: u64, budget: u64) -> Fill {
    Fill {
        size: budget,
        used,
        avail: budget.saturating_sub(used),
        ratio: (budget > 0).then(|| used as f64 / budget as f64),
    }
}

fn filesystem_fill(
    reading: &Reading<Space>,
    thresholds: Thresholds,
) -> (Result<Fill, String>, Level) {
    match reading {
        Reading::Present(space) | Reading::Stale { value: space, .. } => {
            let ratio = space.used_ratio();
            let fill = Fill {
                size: space.size,
                used: space.used(),
                avail: space.avail,
                ratio,
            };
            (Ok(fill), level_of(ratio, thresholds))
        }
        Reading::Failed(why @ Why::Denied) => (Err(why.to_string()), Level::Unknown),
        Reading::Failed(why) => (Err(why.to_string()), Level::Critical),
        Reading::Absent => (Err("it was unmounted".to_owned()), Level::Unknown),
    }
}

fn level_of(ratio: Option<f64>, thresholds: Thresholds) -> Level {
    ratio.map_or(Level::Ok, |ratio| thresholds.level(ratio))
}

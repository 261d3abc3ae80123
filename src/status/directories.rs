//! What directories hold: the budgeted ones for the table, and what lies right below them (or below a
//! tier's filesystems) for the lists of the biggest and the coldest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use tidegauge_exporter::device::quota::{Kept, Source, kept};
use tidegauge_exporter::device::tree::{Tree, Walk};
use tidegauge_exporter::host::storage::Filesystems;
use tidegauge_exporter::host::tiers::TierState;
use tidegauge_model::tier::Tier;
use tidegauge_model::units::format_duration;

use crate::host::Host;

/// Cold is what nobody changed for so long, where the configuration names no age.
pub const COLD: Duration = Duration::from_secs(30 * 86_400);

/// What was found in a directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Bytes allocated.
    pub used: u64,
    /// Who says so: `walk`, `project_quota` or `qgroup`.
    pub source: &'static str,
    /// The walk, when one was made: its ages are those of [`Place::ages`].
    pub tree: Option<Tree>,
}

/// Each directory with what was found, or why nothing.
pub type Findings = BTreeMap<PathBuf, Result<Measured, String>>;

/// A directory to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Index of its tier.
    pub tier: usize,
    /// As the host knows it.
    pub path: PathBuf,
    /// Ages to tell; the greatest is what counts as cold.
    pub ages: Vec<Duration>,
    /// It has a budget; the others are only shown in the lists.
    pub budgeted: bool,
}

/// What is to be measured: the budgeted directories; in `detail` also the filesystems of tiers that
/// have none.
pub fn places(tiers: &[Tier], filesystems: &Filesystems, detail: bool) -> Vec<Place> {
    let mut places = Vec::new();
    for (index, tier) in tiers.iter().enumerate() {
        for budget in &tier.directories {
            let mut ages = budget.ages.clone();
            if detail && ages.is_empty() {
                ages.push(COLD);
            }
            places.push(Place {
                tier: index,
                path: budget.path.clone(),
                ages,
                budgeted: true,
            });
        }
        if detail && tier.directories.is_empty() {
            let members = &filesystems.layout.placement.tiers[index].members;
            places.extend(members.iter().map(|member| Place {
                tier: index,
                path: member.mountpoint.clone(),
                ages: vec![COLD],
                budgeted: false,
            }));
        }
    }
    places
}

/// Measures all of them, each on its own thread, within `limit`. Those of a tier that is down are not
/// looked at: what lies there is another filesystem's, or does not answer. In `detail` all are walked,
/// else only where the filesystem keeps no total.
pub fn measure(
    host: &Host,
    places: &[Place],
    filesystems: &Filesystems,
    states: &[TierState],
    detail: bool,
    limit: Duration,
) -> Findings {
    let (send, receive) = channel();
    let mut findings = Findings::new();
    let mut pending = 0;
    for place in places {
        let mounted = filesystems.layout.table.holding(&place.path).is_some();
        if !mounted || matches!(states.get(place.tier), Some(TierState::Down { .. })) {
            findings.insert(place.path.clone(), Err("its tier is down".to_owned()));
            continue;
        }
        let late = format!(
            "it was not measured within {} (--directories-deadline)",
            format_duration(limit)
        );
        findings.insert(place.path.clone(), Err(late));
        if let Err(error) = start(host, place.clone(), detail, send.clone()) {
            let reason = format!("cannot start a thread: {error}");
            findings.insert(place.path.clone(), Err(reason));
        } else {
            pending += 1;
        }
    }
    let deadline = Instant::now() + limit;
    while pending > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok((path, found)) = receive.recv_timeout(left) else {
            break;
        };
        findings.insert(path, found);
        pending -= 1;
    }
    findings
}

type Answer = (PathBuf, Result<Measured, String>);

fn start(host: &Host, place: Place, detail: bool, send: Sender<Answer>) -> std::io::Result<()> {
    let (reached, sysfs) = (host.context.rooted(&place.path), host.context.sysfs.clone());
    let run = move || {
        let found = look(&reached, &sysfs, &place.ages, detail);
        // Too late: nobody waits any more.
        let _ = send.send((place.path, found));
    };
    std::thread::Builder::new().name("walk".into()).spawn(run)?;
    Ok(())
}

fn look(path: &Path, sysfs: &Path, ages: &[Duration], detail: bool) -> Result<Measured, String> {
    // Whatever is wrong with a quota, a walk says more.
    let total = match kept(path, sysfs) {
        Ok(Kept::Total(total)) => Some(total),
        _ => None,
    };
    let tree = if detail || total.is_none() {
        let walk = Walk {
            threads: threads(),
            ages,
            now: SystemTime::now(),
            go_on: &|| true,
            prepare: &|| (),
        };
        Some(walk.measure(path).map_err(|error| error.to_string())?)
    } else {
        None
    };
    let walked = tree.as_ref().map_or(0, |tree| tree.total.allocated);
    let (used, source) = match total.map(|total| (total.bytes, total.source)) {
        Some((bytes, Source::Project(_))) => (bytes, "project_quota"),
        Some((bytes, Source::Qgroup(_))) => (bytes, "qgroup"),
        None => (walked, "walk"),
    };
    Ok(Measured { used, source, tree })
}

/// Somebody waits for this walk, and most of its time is waiting for the device.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get() * 2)
}

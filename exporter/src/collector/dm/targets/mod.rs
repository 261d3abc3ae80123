//! From the states of targets to families.

mod cache;
mod raid;
mod snapshot;
mod thin;
mod writecache;

use std::collections::BTreeSet;

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use super::LABELS;
use crate::collector::table::{Row, join, specs};
use crate::device::dm::status::{Cache, Fill, Leg, Mode, Pool, Status};

/// How a state becomes a sample; `None` where the target is of another kind or does not tell.
type Read = fn(&Status) -> Option<Value>;

const fn gauge(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, LABELS)
}

const fn counter(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::counter(name, help, LABELS)
}

/// The families with one value for each device, by target.
static GAUGES: [&[Row<Read>]; 5] = [
    &snapshot::GAUGES,
    &thin::GAUGES,
    &cache::GAUGES,
    &writecache::GAUGES,
    &raid::GAUGES,
];

/// All families.
pub static FAMILIES: [&FamilySpec; 44] = join(&[
    &specs(&snapshot::GAUGES),
    &specs(&thin::GAUGES),
    &specs(&cache::GAUGES),
    &specs(&writecache::GAUGES),
    &specs(&raid::GAUGES),
    &WITH_MORE_LABELS,
]);

/// Those with one more label.
static WITH_MORE_LABELS: [&FamilySpec; 6] = [
    &thin::POOL_MODE,
    &cache::CACHE_MODE,
    &cache::CACHE_INFO,
    &raid::RAID_INFO,
    &raid::RAID_LEGS,
    &raid::RAID_ACTION,
];

/// All of them, from what the targets of each device tell.
pub fn families(devices: &[(Labels, Vec<Status>)]) -> Vec<Family> {
    let all = || {
        devices
            .iter()
            .flat_map(|(labels, told)| told.iter().map(move |status| (labels, status)))
    };
    let mut families = Vec::with_capacity(FAMILIES.len());
    for (spec, read) in GAUGES.into_iter().flatten() {
        let mut family = Family::new(spec);
        // A device may hold a snapshot and one that is merged; they would be the same series.
        let mut seen = BTreeSet::new();
        for (labels, status) in all() {
            if let Some(value) = read(status)
                && seen.insert(labels.rendered())
            {
                family.push(labels, value);
            }
        }
        families.push(family);
    }
    let [
        mut pool_mode,
        mut cache_mode,
        mut cache_info,
        mut raid_info,
        mut legs,
        mut action,
    ] = WITH_MORE_LABELS.map(Family::new);
    for (labels, status) in all() {
        match status {
            Status::ThinPool(Pool {
                mode: Some(holds), ..
            }) => modes(&mut pool_mode, labels, *holds, &Mode::ALL),
            Status::Cache(found) => {
                let all = [Mode::ReadWrite, Mode::ReadOnly, Mode::Failed];
                if let Some(holds) = found.mode {
                    modes(&mut cache_mode, labels, holds, &all);
                }
                if let Some(mode) = cache::cache(status).and_then(|c| c.write_mode.as_deref()) {
                    cache_info.push(&labels.with("write_mode", mode), true);
                }
            }
            Status::Raid(found) => {
                raid_info.push(&labels.with("level", &found.kind), true);
                for state in Leg::ALL {
                    let count = found.legs.iter().filter(|leg| **leg == state).count();
                    legs.push(&labels.with("state", state.name()), count as u64);
                }
                for name in raid::ACTIONS {
                    if let Some(holds) = &found.action {
                        action.push(&labels.with("action", name), holds == name);
                    }
                }
            }
            _ => {}
        }
    }
    families.extend([pool_mode, cache_mode, cache_info, raid_info, legs, action]);
    families
}

/// Whether all I/O to it fails.
pub fn has_failed(status: &Status) -> bool {
    match status {
        Status::Snapshot(snapshot) => !snapshot.valid,
        Status::ThinPool(Pool { mode, .. }) | Status::Cache(Cache { mode, .. }) => {
            *mode == Some(Mode::Failed)
        }
        Status::Thin(thin) => thin.failed,
        Status::WriteCache(cache) => cache.failed,
        Status::Other { failed } => *failed,
        Status::Raid(_) => false,
    }
}

fn modes(family: &mut Family, labels: &Labels, holds: Mode, all: &[Mode]) {
    for mode in all {
        family.push(&labels.with("mode", mode.name()), *mode == holds);
    }
}

fn bytes(count: u64, each: u64) -> Value {
    count.saturating_mul(each).into()
}

/// `None` of nothing.
fn ratio(fill: Fill) -> Option<Value> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio has no more digits than f64"
    )]
    let ratio = fill.used as f64 / fill.total as f64;
    (fill.total > 0).then_some(ratio.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::dm::status::parse;

    fn value(kind: &str, status: &str, name: &str) -> Option<f64> {
        let labels = Labels::new(&[("tier", "hot")]);
        let told = [(labels, vec![parse(kind, status).unwrap()])];
        let families = families(&told);
        let family = families.iter().find(|f| f.spec.name == name).unwrap();
        family.samples.first().map(|sample| sample.value.as_f64())
    }

    #[test]
    fn sectors_and_blocks_become_bytes() {
        let of = |name| value("snapshot", "4128/16384 32", name);
        assert_eq!(of("tidegauge_dm_snapshot_used_bytes"), Some(2_113_536.0));
        assert_eq!(of("tidegauge_dm_snapshot_size_bytes"), Some(8_388_608.0));
        assert_eq!(of("tidegauge_dm_snapshot_used_ratio"), Some(0.251_953_125));
        let status =
            "8 9/2048 128 12/256 1 56 3 4 5 6 7 1 writeback 2 migration_threshold 2048 smq 0 rw -";
        let of = |name| value("cache", status, name);
        assert_eq!(of("tidegauge_dm_cache_dirty_bytes"), Some(7.0 * 65536.0));
        assert_eq!(of("tidegauge_dm_cache_size_bytes"), Some(256.0 * 65536.0));
    }

    #[test]
    fn what_is_not_known_is_absent() {
        for name in ["used_ratio", "used_bytes", "size_bytes"] {
            let name = format!("tidegauge_dm_snapshot_{name}");
            assert_eq!(value("snapshot", "Invalid", &name), None, "{name}");
        }
        assert_eq!(
            value("snapshot", "Invalid", "tidegauge_dm_snapshot_valid"),
            Some(0.0)
        );
        let of = |status| {
            value(
                "thin-pool",
                status,
                "tidegauge_dm_thin_pool_data_used_ratio",
            )
        };
        assert_eq!(of("1 2/4 0/0 - rw - "), None, "of nothing");
        assert_eq!(of("Fail"), None);
        let used = |status| value("writecache", status, "tidegauge_dm_writecache_used_ratio");
        assert_eq!(used("0 10 11 0"), None, "more free than there are");
        assert_eq!(used("0 10 9 0"), Some(0.1));
        assert_eq!(
            value("mirror", "1 1:0 1/2 1 A 1 core", "tidegauge_dm_raid_action"),
            None
        );
    }
}

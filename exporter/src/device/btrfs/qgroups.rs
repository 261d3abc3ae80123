//! Quota groups as sysfs shows them: `qgroups/`, Linux 5.9.

use std::path::Path;

use super::number;
use super::sysfs::names_in;
use crate::device::kernel_file::attribute;

/// `BTRFS_QGROUP_LIMIT_MAX_RFER` and `BTRFS_QGROUP_LIMIT_MAX_EXCL`: which limits hold.
const LIMIT_REFERENCED: u64 = 1;
const LIMIT_EXCLUSIVE: u64 = 2;

/// A quota group is named by its level and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QgroupId {
    /// 0 for those of subvolumes.
    pub level: u64,
    /// On level 0 the subvolume's number.
    pub number: u64,
}

/// A quota group. Bytes; `None` where it could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qgroup {
    /// Which one.
    pub id: QgroupId,
    /// What its subvolumes refer to.
    pub referenced: Option<u64>,
    /// What no subvolume outside of it refers to.
    pub exclusive: Option<u64>,
    /// How much it may refer to; `None` without a limit.
    pub max_referenced: Option<u64>,
    /// How much it may have for itself; `None` without a limit.
    pub max_exclusive: Option<u64>,
}

/// The quota groups of a filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qgroups {
    /// Whether their numbers need a rescan; `None` before Linux 6.1.
    pub inconsistent: Option<bool>,
    /// How many there are.
    pub all: usize,
    /// Those that were read: the ones with a limit first, then by number.
    pub read: Vec<Qgroup>,
}

/// Reads the quota groups of the filesystem whose folder in sysfs this is, `most` of them. `None` when quotas
/// are off.
pub fn qgroups(folder: &Path, most: usize) -> Option<Qgroups> {
    let folder = folder.join("qgroups");
    let flag = |file: &str| {
        let text = attribute(&folder.join(file))?;
        super::devices::flag(&text)
    };
    // Linux 6.1; before that the folder goes when quotas do.
    if !folder.is_dir() || flag("enabled") == Some(false) {
        return None;
    }
    let value = |id: QgroupId, file: &str| {
        let name = format!("{}_{}", id.level, id.number);
        attribute(&folder.join(name).join(file)).and_then(|text| number(&text))
    };
    let mut ids: Vec<(bool, QgroupId)> = names_in(&folder)
        .iter()
        .filter_map(|name| qgroup_id(name))
        .map(|id| (value(id, "limit_flags").unwrap_or_default() == 0, id))
        .collect();
    ids.sort_unstable();
    let read = |(_, id): &(bool, QgroupId)| {
        let limits = value(*id, "limit_flags").unwrap_or_default();
        let limit = |bit: u64, file: &str| (limits & bit != 0).then(|| value(*id, file)).flatten();
        Qgroup {
            id: *id,
            referenced: value(*id, "referenced"),
            exclusive: value(*id, "exclusive"),
            max_referenced: limit(LIMIT_REFERENCED, "max_referenced"),
            max_exclusive: limit(LIMIT_EXCLUSIVE, "max_exclusive"),
        }
    };
    Some(Qgroups {
        inconsistent: flag("inconsistent"),
        all: ids.len(),
        read: ids.iter().take(most).map(read).collect(),
    })
}

/// The name of a quota group's folder: `0_256`.
pub fn qgroup_id(name: &str) -> Option<QgroupId> {
    let (level, id) = name.split_once('_')?;
    Some(QgroupId {
        level: number(level)?,
        number: number(id)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups() {
        let id = |level, number| Some(QgroupId { level, number });
        assert_eq!(qgroup_id("0_256"), id(0, 256));
        assert_eq!(qgroup_id("1_100"), id(1, 100));
        for other in ["inconsistent", "drop_subtree_threshold", "0_", "_5", "0_x"] {
            assert_eq!(qgroup_id(other), None, "{other}");
        }
    }

    #[test]
    fn those_with_a_limit_come_first_and_no_more_than_asked_for() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(qgroups(root.path(), 2), None);
        for (name, limits) in [("0_5", "0"), ("0_256", "0"), ("0_300", "1"), ("1_7", "0")] {
            let folder = root.path().join("qgroups").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("limit_flags"), limits).unwrap();
            std::fs::write(folder.join("referenced"), "4096\n").unwrap();
            std::fs::write(folder.join("max_referenced"), "8192\n").unwrap();
        }
        let found = qgroups(root.path(), 2).unwrap();
        assert_eq!((found.all, found.inconsistent), (4, None));
        let [limited, top] = found.read[..] else {
            panic!("{found:?}");
        };
        assert_eq!(
            (limited.id.number, limited.max_referenced),
            (300, Some(8192))
        );
        assert_eq!((top.id.number, top.max_referenced), (5, None));
        assert_eq!((top.referenced, top.exclusive), (Some(4096), None));
        std::fs::write(root.path().join("qgroups/enabled"), "0\n").unwrap();
        assert_eq!(qgroups(root.path(), 2), None);
    }
}

//! A software RAID array as sysfs shows it: `/sys/class/block/md*/md`.
//!
//! Source: kernel `Documentation/admin-guide/md.rst`. Since Linux 4.0 reading these files takes no lock but
//! spinlocks and RCU; `journal_mode` and those below `dev-*/block` are another matter and are not read.

use std::path::Path;

use super::kernel_file::attribute;

/// What sysfs tells of an array. `None` where this array or kernel does not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Array {
    /// `array_state`: `clean`, `active`, `inactive`, `read-auto` …
    pub state: Option<String>,
    /// `level`: `raid1` …
    pub level: Option<String>,
    /// `metadata_version`: `1.2`, `external:imsm`, `none`.
    pub metadata: Option<String>,
    /// `uuid` (Linux 6.9).
    pub uuid: Option<String>,
    /// `consistency_policy`: `none`, `resync`, `bitmap`, `journal`, `ppl`.
    pub consistency: Option<String>,
    /// Where the write-intent bitmap is: `none`, `internal` or `file`.
    pub bitmap: Option<&'static str>,
    /// `raid_disks`: how many members it should have; while it is reshaped, will have.
    pub required: Option<u64>,
    /// `degraded`: how many of them are missing.
    pub degraded: Option<u64>,
    /// `sync_action`: `idle`, `resync`, `recover`, `check`, `repair`, `reshape`, `frozen`.
    pub action: Option<String>,
    /// `sync_completed`: how far.
    pub completed: Completed,
    /// `sync_speed` in KiB a second.
    pub speed: Option<u64>,
    /// `mismatch_cnt` in sectors of 512 bytes.
    pub mismatches: Option<u64>,
    /// `reshape_position` in sectors.
    pub reshape_position: Option<u64>,
    /// Size of the device in sectors.
    pub sectors: Option<u64>,
    /// What it is made of, by name.
    pub members: Vec<Member>,
}

/// How far a sync is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completed {
    /// None is under way, or the kernel does not say.
    #[default]
    None,
    /// One waits for that of another array.
    Delayed,
    /// Sectors that are done, of how many.
    Sectors(u64, u64),
}

/// A device of an array: its folder `dev-NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Kernel name.
    pub name: String,
    /// Its place among the required ones.
    pub slot: Option<u64>,
    /// What it does.
    pub role: Role,
    /// Read errors that the array could mend.
    pub errors: Option<u64>,
}

/// What a member does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It works.
    Active,
    /// It failed and was put out.
    Failed,
    /// It stands by.
    Spare,
    /// It is being filled, to work then.
    Rebuilding,
    /// It holds the journal.
    Journal,
    /// The kernel says none of these.
    #[default]
    Unknown,
}

/// Reads the array whose folder this is (`/sys/class/block/md0`). `None` when it is no array, or no longer there.
pub fn read(folder: &Path) -> Option<Array> {
    let md = folder.join("md");
    let text = |file: &str| attribute(&md.join(file));
    let number = |file: &str| text(file).as_deref().and_then(leading_number);
    // With a name for its state an array is there; whatever else went meanwhile is absent.
    let state = text("array_state")?;
    Some(Array {
        state: Some(state),
        level: text("level"),
        metadata: text("metadata_version"),
        uuid: text("uuid"),
        consistency: text("consistency_policy"),
        bitmap: text("bitmap/location").map(|location| match location.as_str() {
            "none" => "none",
            "file" => "file",
            _ => "internal",
        }),
        required: number("raid_disks"),
        degraded: number("degraded"),
        action: text("sync_action"),
        completed: completed(&text("sync_completed").unwrap_or_default()),
        speed: number("sync_speed"),
        mismatches: number("mismatch_cnt"),
        reshape_position: number("reshape_position"),
        sectors: attribute(&folder.join("size")).and_then(|size| size.parse().ok()),
        members: members(&md),
    })
}

fn members(md: &Path) -> Vec<Member> {
    let Ok(entries) = std::fs::read_dir(md) else {
        return Vec::new();
    };
    let mut members: Vec<Member> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_prefix("dev-")?.replace('!', "/");
            // Its state is not there when it went between the list and here.
            let state = attribute(&entry.path().join("state"))?;
            let slot = attribute(&entry.path().join("slot")).and_then(|slot| slot.parse().ok());
            Some(Member {
                name,
                slot,
                role: role(&state, slot.is_some()),
                errors: attribute(&entry.path().join("errors")).and_then(|n| n.parse().ok()),
            })
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

/// Of a member's `state`, words parted by commas.
pub fn role(state: &str, has_slot: bool) -> Role {
    let is = |word: &str| state.split(',').any(|flag| flag.trim() == word);
    if is("faulty") {
        Role::Failed
    } else if is("journal") {
        Role::Journal
    } else if is("in_sync") {
        Role::Active
    } else if is("spare") && has_slot {
        Role::Rebuilding
    } else if is("spare") {
        Role::Spare
    } else {
        Role::Unknown
    }
}

/// `sync_completed`: `none`, `delayed`, or `sectors / sectors`.
pub fn completed(text: &str) -> Completed {
    let sectors = || {
        let (done, all) = text.split_once('/')?;
        let sectors = Completed::Sectors(done.trim().parse().ok()?, all.trim().parse().ok()?);
        Some(sectors)
    };
    match text.trim() {
        "delayed" => Completed::Delayed,
        _ => sectors().unwrap_or_default(),
    }
}

/// Of `4 (3)`, as `raid_disks` reads during a reshape, the first.
fn leading_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_by_what_they_do() {
        assert_eq!(role("in_sync,write_mostly", true), Role::Active);
        assert_eq!(role("faulty", true), Role::Failed);
        assert_eq!(role("faulty,in_sync", false), Role::Failed);
        assert_eq!(role("spare", false), Role::Spare);
        assert_eq!(role("spare", true), Role::Rebuilding);
        assert_eq!(role("journal,in_sync", false), Role::Journal);
        assert_eq!(role("", true), Role::Unknown);
    }

    #[test]
    fn how_far() {
        assert_eq!(completed("none"), Completed::None);
        assert_eq!(completed("delayed"), Completed::Delayed);
        assert_eq!(completed("12 / 800"), Completed::Sectors(12, 800));
        assert_eq!(completed("12 / "), Completed::None);
        assert_eq!(leading_number("4 (3)"), Some(4));
        assert_eq!(leading_number("none"), None);
    }

    #[test]
    fn an_array_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        std::fs::create_dir_all(folder.path().join("md/dev-sda1")).unwrap();
        assert_eq!(read(folder.path()), None);
        // A member without a state went meanwhile.
        std::fs::write(folder.path().join("md/array_state"), "clean\n").unwrap();
        let found = read(folder.path()).unwrap();
        assert_eq!((found.members, found.degraded), (vec![], None));
    }

    proptest! {
        #[test]
        fn any_text_is_no_panic(text in ".{0,40}", has_slot: bool) {
            role(&text, has_slot);
            completed(&text);
            leading_number(&text);
        }
    }
}

//! An array as `/proc/mdstat` and sysfs tell of it together: sysfs first, because it is exact; what only the other
//! knows, or what sysfs hides here, from there.

use std::collections::BTreeSet;

use crate::device::md::{Array as Sysfs, Completed, Role};
use crate::device::mdstat::{Activity, Array as Mdstat, Progress};

/// States as node_exporter has them, `broken` and `reshape` besides.
pub const STATES: [&str; 7] = [
    "active",
    "inactive",
    "broken",
    "recovering",
    "resync",
    "check",
    "reshape",
];

/// What members do, as labels.
pub const ROLES: [(Role, &str); 5] = [
    (Role::Active, "active"),
    (Role::Failed, "failed"),
    (Role::Spare, "spare"),
    (Role::Rebuilding, "rebuilding"),
    (Role::Journal, "journal"),
];

/// A sync that is under way or waits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SyncNow {
    /// It waits.
    pub waits: bool,
    /// Blocks of 1 KiB: done, of how many.
    pub blocks: Option<(u64, u64)>,
    /// KiB a second.
    pub speed: Option<u64>,
    /// Seconds left, estimated.
    pub remaining: Option<f64>,
}

/// Both readings of one array, at least one of which is there.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Of sysfs.
    pub sysfs: Option<&'a Sysfs>,
    /// Of `/proc/mdstat`.
    pub mdstat: Option<&'a Mdstat>,
}

impl Seen<'_> {
    /// One of [`STATES`].
    pub fn state(&self) -> &'static str {
        let kernel = self.sysfs.and_then(|array| array.state.as_deref());
        let activity = match kernel {
            Some("inactive" | "clear") => Activity::Inactive,
            Some("broken") => Activity::Broken,
            Some(_) => Activity::Active,
            None => self
                .mdstat
                .map_or(Activity::Inactive, |array| array.activity),
        };
        match activity {
            Activity::Inactive => return "inactive",
            Activity::Broken => return "broken",
            Activity::Active => {}
        }
        // mdstat knows of one that waits for the first write, too; but of each that waits it says resync.
        let told = self.mdstat.and_then(|array| array.sync.as_ref());
        let (waiting, running) = match told.map(|sync| (&sync.progress, sync.action.as_str())) {
            Some((Progress::Waiting(_), action)) => (Some(action), None),
            Some((Progress::Running { .. }, action)) => (None, Some(action)),
            None => (None, None),
        };
        let of_sysfs = || {
            self.sysfs?
                .action
                .as_deref()
                .filter(|action| *action != "idle")
        };
        let action = running.or_else(of_sysfs).or(waiting);
        match action {
            Some("recovery" | "recover") => "recovering",
            Some("resync" | "repair") => "resync",
            Some("check") => "check",
            Some("reshape") => "reshape",
            _ => "active",
        }
    }

    /// Its level.
    pub fn level(&self) -> &str {
        let of_sysfs = self.sysfs.and_then(|array| array.level.as_deref());
        of_sysfs
            .or_else(|| self.mdstat?.level.as_deref())
            .unwrap_or_default()
    }

    /// Version or kind of its superblocks.
    pub fn metadata(&self) -> &str {
        let of_sysfs = self.sysfs.and_then(|array| array.metadata.as_deref());
        of_sysfs
            .or_else(|| self.mdstat?.metadata.as_deref())
            .unwrap_or_default()
    }

    /// Blocks of 1 KiB.
    pub fn blocks(&self) -> Option<u64> {
        let of_sysfs = || Some(self.sysfs?.sectors? / 2).filter(|blocks| *blocks > 0);
        self.mdstat.and_then(|array| array.blocks).or_else(of_sysfs)
    }

    /// How many members it should have.
    pub fn required(&self) -> Option<u64> {
        let of_sysfs = self.sysfs.and_then(|array| array.required);
        of_sysfs
            .or_else(|| Some(self.mdstat?.disks?.0))
            .filter(|required| *required > 0)
    }

    /// How many of its members do each thing, the missing ones last.
    pub fn members(&self) -> Vec<(&'static str, u64)> {
        let Some(sysfs) = self.sysfs else {
            return self.mdstat.map(members_of_mdstat).unwrap_or_default();
        };
        let count = |role| sysfs.members.iter().filter(|m| m.role == role).count() as u64;
        let mut counts: Vec<_> = ROLES
            .iter()
            .map(|(role, name)| (*name, count(*role)))
            .collect();
        if let Some(required) = sysfs.required.filter(|required| *required > 0) {
            let taken = sysfs.members.iter().filter(|m| m.role != Role::Failed);
            let taken: BTreeSet<u64> = taken
                .filter_map(|m| m.slot.filter(|slot| *slot < required))
                .collect();
            counts.push(("missing", required.saturating_sub(taken.len() as u64)));
        }
        counts
    }

    /// What is done to bring it in order; `None` when nothing is to be done.
    pub fn sync(&self) -> Option<SyncNow> {
        let told = self.mdstat.and_then(|array| array.sync.as_ref());
        let completed = self.sysfs.map(|array| array.completed).unwrap_or_default();
        let mut now = SyncNow::default();
        match told.map(|sync| &sync.progress) {
            Some(Progress::Waiting(_)) => now.waits = true,
            Some(Progress::Running {
                done,
                total,
                finish_seconds,
                speed,
            }) => {
                now.blocks = Some((*done, *total));
                now.speed = *speed;
                now.remaining = finish_seconds.as_ref().map(as_f64);
            }
            None if completed == Completed::None => return None,
            None => {}
        }
        match completed {
            // It may have begun, or ended, between the two readings.
            Completed::Sectors(done, total) => {
                now.waits = false;
                now.blocks = Some((done / 2, total / 2));
                now.speed = self.sysfs.and_then(|array| array.speed).or(now.speed);
            }
            Completed::Delayed => now.waits = true,
            Completed::None => {}
        }
        now.blocks = now
            .blocks
            .filter(|(done, total)| done <= total && *total > 0);
        if let (None, Some((done, total)), Some(speed)) = (now.remaining, now.blocks, now.speed)
            && speed > 0
        {
            now.remaining = Some(as_f64(&(total - done)) / as_f64(&speed));
        }
        Some(now)
    }

    /// Blocks that are in order, as node_exporter counts: all when no sync is to be done, else those that are done.
    pub fn blocks_synced(&self) -> Option<u64> {
        match self.sync() {
            None => self.blocks(),
            Some(SyncNow { waits: true, .. }) => Some(0),
            Some(now) => now.blocks.map(|(done, _)| done),
        }
    }
}

fn members_of_mdstat(array: &Mdstat) -> Vec<(&'static str, u64)> {
    let count = |is: fn(&crate::device::mdstat::Member) -> bool| {
        array.members.iter().filter(|member| is(member)).count() as u64
    };
    let mut counts = vec![
        ("failed", count(|member| member.faulty)),
        ("spare", count(|member| member.spare && !member.faulty)),
        ("journal", count(|member| member.journal && !member.faulty)),
    ];
    // Whether one of the others works yet it tells only by the sum.
    if let Some((_, working)) = array.disks {
        counts.push(("active", working));
    }
    counts
}

#[expect(clippy::cast_precision_loss, reason = "exact for 8 EiB of KiB")]
fn as_f64(number: &u64) -> f64 {
    *number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::md::Member;
    use crate::device::mdstat;

    fn of_mdstat(sync: &str) -> Mdstat {
        let text = format!(
            "md0 : active raid1 sdb[2] sda[0]\n      1000 blocks super 1.2 [2/1] [U_]\n      {sync}\n"
        );
        mdstat::parse(text.as_bytes()).remove(0)
    }

    fn of_sysfs(state: &str, completed: Completed) -> Sysfs {
        let member = |name: &str, slot, role| Member {
            name: name.into(),
            slot,
            role,
            errors: None,
        };
        Sysfs {
            state: Some(state.into()),
            action: Some("idle".into()),
            required: Some(3),
            completed,
            speed: Some(10),
            sectors: Some(2000),
            members: vec![
                member("sda", Some(0), Role::Active),
                member("sdb", Some(1), Role::Rebuilding),
                member("sdc", None, Role::Failed),
                member("sdd", None, Role::Spare),
            ],
            ..Sysfs::default()
        }
    }

    #[test]
    fn either_alone_is_enough() {
        let mdstat = of_mdstat("[=>..]  recovery = 10.0% (100/1000) finish=1.5min speed=10K/sec");
        let seen = Seen {
            sysfs: None,
            mdstat: Some(&mdstat),
        };
        assert_eq!((seen.state(), seen.level()), ("recovering", "raid1"));
        assert_eq!(
            (seen.blocks(), seen.blocks_synced()),
            (Some(1000), Some(100))
        );
        assert_eq!(seen.sync().unwrap().remaining, Some(90.0));
        assert_eq!(seen.required(), Some(2));
        assert!(seen.members().contains(&("active", 1)));

        let sysfs = of_sysfs("clean", Completed::Sectors(400, 2000));
        let seen = Seen {
            sysfs: Some(&sysfs),
            mdstat: None,
        };
        assert_eq!(
            (seen.blocks(), seen.blocks_synced()),
            (Some(1000), Some(200))
        );
        assert_eq!(seen.sync().unwrap().remaining, Some(80.0));
        let counts = [
            ("active", 1),
            ("failed", 1),
            ("spare", 1),
            ("rebuilding", 1),
            ("journal", 0),
            ("missing", 1),
        ];
        assert_eq!(seen.members(), counts);
    }

    #[test]
    fn one_that_waits_has_nothing_done() {
        let mdstat = of_mdstat("resync=PENDING");
        let sysfs = of_sysfs("read-auto", Completed::None);
        let seen = Seen {
            sysfs: Some(&sysfs),
            mdstat: Some(&mdstat),
        };
        assert_eq!((seen.state(), seen.blocks_synced()), ("resync", Some(0)));
        let now = seen.sync().unwrap();
        assert!(now.waits && now.blocks.is_none() && now.remaining.is_none());
    }

    #[test]
    fn nothing_to_do_and_nonsense() {
        let (mdstat, sysfs) = (of_mdstat(""), of_sysfs("active", Completed::None));
        let seen = Seen {
            sysfs: Some(&sysfs),
            mdstat: Some(&mdstat),
        };
        assert_eq!((seen.state(), seen.sync()), ("active", None));
        assert_eq!(seen.blocks_synced(), seen.blocks());
        // More than all is no progress.
        let sysfs = of_sysfs("inactive", Completed::Sectors(9, 4));
        let seen = Seen {
            sysfs: Some(&sysfs),
            mdstat: None,
        };
        assert_eq!((seen.state(), seen.blocks_synced()), ("inactive", None));
        let now = seen.sync().unwrap();
        assert_eq!((now.blocks, now.remaining), (None, None));
    }
}

//! Which hazards there are, and what one look at the host found of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::collector::readings::Trouble;

macro_rules! hazards {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)+) => {
        /// A setting that hurts, or an arrangement that will. docs/hazards.md says of each why, and what to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Hazard {
            $($(#[$doc])* $name,)+
        }

        impl Hazard {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As the label `hazard`; never changed.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }
        }
    };
}

hazards! {
    /// ext4 without barriers over a volatile write cache.
    Ext4BarrierOff = "ext4_barrier_off",
    /// ext4 with `data=writeback`.
    Ext4DataWriteback = "ext4_data_writeback",
    /// ext4 without a journal, writable.
    Ext4NoJournal = "ext4_no_journal",
    /// ext4 that cannot be grown while mounted.
    Ext4SparseSuper2 = "ext4_sparse_super2",
    /// btrfs with `autodefrag`.
    BtrfsAutodefrag = "btrfs_autodefrag",
    /// btrfs with `nodatacow`.
    BtrfsNodatacow = "btrfs_nodatacow",
    /// btrfs that may be mounted with a device missing.
    BtrfsDegraded = "btrfs_degraded",
    /// NFS with `soft` or `softerr`.
    NfsSoft = "nfs_soft",
    /// Trim at every deletion, on NVMe.
    DiscardContinuous = "discard_continuous",
    /// Trim at every deletion and by a timer.
    TrimTwice = "trim_twice",
    /// No trim at all on a device that takes it.
    TrimNever = "trim_never",
    /// An entry of fstab by a kernel name.
    FstabDeviceName = "fstab_device_name",
    /// An entry of fstab that holds up or ends the boot.
    FstabNoNofail = "fstab_no_nofail",
    /// An entry of fstab that is mounted before the network is up.
    FstabNoNetdev = "fstab_no_netdev",
    /// NFS with `intr`, which does nothing.
    FstabNfsIntr = "fstab_nfs_intr",
    /// XFS with `nobarrier` or `barrier`, which the kernel refuses.
    FstabXfsBarrier = "fstab_xfs_barrier",
    /// Options for a journal, which the kernel refuses where there is none.
    FstabExt4JournalOption = "fstab_ext4_journal_option",
    /// An unmounted mount point with files in it.
    MountPointHoldsFiles = "mount_point_holds_files",
    /// An unmounted mount point that can be written.
    MountPointUnprotected = "mount_point_unprotected",
    /// lvm discards what a removed volume held.
    LvmIssueDiscards = "lvm_issue_discards",
    /// A udev rule that runs fstrim.
    UdevRunsFstrim = "udev_runs_fstrim",
}

/// What was found: (tier, target).
pub type Finding = (String, String);

/// What one look at the host found.
#[derive(Debug, Default)]
pub struct Report {
    found: BTreeMap<Hazard, BTreeSet<Finding>>,
    troubles: BTreeMap<Hazard, Trouble>,
}

impl Report {
    /// A finding. The same twice is one.
    pub fn found(&mut self, hazard: Hazard, tier: &str, target: impl Into<String>) {
        let finding = (tier.to_owned(), target.into());
        self.found.entry(hazard).or_default().insert(finding);
    }

    /// The hazard could not be looked for everywhere. Of several reasons the last is told.
    pub fn unchecked(&mut self, hazard: Hazard, trouble: Trouble) {
        self.troubles.insert(hazard, trouble);
    }

    /// What was found of it, in order.
    pub fn findings(&self, hazard: Hazard) -> impl ExactSizeIterator<Item = &Finding> {
        static NONE: BTreeSet<Finding> = BTreeSet::new();
        self.found.get(&hazard).unwrap_or(&NONE).iter()
    }

    /// Why it could not be looked for everywhere.
    pub fn trouble(&self, hazard: Hazard) -> Option<&Trouble> {
        self.troubles.get(&hazard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_words_and_each_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hazards.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut described: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
            .collect();
        let mut ids: Vec<&str> = Hazard::ALL.iter().map(|hazard| hazard.id()).collect();
        for id in &ids {
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(id.chars().all(is_word), "{id}");
        }
        ids.sort_unstable();
        described.sort_unstable();
        assert_eq!(ids, described);
        ids.dedup();
        assert_eq!(ids.len(), Hazard::ALL.len());
    }
}

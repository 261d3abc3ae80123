//! One reading of everything: what `/metrics` writes and what the sidecar's window takes in.

use std::sync::Arc;
use std::time::SystemTime;

use crate::metric::Family;

/// The families of one collector. Shared, because a slow collector's last families are shown again.
#[derive(Clone, Debug)]
pub struct Group {
    /// The collector's name, as in `collect[]`. Families that belong to no collector (build,
    /// process, the collectors' own state) are in the group named [`Group::ALWAYS`].
    pub collector: &'static str,
    /// Its families. No family is in two groups.
    pub families: Arc<[Family]>,
}

impl Group {
    /// Name of the group that every answer carries, whatever was asked for.
    pub const ALWAYS: &'static str = "";
}

/// One reading of all collectors that were asked for.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the reading began, by the wall clock.
    pub taken: SystemTime,
    /// In the order in which they are written.
    pub groups: Vec<Group>,
}

impl Snapshot {
    /// All families, in order.
    pub fn families(&self) -> impl Iterator<Item = &Family> {
        self.groups.iter().flat_map(|g| g.families.iter())
    }
}

//! From the filesystems' readings to the tiers': sums, or why there are none.

use std::path::Path;

use tidegauge_model::mount::displayable;
use tidegauge_model::placement::{Down, TierPlacement};
use tidegauge_model::reading::{Reading, Why};

use super::storage::Filesystems;
use crate::device::statfs::Space;

/// Whether a tier's numbers are known.
#[derive(Clone, Debug, PartialEq)]
pub enum TierState {
    /// Every member was read.
    Up(Sum),
    /// Not every member could be read.
    Down {
        /// Why, each a sentence.
        reasons: Vec<String>,
        /// With more rights it could be read.
        denied_only: bool,
    },
}

/// Sums over the members of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Added up.
    pub space: Space,
    /// Bytes in use, added up member by member.
    pub used: u64,
    /// Whether every member has a table of inodes.
    pub files_known: bool,
}

/// The state of each tier, in their order. A tier with an unreadable member has no sum: a part would
/// pass for the whole.
pub fn tier_states(filesystems: &Filesystems) -> Vec<TierState> {
    let placed = &filesystems.layout.placement.tiers;
    placed
        .iter()
        .enumerate()
        .map(|(index, tier)| tier_state(index, tier, filesystems))
        .collect()
}

fn tier_state(index: usize, tier: &TierPlacement, filesystems: &Filesystems) -> TierState {
    let mut reasons: Vec<String> = tier.down.iter().map(Down::to_string).collect();
    let mut denied = 0;
    let mut failed = |path: &Path, why: &Why| {
        denied += usize::from(*why == Why::Denied);
        match why {
            Why::Errno(NO_ENTRY) => format!("{} does not exist", show(path)),
            why => format!("{}: {why}", show(path)),
        }
    };
    let zero = Space {
        size: 0,
        free: 0,
        avail: 0,
        files: 0,
        files_free: 0,
    };
    let mut sum = Sum {
        space: zero,
        used: 0,
        files_known: true,
    };
    for member in &tier.members {
        match filesystems.at(&member.mountpoint) {
            Some(Reading::Present(space) | Reading::Stale { value: space, .. }) => sum.add(space),
            Some(Reading::Failed(why)) => reasons.push(failed(&member.mountpoint, why)),
            Some(Reading::Absent) | None => {
                reasons.push(format!("{} was unmounted", show(&member.mountpoint)));
            }
        }
    }
    for (_, path, shown) in filesystems.inside.iter().filter(|(of, ..)| *of == index) {
        if let Reading::Failed(why) = &shown.reading {
            reasons.push(failed(path, why));
        }
    }
    if reasons.is_empty() {
        TierState::Up(sum)
    } else {
        TierState::Down {
            denied_only: denied == reasons.len(),
            reasons,
        }
    }
}

/// ENOENT, of `errno-base.h`.
const NO_ENTRY: i32 = 2;

fn show(path: &Path) -> std::borrow::Cow<'_, str> {
    displayable(path.as_os_str())
}

impl Sum {
    fn add(&mut self, space: &Space) {
        self.space.size = self.space.size.saturating_add(space.size);
        self.space.free = self.space.free.saturating_add(space.free);
        self.space.avail = self.space.avail.saturating_add(space.avail);
        self.space.files = self.space.files.saturating_add(space.files);
        self.space.files_free = self.space.files_free.saturating_add(space.files_free);
        self.used = self.used.saturating_add(space.used());
        self.files_known &= space.files > 0;
    }
}

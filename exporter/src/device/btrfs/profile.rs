//! Profiles of block groups, and how much more of each could be allocated.
//!
//! Source: kernel `btrfs_raid_array` in `fs/btrfs/volumes.c`, `btrfs_reduce_alloc_profile` in `block-group.c`.

/// The kernel takes nothing from the beginning of a device (`BTRFS_DEVICE_RANGE_RESERVED`).
const RESERVED: u64 = 1 << 20;
/// `BTRFS_STRIPE_LEN`: less than that of a device is of no use.
const STRIPE: u64 = 64 << 10;

/// How block groups lie on devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Once, on one device.
    Single,
    /// Twice on one device.
    Dup,
    /// On as many devices as there are, without redundancy.
    Raid0,
    /// Twice, on two devices.
    Raid1,
    /// On three devices.
    Raid1c3,
    /// On four devices.
    Raid1c4,
    /// Twice, in stripes over an even number of devices.
    Raid10,
    /// In stripes, with one of parity.
    Raid5,
    /// In stripes, with two of parity.
    Raid6,
}

impl Profile {
    /// In the order in which the kernel prefers them when a filesystem has block groups of several.
    const PREFERRED: [Self; 9] = [
        Self::Raid1c4,
        Self::Raid6,
        Self::Raid1c3,
        Self::Raid5,
        Self::Raid10,
        Self::Raid1,
        Self::Dup,
        Self::Raid0,
        Self::Single,
    ];

    /// As sysfs names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Dup => "dup",
            Self::Raid0 => "raid0",
            Self::Raid1 => "raid1",
            Self::Raid1c3 => "raid1c3",
            Self::Raid1c4 => "raid1c4",
            Self::Raid10 => "raid10",
            Self::Raid5 => "raid5",
            Self::Raid6 => "raid6",
        }
    }

    /// By its name in sysfs.
    pub fn parse(name: &str) -> Option<Self> {
        Self::PREFERRED
            .into_iter()
            .find(|profile| profile.name() == name)
    }

    /// How often each byte lies on the devices.
    fn copies(self) -> u64 {
        match self {
            Self::Single | Self::Raid0 | Self::Raid5 | Self::Raid6 => 1,
            Self::Dup | Self::Raid1 | Self::Raid10 => 2,
            Self::Raid1c3 => 3,
            Self::Raid1c4 => 4,
        }
    }

    /// Stripes of parity.
    fn parity(self) -> usize {
        match self {
            Self::Raid5 => 1,
            Self::Raid6 => 2,
            _ => 0,
        }
    }

    /// The fewest devices that a new block group needs. Since Linux 5.15 raid0 does with one and raid10 with two.
    fn least_devices(self) -> usize {
        match self {
            Self::Single | Self::Dup | Self::Raid0 => 1,
            Self::Raid1 | Self::Raid10 | Self::Raid5 => 2,
            Self::Raid1c3 | Self::Raid6 => 3,
            Self::Raid1c4 => 4,
        }
    }

    /// Bytes on devices for each byte of block group, on a filesystem of so many devices.
    #[expect(clippy::cast_precision_loss, reason = "a number of devices")]
    pub fn ratio(self, devices: usize) -> f64 {
        match self.parity() {
            0 => self.copies() as f64,
            parity if devices > parity => devices as f64 / (devices - parity) as f64,
            _ => 1.0,
        }
    }

    /// The profile of the next block group, where some of these exist and so many devices can be written.
    pub fn next(existing: &[Self], devices: usize) -> Self {
        Self::PREFERRED
            .into_iter()
            .find(|p| existing.contains(p) && devices >= p.least_devices())
            .unwrap_or(Self::Single)
    }

    /// How many bytes of new block groups could be made of what is unallocated on each device that can be written.
    pub fn allocatable(self, unallocated: &[u64]) -> u64 {
        let usable = |free: &u64| free.saturating_sub(RESERVED) / STRIPE * STRIPE;
        let mut free: Vec<u64> = unallocated.iter().map(usable).collect();
        match self {
            Self::Single => sum(&free),
            Self::Dup => sum(&free) / 2,
            Self::Raid1 | Self::Raid1c3 | Self::Raid1c4 => mirrored(&free, self.copies()),
            Self::Raid0 | Self::Raid10 | Self::Raid5 | Self::Raid6 => striped(
                &mut free,
                self.copies(),
                self.parity(),
                self.least_devices(),
            ),
        }
    }
}

fn sum(free: &[u64]) -> u64 {
    free.iter().fold(0, |all, one| all.saturating_add(*one))
}

/// The most that can lie `copies` times on as many different devices each. Taken from the emptiest
/// devices first, as the kernel does, a device can hold no more than one copy of all.
fn mirrored(free: &[u64], copies: u64) -> u64 {
    let fits = |all: u64| {
        let held = free
            .iter()
            .fold(0_u128, |sum, one| sum + u128::from(all.min(*one)));
        held >= u128::from(all) * u128::from(copies)
    };
    let (mut low, mut high) = (0, sum(free) / copies);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// Stripes over all devices with space, then over those that have some left, while there are enough.
fn striped(free: &mut Vec<u64>, copies: u64, parity: usize, least: usize) -> u64 {
    let mut all: u64 = 0;
    // The kernel takes a gibibyte of each device at a time, which evens out what they have left.
    let step = (sum(free) / 4096).max(1 << 30);
    free.retain(|one| *one > 0);
    free.sort_unstable();
    while free.len() >= least {
        let width = match usize::try_from(copies) {
            Ok(copies) => free.len() / copies * copies,
            Err(_) => return all,
        };
        // The emptiest ones, when not all can be used.
        let first = free.len() - width;
        let stripe = if first == 0 {
            free[0]
        } else {
            free[first].min(step)
        };
        let stripes = (width - parity) as u64 / copies;
        all = all.saturating_add(stripe.saturating_mul(stripes));
        for one in &mut free[first..] {
            *one -= stripe;
        }
        free.retain(|one| *one > 0);
        free.sort_unstable();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    /// Free space of which nothing is reserved.
    fn gib(sizes: &[u64]) -> Vec<u64> {
        sizes.iter().map(|size| size * GIB + RESERVED).collect()
    }

    #[test]
    fn what_two_devices_give() {
        let even = gib(&[10, 10]);
        let uneven = gib(&[30, 10]);
        for (profile, of_even, of_uneven) in [
            (Profile::Single, 20, 40),
            (Profile::Dup, 10, 20),
            (Profile::Raid0, 20, 40),
            (Profile::Raid1, 10, 10),
            (Profile::Raid10, 10, 10),
            (Profile::Raid5, 10, 10),
            (Profile::Raid6, 0, 0),
            (Profile::Raid1c3, 0, 0),
            (Profile::Raid1c4, 0, 0),
        ] {
            assert_eq!(profile.allocatable(&even), of_even * GIB, "{profile:?}");
            assert_eq!(profile.allocatable(&uneven), of_uneven * GIB, "{profile:?}");
        }
    }

    #[test]
    fn what_four_devices_give() {
        let free = gib(&[10, 20, 30, 40]);
        for (profile, all) in [
            (Profile::Raid1, 50),
            (Profile::Raid1c3, 30),
            (Profile::Raid1c4, 10),
            (Profile::Raid0, 100),
            (Profile::Raid10, 50),
            // 3 × 10 of four, 2 × 10 of three, 1 × 10 of two.
            (Profile::Raid5, 60),
            (Profile::Raid6, 30),
        ] {
            assert_eq!(profile.allocatable(&free), all * GIB, "{profile:?}");
        }
    }

    #[test]
    fn an_odd_device_is_used_in_turn() {
        let free = gib(&[10, 10, 10]);
        assert_eq!(Profile::Raid10.allocatable(&free), 15 * GIB);
        assert_eq!(Profile::Raid1.allocatable(&free), 15 * GIB);
    }

    #[test]
    fn one_full_device_leaves_a_mirror_nothing() {
        assert_eq!(Profile::Raid1.allocatable(&[RESERVED, 100 * GIB]), 0);
        assert_eq!(Profile::Raid1.allocatable(&[100 * GIB]), 0);
        assert_eq!(Profile::Raid1.allocatable(&[]), 0);
    }

    #[test]
    fn the_next_block_group_is_of_the_safest_profile_that_is_possible() {
        let both = [Profile::Single, Profile::Raid1];
        assert_eq!(Profile::next(&both, 2), Profile::Raid1);
        assert_eq!(Profile::next(&both, 1), Profile::Single);
        // Degraded: what is written now has one copy.
        assert_eq!(Profile::next(&[Profile::Raid1], 1), Profile::Single);
        assert_eq!(Profile::next(&[Profile::Dup], 1), Profile::Dup);
    }

    #[test]
    fn names_and_ratios() {
        for profile in Profile::PREFERRED {
            assert_eq!(Profile::parse(profile.name()), Some(profile));
        }
        assert_eq!(Profile::parse("raid7"), None);
        assert_eq!(Profile::Raid1c3.ratio(5), 3.0);
        assert_eq!(Profile::Raid5.ratio(4), 4.0 / 3.0);
        assert_eq!(Profile::Raid6.ratio(1), 1.0);
    }

    proptest! {
        #[test]
        fn never_more_than_there_is(free in prop::collection::vec(any::<u64>(), 0..12)) {
            for profile in Profile::PREFERRED {
                let all = u128::from(profile.allocatable(&free));
                let raw: u128 = free.iter().map(|one| u128::from(*one)).sum();
                prop_assert!(all * u128::from(profile.copies()) <= raw);
            }
        }
    }
}

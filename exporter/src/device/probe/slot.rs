//! What is known of one mount, and what of it is shown.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use tidegauge_model::mount::DeviceNumber;
use tidegauge_model::reading::{Reading, Why};

use crate::device::statfs::Space;

/// A value that is older is not shown: a mount that does not answer has no numbers then.
pub const SHOWN_FOR: Duration = Duration::from_secs(30);
/// From this long without an answer the mount counts as an error of its device.
pub const ERROR_FROM: Duration = Duration::from_secs(2);

/// What a mount is known by. Not by its path alone: after a lazy unmount and a new mount the path is
/// the same and the filesystem is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MountKey {
    /// Mount id.
    pub id: u32,
    /// Superblock.
    pub dev: DeviceNumber,
    /// Where it is asked.
    pub path: PathBuf,
}

/// What to show of a mount.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its space, or why not.
    pub reading: Reading<Space>,
    /// How long the last call took; of a call that has not returned, how long it has lasted.
    pub took: Duration,
    /// It answered with an error, or not for [`ERROR_FROM`].
    pub device_error: bool,
}

pub(super) struct Slot {
    pub(super) key: MountKey,
    pub(super) fstype: String,
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) in_flight: Option<Instant>,
    pub(super) good: Option<(Space, Instant)>,
    pub(super) answer: Option<Answer>,
    /// A thread serves this mount alone.
    pub(super) owned: bool,
    /// The pass that waits for the owning thread.
    pub(super) requested: Option<u64>,
    pub(super) gone: bool,
    pub(super) prompt: u32,
}

pub(super) struct Answer {
    pub(super) failure: Option<Why>,
    pub(super) at: Instant,
    pub(super) took: Duration,
}

impl State {
    pub(super) fn shown(&self, pass_began: Instant, now: Instant) -> Shown {
        let recent = || {
            let (value, at) = self.good?;
            let age = now.saturating_duration_since(at);
            (age <= SHOWN_FOR).then_some(Reading::Stale { value, age })
        };
        match (self.in_flight, &self.answer) {
            (Some(since), _) => {
                let waited = now.saturating_duration_since(since);
                Shown {
                    reading: recent().unwrap_or(Reading::Failed(Why::Hung(waited))),
                    took: waited,
                    device_error: waited >= ERROR_FROM,
                }
            }
            (
                None,
                Some(Answer {
                    failure: Some(why),
                    took,
                    ..
                }),
            ) => Shown {
                reading: Reading::Failed(why.clone()),
                took: *took,
                device_error: *why != Why::Denied,
            },
            (
                None,
                Some(Answer {
                    failure: None,
                    at,
                    took,
                }),
            ) => {
                let fresh = self
                    .good
                    .filter(|_| *at >= pass_began)
                    .map(|(v, _)| Reading::Present(v));
                Shown {
                    reading: fresh
                        .or_else(recent)
                        .unwrap_or(Reading::Failed(Why::Hung(Duration::ZERO))),
                    took: *took,
                    device_error: false,
                }
            }
            (None, None) => Shown {
                reading: Reading::Failed(Why::Hung(Duration::ZERO)),
                took: Duration::ZERO,
                device_error: false,
            },
        }
    }
}

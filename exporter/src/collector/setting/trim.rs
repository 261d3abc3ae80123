//! Whether a filesystem was trimmed within a time, as far as that can be known.

use std::time::{Duration, Instant};

use super::discards::Watched;
use super::verdict::Verdict;
use crate::collector::readings::{State, Trouble};

/// What speaks for and against a trim of one filesystem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence {
    /// Its devices take discards; `None` when the kernel does not tell.
    pub supported: Option<bool>,
    /// The kernel counts what its devices do (`queue/iostats`).
    pub counting: bool,
    /// Discards since its devices came.
    pub counted: u64,
    /// How long ago one was last seen.
    pub seen: Option<Duration>,
    /// For how long its devices were watched.
    pub watched: Duration,
    /// Since the host started.
    pub uptime: Option<Duration>,
    /// How long ago systemd's fstrim.timer ran; `None` too where that does not trim this filesystem.
    pub timer: Option<Duration>,
    /// It does not discard again what it discarded before (ext4): a trim when nothing was freed discards nothing.
    pub remembers: bool,
}

impl Evidence {
    /// Adds what was watched of the devices of one filesystem.
    pub fn watch(&mut self, devices: &[Watched], now: Instant) {
        let ago = |then: Instant| now.saturating_duration_since(then);
        let seen = devices.iter().filter_map(|d| d.last);
        self.seen = seen.map(|(at, _)| ago(at)).min();
        self.counted = devices.iter().fold(0, |sum, d| d.count.saturating_add(sum));
        let watched = devices.iter().map(|d| ago(d.since));
        self.watched = watched.min().unwrap_or_default();
    }

    /// Compares with how long ago the last trim may be.
    pub fn within(&self, limit: Duration) -> Verdict {
        let compared = |ok, actual: &str| Verdict::Compared {
            ok,
            actual: actual.to_owned(),
        };
        let recent = |ago: Option<Duration>| ago.is_some_and(|ago| ago <= limit);
        let Some(supported) = self.supported else {
            return Verdict::Unknown(Trouble::new(
                State::Unsupported,
                "the kernel does not tell whether its devices take discards",
            ));
        };
        if !supported {
            return compared(false, "unsupported");
        }
        if recent(self.seen) {
            return compared(true, "seen");
        }
        if self.counted > 0 && recent(self.uptime) {
            return compared(true, "since boot");
        }
        let watched_enough = self.watched >= limit;
        if self.counted > 0 && recent(self.timer) && (self.remembers || !watched_enough) {
            return compared(true, "fstrim.timer");
        }
        if !self.counting {
            return Verdict::Unknown(Trouble::new(
                State::Unsupported,
                "its discards are not counted: queue/iostats of a device under it is 0",
            ));
        }
        if watched_enough {
            return compared(false, "none seen");
        }
        if self.counted == 0 && self.uptime.is_some_and(|uptime| uptime > limit) {
            return compared(false, "none since boot");
        }
        Verdict::Open("not watched long enough")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn told(evidence: &Evidence) -> (Option<bool>, String) {
        match evidence.within(8 * DAY) {
            Verdict::Compared { ok, actual } => (Some(ok), actual),
            Verdict::Open(why) => (None, why.to_owned()),
            Verdict::Unknown(trouble) => (None, trouble.state.name().to_owned()),
        }
    }

    #[test]
    fn each_piece_of_evidence() {
        // An exporter that started a day ago, on a host that did so a hundred days ago.
        let fresh = Evidence {
            supported: Some(true),
            counting: true,
            counted: 10,
            watched: DAY,
            uptime: Some(100 * DAY),
            ..Evidence::default()
        };
        let old = Evidence {
            watched: 9 * DAY,
            ..fresh
        };
        let cases = [
            (fresh, None, "not watched long enough"),
            (
                Evidence {
                    seen: Some(DAY),
                    ..fresh
                },
                Some(true),
                "seen",
            ),
            (
                Evidence {
                    seen: Some(9 * DAY),
                    ..old
                },
                Some(false),
                "none seen",
            ),
            (old, Some(false), "none seen"),
            (
                Evidence {
                    counted: 0,
                    ..fresh
                },
                Some(false),
                "none since boot",
            ),
            (
                Evidence {
                    uptime: Some(2 * DAY),
                    ..fresh
                },
                Some(true),
                "since boot",
            ),
            (
                Evidence {
                    counted: 0,
                    uptime: Some(2 * DAY),
                    ..fresh
                },
                None,
                "not watched long enough",
            ),
            (
                Evidence {
                    timer: Some(DAY),
                    ..fresh
                },
                Some(true),
                "fstrim.timer",
            ),
            (
                Evidence {
                    timer: Some(9 * DAY),
                    ..fresh
                },
                None,
                "not watched long enough",
            ),
            (
                Evidence {
                    timer: Some(DAY),
                    counted: 0,
                    ..fresh
                },
                Some(false),
                "none since boot",
            ),
            (
                Evidence {
                    timer: Some(DAY),
                    ..old
                },
                Some(false),
                "none seen",
            ),
            (
                Evidence {
                    timer: Some(DAY),
                    remembers: true,
                    ..old
                },
                Some(true),
                "fstrim.timer",
            ),
            (
                Evidence {
                    supported: Some(false),
                    seen: Some(DAY),
                    ..old
                },
                Some(false),
                "unsupported",
            ),
            (
                Evidence {
                    supported: None,
                    ..old
                },
                None,
                "unsupported",
            ),
            (
                Evidence {
                    counting: false,
                    ..old
                },
                None,
                "unsupported",
            ),
            (
                Evidence {
                    counted: 0,
                    uptime: None,
                    ..fresh
                },
                None,
                "not watched long enough",
            ),
        ];
        for (evidence, ok, actual) in cases {
            assert_eq!(told(&evidence), (ok, actual.to_owned()), "{evidence:?}");
        }
    }
}

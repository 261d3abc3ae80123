//! Tiers as the operator declares them: where they lie, when they are too full, what is budgeted.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::expect::Expect;
use crate::units::{Bytes, Ratio};

/// One tier of the host. Their order is theirs in temperature, hottest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Label value of every series of this tier; unique.
    pub name: String,
    /// Absolute, normal paths. Each stands for the filesystem that holds it and for the real ones
    /// mounted below it.
    pub paths: Vec<PathBuf>,
    /// Globs over device names: of the mount's source (`/dev/mapper/vg_jts-*`) and of the kernel
    /// (`nvme0n1p3`). Paths take precedence over them.
    pub devices: Vec<String>,
    /// Fill levels at which the tier's state changes.
    pub thresholds: Thresholds,
    /// Every path must be a mount point, else the tier is down: a NAS that is not mounted must not
    /// show the numbers of the filesystem below.
    pub require_mount: bool,
    /// Directories that are watched as if they were volumes.
    pub directories: Vec<Budget>,
    /// What it is to be tuned to.
    pub expect: Expect,
}

/// Fill levels of a tier, filesystem or directory, as shares of its size: `clear < warning < critical`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Below it an alert recovers (the low watermark).
    pub clear: Ratio,
    /// From it on: warning (the high watermark).
    pub warning: Ratio,
    /// From it on: critical.
    pub critical: Ratio,
}

impl Default for Thresholds {
    /// 75 %, 80 %, 90 %.
    fn default() -> Self {
        Self {
            clear: Ratio(0.75),
            warning: Ratio(0.80),
            critical: Ratio(0.90),
        }
    }
}

/// Thresholds that are out of order.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error(
    "thresholds are out of order: clear {clear}, warning {warning}, critical {critical}; they must rise: clear < warning < critical"
)]
pub struct ThresholdOrder {
    clear: Ratio,
    warning: Ratio,
    critical: Ratio,
}

impl Thresholds {
    /// Checks the order.
    pub fn new(clear: Ratio, warning: Ratio, critical: Ratio) -> Result<Self, ThresholdOrder> {
        if clear.0 < warning.0 && warning.0 < critical.0 {
            Ok(Self {
                clear,
                warning,
                critical,
            })
        } else {
            Err(ThresholdOrder {
                clear,
                warning,
                critical,
            })
        }
    }

    /// The level of a fill of `used` (0–1), without memory of earlier levels.
    pub fn level(&self, used: f64) -> Level {
        if used >= self.critical.0 {
            Level::Critical
        } else if used >= self.warning.0 {
            Level::Warning
        } else {
            Level::Ok
        }
    }

    /// Each with its label value.
    pub fn each(&self) -> [(&'static str, Ratio); 3] {
        [
            ("clear", self.clear),
            ("warning", self.warning),
            ("critical", self.critical),
        ]
    }
}

/// How full something is, against its thresholds. Ordered by gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Below the warning threshold.
    Ok,
    /// At or over the warning threshold.
    Warning,
    /// At or over the critical threshold.
    Critical,
    /// It could not be read.
    Unknown,
}

/// A directory that is watched as if it were a volume of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// The directory, absolute and normal.
    pub path: PathBuf,
    /// How much it may hold.
    pub budget: Bytes,
    /// Ages for which the bytes that are older are told.
    pub ages: Vec<Duration>,
}

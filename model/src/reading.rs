//! What a look at a device brought: a value, nothing, an old value or a reason. Never a zero in
//! place of a failure.

use std::fmt;
use std::time::Duration;

/// The outcome of reading one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// Read now.
    Present(T),
    /// The thing is not there, and that is no failure.
    Absent,
    /// The thing does not answer at present; this is what it said `age` ago.
    Stale {
        /// What it said.
        value: T,
        /// How long ago.
        age: Duration,
    },
    /// It could not be read.
    Failed(Why),
}

/// Why a reading failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has not answered for this long, and no recent value is known.
    Hung(Duration),
    /// The rights for it are missing; with more rights it could be read. A state, not a fault.
    Denied,
    /// The path shows another filesystem than the one that was to be read.
    OtherFilesystem,
    /// The system's answer, as an errno value.
    Errno(i32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hung(time) if time.is_zero() => f.write_str("it was not asked in time"),
            Self::Hung(time) => write!(f, "it has not answered for {:.1} s", time.as_secs_f64()),
            Self::Denied => f.write_str("permission denied; run with more rights to read it"),
            Self::OtherFilesystem => {
                f.write_str("the path shows another filesystem than the mount table names")
            }
            Self::Errno(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}

impl<T> Reading<T> {
    /// The value, fresh or stale.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Present(value) | Self::Stale { value, .. } => Some(value),
            Self::Absent | Self::Failed(_) => None,
        }
    }

    /// How old the value is: zero when it was read now, `None` without a value.
    pub fn age(&self) -> Option<Duration> {
        match self {
            Self::Present(_) => Some(Duration::ZERO),
            Self::Stale { age, .. } => Some(*age),
            Self::Absent | Self::Failed(_) => None,
        }
    }
}

//! What the exporter may do beyond an ordinary user, and for what: each need is declared beside the code
//! that has it, everything else is given up at the start.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};
use thiserror::Error;
use tidegauge_model::tier::Tier;

use crate::settings::Settings;

/// A capability (capabilities(7)) that something here can use. Without it that part does less and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// `CAP_DAC_READ_SEARCH`.
    ReadSearch,
    /// `CAP_SYS_PTRACE`.
    Ptrace,
    /// `CAP_SYS_ADMIN`.
    SysAdmin,
    /// `CAP_SYS_RAWIO`.
    RawIo,
    /// `CAP_FOWNER`.
    Owner,
}

impl Right {
    /// As the kernel and systemd name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadSearch => "CAP_DAC_READ_SEARCH",
            Self::Ptrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::RawIo => "CAP_SYS_RAWIO",
            Self::Owner => "CAP_FOWNER",
        }
    }

    fn set(self) -> CapabilitySet {
        match self {
            Self::ReadSearch => CapabilitySet::DAC_READ_SEARCH,
            Self::Ptrace => CapabilitySet::SYS_PTRACE,
            Self::SysAdmin => CapabilitySet::SYS_ADMIN,
            Self::RawIo => CapabilitySet::SYS_RAWIO,
            Self::Owner => CapabilitySet::FOWNER,
        }
    }
}

/// A right that can be used, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The right.
    pub right: Right,
    /// What it is for: `to …`.
    pub why: &'static str,
    /// When it is of use; `None` always.
    pub only: Option<Condition>,
}

/// On what it depends whether a right is of use.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// In words, to follow `when`.
    pub when: &'static str,
    /// Whether it holds with a collector's settings and the host's tiers.
    pub holds: fn(&Settings, &[Tier]) -> bool,
}

impl Need {
    /// A right that is always of use.
    pub const fn new(right: Right, why: &'static str) -> Self {
        Self {
            right,
            why,
            only: None,
        }
    }

    /// Of use on a condition only, without which it is given up.
    pub const fn when(mut self, when: &'static str, holds: fn(&Settings, &[Tier]) -> bool) -> Self {
        self.only = Some(Condition { when, holds });
        self
    }

    /// Whether it is of use with these settings and tiers.
    pub fn is_of_use(&self, settings: &Settings, tiers: &[Tier]) -> bool {
        self.only
            .is_none_or(|condition| (condition.holds)(settings, tiers))
    }

    /// What it is for and when, as the documentation says it.
    pub fn explained(&self) -> String {
        match self.only {
            None => self.why.to_owned(),
            Some(Condition { when, .. }) => format!("{}; kept for it only when {when}", self.why),
        }
    }
}

/// Rights could not be given up.
#[derive(Debug, Error)]
#[error(
    "cannot give up rights: {what}: {source}; a seccomp filter of the unit must allow prctl and capset"
)]
pub struct RightsError {
    what: &'static str,
    source: rustix::io::Errno,
}

/// Gives up, for good, every capability but those needed (of which only those stay that the process has),
/// and the way to new ones by programs that are set-user-ID. Acts on the calling thread and those that it
/// starts from then on, so it has to come before any other thread. Returns the names of what stays.
pub fn keep_only(needed: &[Right]) -> Result<Vec<&'static str>, RightsError> {
    let fail = |what| move |source| RightsError { what, source };
    let held = capabilities(None).map_err(fail("capget"))?;
    let mut kept = CapabilitySet::empty();
    let mut names = Vec::new();
    for right in needed {
        if held.permitted.contains(right.set()) && !kept.contains(right.set()) {
            kept |= right.set();
            names.push(right.name());
        }
    }
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for number in 0..u64::BITS {
            let one = CapabilitySet::from_bits_retain(1 << number);
            if kept.contains(one) {
                continue;
            }
            match remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                // One more than this kernel knows.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(fail("PR_CAPBSET_DROP")(error)),
            }
        }
    }
    clear_ambient_capability_set().map_err(fail("PR_CAP_AMBIENT"))?;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(fail("capset"))?;
    set_no_new_privs(true).map_err(fail("PR_SET_NO_NEW_PRIVS"))?;
    Ok(names)
}

/// Whether the calling thread has this capability now.
pub fn holds(right: Right) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(right.set()))
}

/// Gives up, in the calling thread and in those that it starts from then on, every capability but those
/// needed: a thread that talks to strangers has none of those that read devices.
pub fn narrow_thread(needed: &[Right]) -> Result<(), RightsError> {
    let fail = |what| move |source| RightsError { what, source };
    let held = capabilities(None).map_err(fail("capget"))?;
    let wanted = needed
        .iter()
        .fold(CapabilitySet::empty(), |all, right| all | right.set());
    let kept = held.permitted & wanted;
    if held.permitted == kept && held.effective == kept {
        return Ok(());
    }
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(fail("capset"))
}

/// Lets the programs that the calling thread starts have the thread's capabilities, whatever user it is
/// (ambient capabilities, capabilities(7)); else they would have none unless started by root.
pub fn hand_down() -> Result<(), RightsError> {
    let fail = |what| move |source| RightsError { what, source };
    let held = capabilities(None).map_err(fail("capget"))?;
    if held.inheritable == held.permitted {
        return Ok(());
    }
    let sets = CapabilitySets {
        inheritable: held.permitted,
        ..held
    };
    set_capabilities(None, sets).map_err(fail("capset"))?;
    for one in held.permitted.iter() {
        configure_capability_in_ambient_set(one, true).map_err(fail("PR_CAP_AMBIENT"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_what_it_needs_and_hands_it_down() {
        let is_root = rustix::process::geteuid().is_root();
        std::thread::spawn(move || {
            narrow_thread(&[Right::RawIo]).unwrap();
            let bits = if is_root { 1u64 << 17 } else { 0 };
            assert_eq!(status("CapEff:"), format!("{bits:016x}"));
            assert_eq!(holds(Right::RawIo), is_root);
            assert!(!holds(Right::SysAdmin));
            hand_down().unwrap();
            for set in ["CapInh:", "CapAmb:"] {
                assert_eq!(status(set), format!("{bits:016x}"), "{set}");
            }
            narrow_thread(&[]).unwrap();
            assert_eq!(status("CapAmb:"), format!("{:016x}", 0));
        })
        .join()
        .unwrap();
    }

    fn status(key: &str) -> String {
        let text = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap().trim().to_owned()
    }

    #[test]
    fn what_is_not_needed_is_gone_for_good() {
        // Of this thread only, which ends with the test.
        let kept = std::thread::spawn(|| {
            let kept = keep_only(&[Right::ReadSearch, Right::ReadSearch]).unwrap();
            let bits = if kept.is_empty() { 0u64 } else { 1 << 2 };
            for set in ["CapEff:", "CapPrm:"] {
                assert_eq!(status(set), format!("{bits:016x}"), "{set}");
            }
            for set in ["CapInh:", "CapAmb:"] {
                assert_eq!(status(set), format!("{:016x}", 0), "{set}");
            }
            assert_eq!(status("NoNewPrivs:"), "1");
            // Again is no error, though now there is nothing to give up.
            assert_eq!(keep_only(&[Right::SysAdmin]).unwrap(), [""; 0]);
            kept
        })
        .join()
        .unwrap();
        let is_root = rustix::process::geteuid().is_root();
        assert!(kept == ["CAP_DAC_READ_SEARCH"] || !is_root, "{kept:?}");
    }
}

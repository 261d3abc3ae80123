//! Device Self-test: log page 06h (NVMe Base Specification 2.0, 5.16.1.7). Results come newest first.

use super::page::{Page, PageError};

/// Length of the page, in bytes.
pub const LENGTH: usize = 564;
const RESULTS: usize = 20;
/// "Entry not used".
const UNUSED: u8 = 0xF;

/// What kind of test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Some minutes.
    Short,
    /// All of the media.
    Extended,
    /// The vendor's own.
    Vendor,
    /// One that this program does not know.
    Other,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Short, Self::Extended, Self::Vendor, Self::Other];

    /// As a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Extended => "extended",
            Self::Vendor => "vendor",
            Self::Other => "other",
        }
    }

    /// `None` for 0: no test.
    fn of(code: u8) -> Option<Self> {
        match code {
            0 => None,
            1 => Some(Self::Short),
            2 => Some(Self::Extended),
            0xE => Some(Self::Vendor),
            _ => Some(Self::Other),
        }
    }
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it was.
    pub kind: Kind,
    /// 0 no error; 1 to 4, 8 and 9 broken off; 5 to 7 failed.
    pub result: u8,
    /// The controller's hours with power at that time.
    pub power_on_hours: u64,
    /// The first logical block that failed is known.
    pub has_failing_lba: bool,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTests {
    /// The test that runs, and how much of it is done, in percent (at most 100).
    pub running: Option<(Kind, u8)>,
    /// The last outcome of each kind.
    pub last: Vec<Outcome>,
}

/// Reads the page.
pub fn parse(bytes: &[u8]) -> Result<SelfTests, PageError> {
    let page = Page::<LENGTH>::new(bytes)?;
    let running = Kind::of(page.u8(0) & 0xF).map(|kind| (kind, (page.u8(1) & 0x7F).min(100)));
    let mut last: Vec<Outcome> = Vec::new();
    for at in (0..RESULTS).map(|i| 4 + 28 * i) {
        let status = page.u8(at);
        let (Some(kind), false) = (Kind::of(status >> 4), status & 0xF == UNUSED) else {
            continue;
        };
        if last.iter().all(|known| known.kind != kind) {
            last.push(Outcome {
                kind,
                result: status & 0xF,
                power_on_hours: page.u64(at + 4),
                has_failing_lba: page.u8(at + 2) & 1 << 1 != 0,
            });
        }
    }
    last.sort_by_key(|outcome| outcome.kind);
    Ok(SelfTests { running, last })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(bytes: &mut [u8], index: usize, status: u8, valid: u8, hours: u8) {
        let at = 4 + 28 * index;
        bytes[at] = status;
        bytes[at + 2] = valid;
        bytes[at + 4] = hours;
    }

    #[test]
    fn the_last_of_each_kind() {
        let mut bytes = [0; LENGTH];
        for index in 0..RESULTS {
            entry(&mut bytes, index, 0xF, 0, 0);
        }
        bytes[..2].copy_from_slice(&[2, 0x80 | 66]);
        entry(&mut bytes, 0, 0x1F, 0, 99);
        entry(&mut bytes, 1, 0x17, 0b10, 90);
        entry(&mut bytes, 2, 0x20, 0, 80);
        entry(&mut bytes, 3, 0x10, 0, 70);
        let tests = parse(&bytes).unwrap();
        assert_eq!(tests.running, Some((Kind::Extended, 66)));
        let outcome = |kind, result, power_on_hours, has_failing_lba| Outcome {
            kind,
            result,
            power_on_hours,
            has_failing_lba,
        };
        assert_eq!(
            tests.last,
            [
                outcome(Kind::Short, 7, 90, true),
                outcome(Kind::Extended, 0, 80, false)
            ]
        );
    }

    #[test]
    fn none_yet() {
        let tests = parse(&[0; LENGTH]).unwrap();
        assert_eq!((tests.running, tests.last.len()), (None, 0));
        assert_eq!(parse(&[0xFF; LENGTH]), Err(PageError::Blank(0xFF)));
        assert!(parse(&[0; 563]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 560..570)) {
            if let Ok(tests) = parse(&bytes) {
                prop_assert!(tests.last.len() <= Kind::ALL.len());
                prop_assert!(tests.running.is_none_or(|(_, percent)| percent <= 100));
            }
        }
    }
}

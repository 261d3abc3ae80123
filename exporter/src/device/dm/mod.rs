//! Device mapper: the answer of `DM_TABLE_STATUS`, taken apart.
//!
//! Source: `linux/dm-ioctl.h`, `drivers/md/dm-ioctl.c` (`retrieve_status`). The offsets in it are the kernel's,
//! and are trusted no more than anything else from outside.

pub mod name;
pub mod status;

use std::fmt;
use std::sync::Arc;

use rustix::io::Errno;
use thiserror::Error;
use tidegauge_ioctl::dm;
use tidegauge_model::mount::DeviceNumber;

/// `sizeof(struct dm_ioctl)` and `sizeof(struct dm_target_spec)`.
const HEADER: usize = 312;
const SPEC: usize = 40;
/// No device has more targets than are of use to tell.
const MOST_TARGETS: usize = 100_000;

/// A sector, as device mapper counts: bytes.
pub const SECTOR: u64 = 512;

/// How device mapper is asked. [`Control::default`] is the kernel.
pub trait Ask: Send + Sync {
    /// The state of a device's targets.
    fn table_status(&self, dev: DeviceNumber) -> Result<DeviceStatus, DmError>;
}

/// Who is asked.
#[derive(Clone)]
pub struct Control(pub Arc<dyn Ask>);

impl Default for Control {
    fn default() -> Self {
        Self(Arc::new(Kernel))
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
}

struct Kernel;

impl Ask for Kernel {
    fn table_status(&self, dev: DeviceNumber) -> Result<DeviceStatus, DmError> {
        let control = dm::open_control().map_err(DmError::Control)?;
        parse(&dm::table_status(control, dev.major, dev.minor)?)
    }
}

/// There is no answer, or one that is none.
#[derive(Debug, Error)]
pub enum DmError {
    /// The control device cannot be opened.
    #[error(
        "cannot open /dev/mapper/control: {0}; it needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH, and a unit that shows it (DeviceAllow=)"
    )]
    Control(std::io::Error),
    /// The kernel's answer is an error.
    #[error("device mapper answers: {0}")]
    Kernel(#[from] Errno),
    /// It ends before what it should hold.
    #[error(
        "device mapper's answer ends after {0} bytes; please report it with the kernel's version"
    )]
    Short(usize),
    /// An offset in it leads nowhere.
    #[error(
        "offset {0} in device mapper's answer leads out of it or back; please report it with the kernel's version"
    )]
    Offset(usize),
}

/// What device mapper says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Its name.
    pub name: String,
    /// How many hold it open, mounts and devices above included.
    pub openers: u32,
    /// Whether it is suspended: whoever reads or writes waits.
    pub suspended: bool,
    /// Whether it may only be read.
    pub read_only: bool,
    /// Its targets, one after the other from its first sector to its last.
    pub targets: Vec<Target>,
}

/// One piece of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which driver: `linear`, `snapshot`…
    pub kind: String,
    /// Its length in sectors of 512 bytes.
    pub sectors: u64,
    /// Its status as its driver writes it.
    pub status: String,
}

/// Takes an answer apart.
pub fn parse(answer: &[u8]) -> Result<DeviceStatus, DmError> {
    let word = |at| number::<4>(answer, at).map(u32::from_ne_bytes);
    let flags = word(28)?;
    let set = |bit: u32| flags & (1 << bit) != 0;
    let start = word(16)? as usize;
    let count = word(20)? as usize;
    let name = answer.get(48..176).ok_or(DmError::Short(answer.len()))?;
    let openers = i32::from_ne_bytes(number::<4>(answer, 24)?);
    if answer.len() < HEADER {
        return Err(DmError::Short(answer.len()));
    }
    let data = answer.get(start..).ok_or(DmError::Offset(start))?;
    Ok(DeviceStatus {
        name: text(name),
        openers: openers.try_into().unwrap_or_default(),
        suspended: set(1),
        read_only: set(0),
        targets: targets(data, count)?,
    })
}

fn targets(data: &[u8], count: usize) -> Result<Vec<Target>, DmError> {
    let mut found = Vec::new();
    let mut at = 0;
    for _ in 0..count.min(MOST_TARGETS) {
        // Offsets count from the first target.
        let next = u32::from_ne_bytes(number::<4>(data, at + 20)?) as usize;
        let end = next.min(data.len());
        let spec = data.get(at..end).filter(|spec| spec.len() >= SPEC);
        let spec = spec.ok_or(DmError::Offset(next))?;
        found.push(Target {
            kind: text(&spec[24..SPEC]),
            sectors: u64::from_ne_bytes(number::<8>(spec, 8)?),
            status: text(&spec[SPEC..]),
        });
        at = next;
    }
    Ok(found)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], DmError> {
    let short = DmError::Short(bytes.len());
    let found = at.checked_add(N).and_then(|end| bytes.get(at..end));
    found.and_then(|bytes| bytes.try_into().ok()).ok_or(short)
}

/// Up to the first zero byte. Names may hold any byte; what is not text is replaced.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// An answer as the kernel makes it.
#[cfg(test)]
fn answer(name: &str, openers: i32, flags: u32, targets: &[(&str, u64, &str)]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let mut start = 0u64;
    for (kind, sectors, status) in targets {
        let mut spec = vec![0; SPEC];
        spec[0..8].copy_from_slice(&start.to_ne_bytes());
        spec[8..16].copy_from_slice(&sectors.to_ne_bytes());
        for (to, from) in spec[24..SPEC - 1].iter_mut().zip(kind.bytes()) {
            *to = from;
        }
        spec.extend(status.bytes().chain([0]));
        spec.resize(spec.len().next_multiple_of(8), 0);
        let next = u32::try_from(bytes.len() - HEADER + spec.len()).unwrap_or(u32::MAX);
        spec[20..24].copy_from_slice(&next.to_ne_bytes());
        bytes.extend(spec);
        start += sectors;
    }
    let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_ne_bytes();
    let (length, count) = (word(bytes.len()), word(targets.len()));
    bytes[12..16].copy_from_slice(&length);
    bytes[16..20].copy_from_slice(&word(HEADER));
    bytes[20..24].copy_from_slice(&count);
    bytes[24..28].copy_from_slice(&openers.to_ne_bytes());
    bytes[28..32].copy_from_slice(&flags.to_ne_bytes());
    for (to, from) in bytes[48..175].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_with_two_targets() {
        let bytes = answer(
            "vg-lv",
            3,
            0b10,
            &[("linear", 8, ""), ("snapshot", 16, "16/128 8")],
        );
        let found = parse(&bytes).unwrap();
        assert_eq!(
            (found.name.as_str(), found.openers, found.suspended),
            ("vg-lv", 3, true)
        );
        assert!(!found.read_only);
        let target = |kind: &str, sectors, status: &str| Target {
            kind: kind.into(),
            sectors,
            status: status.into(),
        };
        assert_eq!(
            found.targets,
            [target("linear", 8, ""), target("snapshot", 16, "16/128 8")]
        );
    }

    #[test]
    fn lying_offsets_are_refused() {
        let good = answer("a", 1, 0, &[("linear", 8, ""), ("linear", 8, "")]);
        let with = |at: usize, value: u32| {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            parse(&bytes)
        };
        // The first target's `next`: back to itself, into itself, out of the answer.
        for next in [0, 8, 39] {
            let error = with(HEADER + 20, next).unwrap_err();
            assert!(
                matches!(error, DmError::Offset(at) if at == next as usize),
                "{error}"
            );
        }
        assert!(with(HEADER + 20, u32::MAX).is_err());
        assert!(with(16, u32::MAX).is_err(), "where the data starts");
        assert!(with(20, u32::MAX).is_err(), "more targets than there are");
        assert_eq!(with(24, u32::MAX).unwrap().openers, 0, "less than none");
        assert!(matches!(parse(&good[..311]), Err(DmError::Short(311))));
        assert!(matches!(parse(b""), Err(DmError::Short(0))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..700),
            start in 0u32..400,
            count in 0u32..20,
        ) {
            if bytes.len() > 24 {
                bytes[16..20].copy_from_slice(&start.to_ne_bytes());
                bytes[20..24].copy_from_slice(&count.to_ne_bytes());
            }
            if let Ok(found) = parse(&bytes) {
                prop_assert!(found.targets.len() * SPEC <= bytes.len());
            }
        }

        #[test]
        fn what_the_kernel_writes_is_read(
            targets in proptest::collection::vec(("[a-z-]{1,15}", any::<u32>(), "[!-~]([ -~]{0,60}[!-~])?"), 0..5),
        ) {
            let given: Vec<_> = targets.iter().map(|(k, n, s)| (k.as_str(), u64::from(*n), s.as_str())).collect();
            let found = parse(&answer("x", 0, 0, &given)).unwrap();
            let back: Vec<_> = found.targets.iter().map(|t| (t.kind.as_str(), t.sectors, t.status.as_str())).collect();
            prop_assert_eq!(back, given);
        }
    }
}

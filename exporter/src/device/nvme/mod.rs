//! NVMe controllers: what sysfs tells of them, and the pages that they answer with.
//!
//! Layouts are those of the NVM Express Base Specification 2.0 and, for one page, of the OCP Datacenter NVMe
//! SSD Specification; each file names the section. All numbers are little endian.

pub mod endurance;
pub mod error_log;
pub mod identify;
pub mod ocp;
mod page;
pub mod sanitize;
pub mod self_test;
pub mod smart;
pub mod supported;
pub mod sysfs;

use std::fs::File;
use std::io;
use std::path::Path;

pub use tidegauge_ioctl::nvme::{CommandError, IDENTIFY_LENGTH, LogPage};

pub use self::page::PageError;

/// How controllers are reached: by their device nodes, or by recordings in tests.
pub trait Ask: Send + Sync {
    /// Opens the controller behind a node such as `/dev/nvme0`. `EAGAIN`: it is not live.
    fn open(&self, node: &Path) -> io::Result<Box<dyn Admin>>;
}

/// An open controller, to read from. Each call blocks for as long as the controller and the kernel take.
pub trait Admin {
    /// Identify; see [`tidegauge_ioctl::nvme::identify`].
    fn identify(&self, what: u8, buffer: &mut [u8; IDENTIFY_LENGTH]) -> Result<(), CommandError>;

    /// Get Log Page; see [`tidegauge_ioctl::nvme::log_page`].
    fn log_page(&self, page: LogPage, buffer: &mut [u8]) -> Result<(), CommandError>;
}

/// The kernel's way: `NVME_IOCTL_ADMIN_CMD` on the controller's node.
#[derive(Clone, Copy, Debug)]
pub struct Nodes;

impl Ask for Nodes {
    fn open(&self, node: &Path) -> io::Result<Box<dyn Admin>> {
        Ok(Box::new(Node(File::open(node)?)))
    }
}

struct Node(File);

impl Admin for Node {
    fn identify(&self, what: u8, buffer: &mut [u8; IDENTIFY_LENGTH]) -> Result<(), CommandError> {
        tidegauge_ioctl::nvme::identify(&self.0, what, buffer)
    }

    fn log_page(&self, page: LogPage, buffer: &mut [u8]) -> Result<(), CommandError> {
        tidegauge_ioctl::nvme::log_page(&self.0, page, buffer)
    }
}

/// Whether a status tells of the moment (a reset, a sanitize or format under way, a path that is lost, an error
/// inside) and not of what the controller has. NVMe 2.0, 3.3.3.2.1.
pub fn is_of_the_moment(status: u16) -> bool {
    let (kind, code) = ((status >> 8) & 7, status & 0xFF);
    match kind {
        // Generic: transfer error, power loss, internal error, aborts, sanitize failed or under way, command
        // interrupted, transient transport error, media not ready; namespace not ready, reservation, format
        // under way.
        0 => matches!(code, 0x04..=0x08 | 0x1C | 0x1D | 0x21 | 0x22 | 0x24 | 0x82..=0x84),
        // Media, and paths.
        2 | 3 => true,
        _ => false,
    }
}

/// A temperature in kelvin as the drives tell it, in celsius: they measure in that and add 273. `None` for 0
/// ("not there") and for what no drive can have.
pub fn celsius(kelvin: u16) -> Option<f64> {
    (200..=473)
        .contains(&kelvin)
        .then(|| f64::from(kelvin) - 273.0)
}

/// A percentage from 0 to 100 as a ratio; `None` for what is none.
pub fn ratio(percent: u8) -> Option<f64> {
    (percent <= 100).then(|| f64::from(percent) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_that_cannot_be_are_absent() {
        assert_eq!(celsius(310), Some(37.0));
        assert_eq!(celsius(263), Some(-10.0));
        for kelvin in [0, 1, 199, 474, u16::MAX] {
            assert_eq!(celsius(kelvin), None, "{kelvin}");
        }
    }

    #[test]
    fn ratios() {
        assert_eq!((ratio(0), ratio(100)), (Some(0.0), Some(1.0)));
        assert_eq!(ratio(101), None);
    }

    #[test]
    fn a_refusal_is_not_of_the_moment() {
        // Invalid log page, invalid field, invalid opcode, a vendor's own; with and without "do not retry".
        for status in [0x109, 0x4109, 0x002, 0x4002, 0x001, 0x7C1] {
            assert!(!is_of_the_moment(status), "{status:#x}");
        }
        for status in [0x006, 0x007, 0x401D, 0x281, 0x371] {
            assert!(is_of_the_moment(status), "{status:#x}");
        }
    }
}

//! Device mapper as the fixture `dm` says.

use rustix::io::Errno;
use tidegauge_exporter::device::dm::{self, DeviceStatus, DmError, Target};
use tidegauge_model::mount::DeviceNumber;

use super::super::fixture;

/// Device mapper as the fixture's `dm` says: `NUMBER NAME OPENERS TARGET SECTORS STATUS`, a line for each target,
/// or `NUMBER errno ERRNO`.
pub struct Recorded;

impl dm::Ask for Recorded {
    fn table_status(&self, dev: DeviceNumber) -> Result<DeviceStatus, DmError> {
        let recording = std::fs::read_to_string(fixture("dm")).unwrap();
        let mut found: Option<DeviceStatus> = None;
        for line in recording.lines() {
            let words: Vec<&str> = line.splitn(6, ' ').collect();
            match words.as_slice() {
                [number, ..] if *number != dev.to_string() => {}
                [_, "errno", errno] => {
                    return Err(Errno::from_raw_os_error(errno.parse().unwrap()).into());
                }
                [_, name, openers, kind, sectors, status @ ..] => {
                    let device = found.get_or_insert_with(|| DeviceStatus {
                        name: (*name).to_owned(),
                        openers: openers.parse().unwrap(),
                        suspended: false,
                        read_only: false,
                        targets: Vec::new(),
                    });
                    device.targets.push(Target {
                        kind: (*kind).to_owned(),
                        sectors: sectors.parse().unwrap(),
                        status: status.join(" "),
                    });
                }
                _ => panic!("{line}"),
            }
        }
        Ok(found.unwrap())
    }
}

//! Who trims what: the mount option `discard`, a timer, both, or nobody.

use std::io;
use std::path::Path;

use super::host::{Host, shown, trouble};
use super::mounted::options;
use super::report::{Hazard, Report};
use crate::collector::readings::Trouble;
use crate::device::systemd_timer;

/// Where scripts lie that cron starts.
const CRON: [&str; 3] = ["/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"];

/// Filesystems that can trim.
const TYPES: [&str; 4] = ["ext4", "xfs", "btrfs", "f2fs"];

/// Looks at each filesystem on a device that takes discards.
pub fn check(host: &Host<'_>, report: &mut Report) {
    let timer = has_timer(host);
    if let Err(trouble) = &timer {
        report.unchecked(Hazard::TrimTwice, trouble.clone());
        report.unchecked(Hazard::TrimNever, trouble.clone());
    }
    for mount in host.filesystems() {
        let Some(device) = host.device(mount) else {
            continue;
        };
        let disks = host.disks(device);
        // What lies in files and memory is trimmed by whoever keeps those.
        let is_virtual = |kind: &str| matches!(kind, "loop" | "zram");
        if mount.is_read_only()
            || device.discard != Some(true)
            || !TYPES.contains(&mount.fstype.as_str())
            || disks.iter().any(|disk| is_virtual(&disk.transport))
        {
            continue;
        }
        let (tier, target) = (host.tier_of(mount), shown(&mount.mountpoint));
        let options = options(host, mount);
        let has = |option: &str| options.iter().any(|other| other == option);
        let at_once = has("discard") || has("discard=sync");
        if at_once && disks.iter().any(|disk| disk.transport == "nvme") {
            report.found(Hazard::DiscardContinuous, tier, target.as_str());
        }
        match timer {
            Ok(true) if at_once => report.found(Hazard::TrimTwice, tier, target),
            Ok(false) if !at_once && !has("discard=async") => {
                report.found(Hazard::TrimNever, tier, target);
            }
            _ => {}
        }
    }
}

/// Whether a timer or a daily, weekly or monthly script with `trim` in its name is there.
fn has_timer(host: &Host<'_>) -> Result<bool, Trouble> {
    let timers = systemd_timer::enabled(&host.context.rootfs)
        .map_err(|error| trouble(&error.path.display(), &error.source))?;
    if timers.iter().any(|name| name.contains("trim")) {
        return Ok(true);
    }
    for folder in CRON {
        if names(host, folder)?
            .iter()
            .any(|name| name.contains("trim"))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn names(host: &Host<'_>, folder: &str) -> Result<Vec<String>, Trouble> {
    match std::fs::read_dir(host.context.rooted(Path::new(folder))) {
        Ok(entries) => {
            let names = entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok());
            Ok(names.collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(trouble(&folder, &error)),
    }
}

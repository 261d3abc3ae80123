//! Hazards of what fstab will mount at the next boot.

use tidegauge_model::mount::is_network;

use super::host::{Host, shown};
use super::mounted::{Superblocks, by_option, has_journal, is_ext4, is_nfs};
use super::report::{Hazard, Report};
use crate::collector::readings::{State, Trouble};
use crate::device::fstab::{Entry, is_unstable};

/// Without these no boot ends well, `nofail` or not.
const SYSTEM: [&str; 6] = ["/", "/usr", "/boot", "/boot/efi", "/efi", "/var"];

/// Types that systemd knows to need the network (`fstype_is_network`), after a leading `fuse.`.
const KNOWN_TO_SYSTEMD: [&str; 17] = [
    "afs",
    "ceph",
    "cifs",
    "davfs",
    "gfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncp",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "pvfs2",
    "smb3",
    "smbfs",
    "sshfs",
];

/// Looks at each entry.
pub fn check(host: &Host<'_>, superblocks: &Superblocks, report: &mut Report) {
    let systemd = host.context.rooted("/run/systemd/system".as_ref()).is_dir();
    for entry in host.fstab {
        if is_unstable(&entry.source) {
            let target = match entry.fstype.as_str() {
                "swap" => &entry.source,
                _ => &entry.mountpoint,
            };
            let tier = host.tier_name(host.tier_at(&entry.mountpoint));
            report.found(Hazard::FstabDeviceName, tier, shown(target));
        }
        if entry.mountpoint.is_absolute() && entry.fstype != "swap" {
            check_mount(host, entry, superblocks, systemd, report);
        }
    }
}

fn check_mount(
    host: &Host<'_>,
    entry: &Entry,
    superblocks: &Superblocks,
    systemd: bool,
    report: &mut Report,
) {
    let (index, target) = (host.tier_at(&entry.mountpoint), shown(&entry.mountpoint));
    let tier = host.tier_name(index);
    let has = |option: &str| entry.has(option);
    let mut when = |hazard, holds: bool| {
        if holds {
            report.found(hazard, tier, target.as_str());
        }
    };
    // What is mounted is judged by the options in force.
    if !host.is_mounted(&entry.mountpoint) {
        for hazard in by_option(&entry.fstype, has) {
            when(hazard, true);
        }
    }
    let network = is_network(&entry.fstype);
    let attached = host
        .number_of(entry)
        .and_then(|dev| host.blocks.by_number(dev));
    let by_network = attached.is_some_and(|device| {
        let disks = host.disks(device);
        disks
            .iter()
            .any(|disk| disk.transport == "iscsi" || disk.name.starts_with("nbd"))
    });
    let kind = entry.fstype.strip_prefix("fuse.").unwrap_or(&entry.fstype);
    let known = systemd && KNOWN_TO_SYSTEMD.contains(&kind);
    when(
        Hazard::FstabNoNetdev,
        !has("noauto") && !has("_netdev") && ((network && !known) || by_network),
    );
    let colder = index.is_some_and(|index| index > 0) && is_device(entry);
    let system = SYSTEM
        .iter()
        .any(|path| entry.mountpoint.as_os_str() == *path);
    when(
        Hazard::FstabNoNofail,
        entry.at_boot() && !has("nofail") && !system && (network || by_network || colder),
    );
    when(
        Hazard::FstabNfsIntr,
        is_nfs(&entry.fstype) && (has("intr") || has("nointr")),
    );
    when(
        Hazard::FstabXfsBarrier,
        entry.fstype == "xfs" && (has("nobarrier") || has("barrier")),
    );
    if is_ext4(&entry.fstype)
        && wants_journal(entry)
        && let Some(dev) = host.number_of(entry)
    {
        match (has_journal(host, dev, superblocks), superblocks.get(&dev)) {
            (Some(journal), _) => when(Hazard::FstabExt4JournalOption, !journal),
            (None, Some(Err(trouble))) => {
                report.unchecked(Hazard::FstabExt4JournalOption, trouble.clone());
            }
            (None, _) => {
                let reason = format!("{target}: whether its filesystem has a journal is not known");
                let trouble = Trouble::new(State::Unsupported, reason);
                report.unchecked(Hazard::FstabExt4JournalOption, trouble);
            }
        }
    }
}

/// Whether it needs a device or a server: not one in memory, and none that shows what is mounted already.
fn is_device(entry: &Entry) -> bool {
    let bind = entry.has("bind") || entry.has("rbind");
    let virtual_types = [
        "tmpfs", "ramfs", "proc", "sysfs", "devpts", "overlay", "none", "efivarfs", "debugfs",
        "tracefs", "cgroup2",
    ];
    !bind && !virtual_types.contains(&entry.fstype.as_str())
}

/// Whether the kernel refuses its options for an ext4 filesystem without a journal. `commit=5` is the default.
pub fn wants_journal(entry: &Entry) -> bool {
    let commit = entry
        .value("commit")
        .is_some_and(|seconds| !matches!(seconds, "5" | "0"));
    let checksum = entry.has("journal_checksum") || entry.has("journal_async_commit");
    commit || checksum || entry.value("data").is_some()
}

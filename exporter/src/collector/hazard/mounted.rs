//! Hazards of filesystems that are mounted, by the options in force and by what they were made with.

use std::collections::BTreeMap;

use tidegauge_model::mount::{DeviceNumber, Mount};

use super::host::{Host, shown};
use super::report::{Hazard, Report};
use crate::collector::readings::{State, Trouble};
use crate::device::ext4::{self, Features};
use crate::device::kernel_file::attribute;

/// Superblocks by their devices, or why there is none.
pub type Superblocks = BTreeMap<DeviceNumber, Result<Features, Trouble>>;

/// Whether this type is read by the kernel's ext4 and should have a journal.
pub fn is_ext4(fstype: &str) -> bool {
    matches!(fstype, "ext4" | "ext3")
}

/// Whether this is NFS.
pub fn is_nfs(fstype: &str) -> bool {
    matches!(fstype, "nfs" | "nfs4")
}

/// Options that are a hazard by themselves, mounted now or at the next boot.
pub fn by_option(fstype: &str, has: impl Fn(&str) -> bool) -> Vec<Hazard> {
    let mut found = Vec::new();
    let mut when = |hazard, holds: bool| {
        if holds {
            found.push(hazard);
        }
    };
    let (ext4, btrfs) = (is_ext4(fstype), fstype == "btrfs");
    when(Hazard::Ext4DataWriteback, ext4 && has("data=writeback"));
    when(Hazard::BtrfsAutodefrag, btrfs && has("autodefrag"));
    when(Hazard::BtrfsNodatacow, btrfs && has("nodatacow"));
    when(Hazard::BtrfsDegraded, btrfs && has("degraded"));
    when(
        Hazard::NfsSoft,
        is_nfs(fstype) && (has("soft") || has("softerr")),
    );
    found
}

/// All options in force, one by one.
pub fn options(host: &Host<'_>, mount: &Mount) -> Vec<String> {
    let of_table = mount
        .options
        .split(',')
        .chain(mount.super_options.split(','));
    let mut options: Vec<String> = of_table.map(str::to_owned).collect();
    if is_ext4(&mount.fstype)
        && let Some(device) = host.device(mount)
    {
        // The mount table leaves out what is the default by the superblock (tune2fs -o).
        let more = ext4::options(&host.context.procfs, &device.name);
        options.extend(more.unwrap_or_default());
    }
    options
}

/// Looks at each filesystem.
pub fn check(host: &Host<'_>, superblocks: &Superblocks, report: &mut Report) {
    for mount in host.filesystems() {
        let (tier, target) = (host.tier_of(mount), shown(&mount.mountpoint));
        let options = options(host, mount);
        let has = |option: &str| options.iter().any(|other| other == option);
        for hazard in by_option(&mount.fstype, has) {
            report.found(hazard, tier, target.as_str());
        }
        if !is_ext4(&mount.fstype) {
            continue;
        }
        if has("nobarrier") || has("barrier=0") {
            match cache_is_volatile(host, mount) {
                Some(true) => report.found(Hazard::Ext4BarrierOff, tier, target.as_str()),
                Some(false) => {}
                None => report.unchecked(
                    Hazard::Ext4BarrierOff,
                    unknown(&target, "whether its device has a volatile write cache"),
                ),
            }
        }
        let superblock = superblocks.get(&mount.dev);
        match superblock {
            Some(Ok(features)) if features.sparse_super2 => {
                report.found(Hazard::Ext4SparseSuper2, tier, target.as_str());
            }
            Some(Ok(_)) => {}
            Some(Err(trouble)) => report.unchecked(Hazard::Ext4SparseSuper2, trouble.clone()),
            None => report.unchecked(Hazard::Ext4SparseSuper2, unknown(&target, "its device")),
        }
        if mount.is_read_only() {
            continue;
        }
        match (has_journal(host, mount.dev, superblocks), superblock) {
            (Some(true), _) => {}
            (Some(false), _) => report.found(Hazard::Ext4NoJournal, tier, target.as_str()),
            (None, Some(Err(trouble))) => report.unchecked(Hazard::Ext4NoJournal, trouble.clone()),
            (None, _) => report.unchecked(Hazard::Ext4NoJournal, unknown(&target, "its journal")),
        }
    }
}

/// Whether the ext4 filesystem on a device has a journal: by the kernel where it is mounted, else by its superblock.
pub fn has_journal(host: &Host<'_>, dev: DeviceNumber, superblocks: &Superblocks) -> Option<bool> {
    let device = host.blocks.by_number(dev);
    let in_use = device.and_then(|device| ext4::has_journal(&host.context.sysfs, &device.name));
    let by_superblock = || Some(superblocks.get(&dev)?.as_ref().ok()?.journal);
    in_use.or_else(by_superblock)
}

/// Whether what was written may be lost with the power; of several disks any counts.
fn cache_is_volatile(host: &Host<'_>, mount: &Mount) -> Option<bool> {
    let disks = host.disks(host.device(mount)?);
    let modes = disks.iter().map(|disk| {
        let folder = host
            .context
            .sysfs
            .join("class/block")
            .join(disk.name.replace('/', "!"));
        attribute(&folder.join("queue/write_cache"))
    });
    let modes: Vec<Option<String>> = modes.collect();
    let is_back = |mode: &Option<String>| mode.as_deref() == Some("write back");
    match modes.iter().any(is_back) {
        true => Some(true),
        false if modes.iter().any(Option::is_none) => None,
        false => Some(false),
    }
}

fn unknown(target: &str, what: &str) -> Trouble {
    Trouble::new(
        State::Unsupported,
        format!("{target}: the kernel does not say {what}"),
    )
}

//! Families of what sysfs tells of controllers and namespaces, whatever the rights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tidegauge_model::metric::{Family, FamilySpec, Labels};

use super::rows::LABELS;
use crate::device::nvme::sysfs::{self, Controller};

const CONTROLLERS: &str = "/sys/class/nvme";
const BLOCKS: &str = "/sys/class/block";

static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_nvme_info",
    "Who the controller is.",
    &[
        "tier",
        "device",
        "model",
        "serial",
        "firmware_revision",
        "cntlid",
        "subsysnqn",
        "transport",
        "address",
    ],
)
.from(CONTROLLERS)
.with_rights("none");
static STATE: FamilySpec = FamilySpec::gauge(
    "tidegauge_nvme_controller_state",
    "The kernel's state of the controller: 1 for the one that holds, 0 for the others. Only a live one is asked.",
    &["tier", "device", "state"],
)
.from(CONTROLLERS)
.with_rights("none");
static NAMESPACE_INFO: FamilySpec = FamilySpec::info(
    "tidegauge_nvme_namespace_info",
    "The controllers by which a namespace (its block device) is reached, and how well (ANA).",
    &["tier", "device", "nsid", "controller", "ana_state"],
)
.from(CONTROLLERS)
.with_rights("none");
static SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_nvme_namespace_size_bytes",
    "Size of the namespace.",
    LABELS,
)
.from(BLOCKS)
.with_rights("none");
static USED: FamilySpec = FamilySpec::gauge(
    "tidegauge_nvme_namespace_used_bytes",
    "What the namespace has in use, as the drive tells (Linux 6.8).",
    LABELS,
)
.from(BLOCKS)
.with_rights("none");
static BLOCK_SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_nvme_namespace_logical_block_size_bytes",
    "Logical block of the namespace.",
    LABELS,
)
.from(BLOCKS)
.with_rights("none");
static METADATA_SIZE: FamilySpec = FamilySpec::gauge(
    "tidegauge_nvme_namespace_metadata_size_bytes",
    "Metadata beside each logical block of the namespace (Linux 6.8).",
    LABELS,
)
.from(BLOCKS)
.with_rights("none");

/// All of them.
pub static FAMILIES: [&FamilySpec; 7] = [
    &INFO,
    &STATE,
    &NAMESPACE_INFO,
    &SIZE,
    &USED,
    &BLOCK_SIZE,
    &METADATA_SIZE,
];

/// States of a controller as the kernel names them.
const STATES: [&str; 6] = ["new", "live", "resetting", "connecting", "deleting", "dead"];

/// A controller as it is shown.
pub struct Shown {
    /// As sysfs tells.
    pub controller: Controller,
    /// Its tier's name; empty when none.
    pub tier: String,
    /// `tier`, `device`.
    pub labels: Labels,
}

/// The families; `used` has the bytes in use of each namespace that told.
pub fn families(shown: &[Shown], used: &BTreeMap<String, u64>, sysfs: &Path) -> Vec<Family> {
    let mut all: Vec<Family> = FAMILIES.iter().map(|spec| Family::new(spec)).collect();
    let [info, states, paths, size, in_use, block, metadata] = all.as_mut_slice() else {
        return all;
    };
    let mut told = BTreeSet::new();
    for Shown {
        controller,
        tier,
        labels,
    } in shown
    {
        info.push(&info_labels(labels, controller), true);
        if !controller.state.is_empty() {
            for state in STATES {
                // "deleting (no IO)" is a way of deleting.
                let holds = controller.state.split(' ').next() == Some(state);
                states.push(&labels.with("state", state), holds);
            }
        }
        for path in &controller.paths {
            let of_device = Labels::new(&[("tier", tier), ("device", &path.device)]);
            let of_path = of_device
                .with("nsid", &path.nsid)
                .with("controller", &controller.name)
                .with("ana_state", &path.ana_state);
            paths.push(&of_path, true);
            if !told.insert(path.device.as_str()) {
                continue;
            }
            let sizes = sysfs::namespace(sysfs, &path.device);
            let used = used.get(&path.device).copied();
            for (family, bytes) in [
                (&mut *size, sizes.size),
                (&mut *in_use, used),
                (&mut *block, sizes.block_size),
                (&mut *metadata, sizes.metadata_size),
            ] {
                if let Some(bytes) = bytes {
                    family.push(&of_device, bytes);
                }
            }
        }
    }
    all
}

fn info_labels(labels: &Labels, controller: &Controller) -> Labels {
    [
        ("model", &controller.model),
        ("serial", &controller.serial),
        ("firmware_revision", &controller.firmware),
        ("cntlid", &controller.cntlid),
        ("subsysnqn", &controller.subsystem),
        ("transport", &controller.transport),
        ("address", &controller.address),
    ]
    .into_iter()
    .fold(labels.clone(), |all, (name, value)| all.with(name, value))
}

//! Tests that run in the virtual machine of `tests/vm/boot.sh`, whose kernel has what others lack.
//!
//! All run in one boot, one after the other. Who may write to what:
//!
//! | device (serial) | test |
//! |---|---|
//! | NVMe TG0001, namespace 1 (4 GiB) | hazard, lvm, rights, setting, tiers |
//! | NVMe TG0001, namespace 2 (256 MiB) | nvme |
//! | NVMe TG0002, shared by two controllers | nvme |
//! | SATA TGSATA1, TGSATA2 (2 GiB) | btrfs, hazard, rights, setting, tiers |
//! | SCSI TGSCSI1 (1 GiB) | rights, smart |
//! | loop devices, exports on 127.0.0.1 | each its own |
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod btrfs;
mod hazard;
mod lvm;
mod md;
mod monitor;
mod nfs;
mod nvme;
mod quota;
mod rights;
mod setting;
mod smart;
mod three_tiers;
mod tiers;

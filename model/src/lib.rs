//! The vocabulary that every room of tidegauge shares: tiers, filesystems, metric families and
//! readings. Nothing here does I/O, starts a thread or reads a clock.

pub mod expect;
pub mod exposition;
pub mod metric;
pub mod mount;
pub mod mount_option;
pub mod placement;
pub mod reading;
pub mod snapshot;
pub mod tier;
pub mod units;

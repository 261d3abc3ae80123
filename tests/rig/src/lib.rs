//! What the end-to-end tests stand on: real filesystems on loop devices, a FUSE filesystem that hangs
//! when told to, and the real programs around tidegauge (Prometheus, promtool).
//!
//! A crate rather than a `mod support` in each test binary: it is compiled once, and a helper that
//! one binary leaves unused is no dead code there.
//!
//! Everything here is a guard: dropping it, by a panic too, unmounts, detaches, ends and removes what
//! it made. All of it lives in one folder, `target/rig`, where `tests/run` looks for what a killed
//! test left behind. Setting up panics when it fails, with what the failing program said: there is no
//! test to run then. Whether this machine can run a test at all is asked first, by [`needs!`].

mod authority;
mod btrfs_pair;
mod daemon;
mod exporter;
mod exposition;
mod hang_fs;
mod http;
mod lifeline;
mod loop_fs;
mod mount;
mod prometheus;
mod scratch;
mod sidecar;
mod skip;
mod switch;
mod wait;

pub use authority::{Authority, Identity};
pub use btrfs_pair::BtrfsPair;
pub use daemon::{Daemon, free_port};
pub use exporter::{Exporter, Stopped};
pub use exposition::Exposition;
pub use hang_fs::HangFs;
pub use http::{Response, get, post_form};
pub use loop_fs::{FsKind, LoopFs};
pub use mount::{Mount, mounts_at_or_below};
pub use prometheus::{Job, Output, Prometheus, Which, promtool};
pub use scratch::Scratch;
pub use sidecar::Sidecar;
pub use skip::{missing_of, record_skip};
pub use switch::{Answer, Operations, Switch};
pub use wait::wait_until;

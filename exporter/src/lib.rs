//! Reads devices, filesystems and kernel files into snapshots, and serves them.

pub mod device;
pub mod http;

//! Reads devices, filesystems and kernel files into snapshots, and serves them.

pub mod collector;
pub mod device;
pub mod discover;
pub mod host;
pub mod http;
pub mod problem;
pub mod rights;
pub mod sampling;
pub mod settings;

//! Reads devices, filesystems and kernel files into snapshots, and serves them.

pub mod collector;
pub mod device;
pub mod discover;
pub mod host;
pub mod http;
pub mod rights;
pub mod sampling;
pub mod settings;

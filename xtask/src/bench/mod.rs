//! Benchmarks: ours and a peer in turn, medians and ratios.

mod client;
pub mod devices;
mod document;
mod mounts;
mod process;
pub mod rules;
pub mod scrape;
pub mod smart;
mod table;
pub mod walk;

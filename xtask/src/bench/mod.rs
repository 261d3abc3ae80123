//! Benchmarks: ours and a peer in turn, medians and ratios.

mod client;
mod mounts;
mod process;
pub mod scrape;
mod table;

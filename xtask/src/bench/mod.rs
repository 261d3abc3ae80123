//! Benchmarks: ours and a peer in turn, medians and ratios.

mod client;
pub mod devices;
mod document;
mod history;
mod mounts;
mod process;
pub mod promql;
pub mod rules;
pub mod scrape;
mod shipped;
pub mod smart;
mod table;
pub mod walk;

//! One file for each kernel surface: bytes in, a struct out. No metric names here, no rates.

pub mod block;
pub mod diskstats;
pub mod isolate;
pub mod kernel_file;
pub mod mountinfo;
pub mod pressure;
pub mod probe;
pub mod process;
pub mod quota;
pub mod smartctl;
pub mod statfs;
pub mod tool;
pub mod tree;
pub mod udev;

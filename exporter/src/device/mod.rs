//! One file for each kernel surface: bytes in, a struct out. No metric names here, no rates.

pub mod kernel_file;
pub mod mountinfo;
pub mod probe;
pub mod statfs;

//! One file for each kernel surface: bytes in, a struct out. No metric names here, no rates.

pub mod block;
pub mod diskstats;
pub mod isolate;
pub mod kernel_file;
pub mod mountinfo;
pub mod mountstats;
pub mod nfs_options;
pub mod nfs_probe;
pub mod pressure;
pub mod probe;
pub mod process;
pub mod quota;
pub mod rpc;
pub mod statfs;
pub mod tool;
pub mod tree;
pub mod udev;

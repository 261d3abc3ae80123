//! System calls that no kept-up crate wraps safely: the one place of the project with `unsafe` code.
//!
//! Each module is one kernel surface. The functions are safe, take borrowed descriptors, block as long
//! as the kernel does, and give the kernel's error number. Layouts are those of the kernel's headers.

pub mod btrfs;
pub mod dm;
pub mod fsxattr;
pub mod ioprio;
pub mod memory;
pub mod nvme;
pub mod quota;

//! One file for each kernel surface: bytes in, a struct out. No metric names here, no rates.

pub mod block;
pub mod btrfs;
pub mod diskstats;
pub mod dm;
pub mod ext4;
pub mod fstab;
pub mod isolate;
pub mod kernel_file;
pub mod lvm;
pub mod lvm_conf;
pub mod md;
pub mod mdstat;
pub mod mountinfo;
pub mod nvme;
pub mod pressure;
pub mod probe;
pub mod process;
pub mod queue;
pub mod quota;
pub mod statfs;
pub mod sysctl;
pub mod systemd_timer;
pub mod tool;
pub mod tree;
pub mod udev;
pub mod udev_rules;

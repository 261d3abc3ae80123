//! What the collectors of devices cost, on the three tiers' devices: measured in the virtual machine by
//! `tests/vm/bench.rs`, whose table this takes over.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::document;

/// Runs it and writes its section of `docs/benchmarks.md`.
pub fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let output = Command::new(root.join("tests/vm/boot.sh"))
        .arg("--bench")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut table = String::new();
    let lines = text.lines().map(str::trim_end);
    for line in lines.skip_while(|line| !line.starts_with('|')) {
        if line.starts_with('|') || line.is_empty() {
            table.push_str(line);
            table.push('\n');
        }
    }
    println!("{table}");
    let text = format!(
        "By `cargo xtask bench devices` (needs root, `tests/peers.sh` and `cargo build --release` before it).\n\n\
         {}, in it a virtual machine under software emulation with Debian's kernel, which makes everything some ten\n\
         times slower, both sides alike: two NVMe drives by three controllers, LVM with a snapshot, two SATA disks with\n\
         btrfs, a SCSI disk, an NFS mount. CPU is that of the process and of the programs that it started, per scrape or\n\
         per reading. A scrape is of all collectors with their defaults, the peer's has the same subjects switched on\n\
         (diskstats, filesystem, pressure, btrfs, nvme, nfs, mountstats, mdadm); those with timers read on these, not\n\
         at the scrape.\n\n{table}",
        document::machine()?
    );
    document::replace(root, "Devices", &text)
}

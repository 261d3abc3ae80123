//! A volume group on the big NVMe namespace, others on loop devices, and what LVM's own tools say of them.

use std::path::PathBuf;
use std::process::Command;

use tidegauge_rig::{Exporter, Scratch};

use crate::three_tiers::namespace;

/// Taken down when dropped, in the reverse order, whatever failed.
pub struct Volumes {
    pub scratch: Scratch,
    undo: Vec<String>,
}

impl Volumes {
    /// Group `vg_jts` on the NVMe drive, with `postgresql` mounted in the hot tier.
    pub fn new() -> Self {
        let mut all = Self {
            scratch: Scratch::new("lvm"),
            undo: Vec::new(),
        };
        let device = namespace("TG0001", 1);
        all.run(&format!(
            "wipefs -qa {device}; pvcreate -qq -ff -y {device}"
        ));
        all.undo(&format!("pvremove -qq -ff -y {device}; udevadm settle"));
        all.run(&format!("vgcreate -qq -s 4m vg_jts {device}"));
        all.undo("vgremove -qq -ff -y vg_jts");
        all.run(
            "lvcreate -qq -y -L 64M -n postgresql vg_jts && mkfs.ext4 -q /dev/vg_jts/postgresql",
        );
        let at = all.hot();
        let at = at.display();
        all.run(&format!(
            "mkdir -p {at} && mount /dev/vg_jts/postgresql {at}"
        ));
        all.undo(&format!("umount {at}"));
        all
    }

    fn hot(&self) -> PathBuf {
        self.scratch.path().join("hot/postgresql")
    }

    /// A loop device with a file of this size behind it.
    pub fn loop_device(&mut self, size: &str) -> String {
        let name = format!("disk{}", self.undo.len());
        let file = self.scratch.path().join(name);
        let file = file.display();
        let node = self.run(&format!(
            "truncate -s {size} {file} && losetup -f --show {file}"
        ));
        let node = node.trim().to_owned();
        self.undo(&format!("wipefs -qa {node}; losetup -d {node}"));
        node
    }

    /// To run at the end, before what was given earlier.
    pub fn undo(&mut self, script: &str) {
        self.undo.push(script.to_owned());
    }

    /// Its output; panics when it fails.
    pub fn run(&self, script: &str) -> String {
        let output = shell(script);
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// One field of a report: `report("lvs", "snap_percent", "vg_jts/snap")`.
    pub fn report(&self, tool: &str, field: &str, of: &str) -> String {
        let options = "--noheadings --units b --nosuffix --binary";
        // While a disk is missing it tells, and ends with an error all the same.
        let output = shell(&format!("{tool} {options} -o {field} {of} 2>/dev/null"));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A percentage of `lvs` as a ratio.
    pub fn ratio(&self, field: &str, of: &str) -> f64 {
        let text = self.report("lvs", field, of);
        text.parse::<f64>()
            .unwrap_or_else(|e| panic!("{field}: {text}: {e}"))
            / 100.0
    }

    /// Tiers for a configuration; more of it may follow.
    pub fn config(&self, more: &str) -> String {
        let path = self.scratch.path().join("hot");
        format!(
            "tiers: [{{name: hot, paths: [{path:?}]}}]\ncollectors: {{dm: {{interval: 1s}}, lvm: {{interval: 1s{more}}}}}\n"
        )
    }
}

impl Drop for Volumes {
    fn drop(&mut self) {
        while let Some(script) = self.undo.pop() {
            let output = shell(&script);
            if !output.status.success() {
                eprintln!("{script}: {output:?}");
            }
        }
    }
}

pub fn shell(script: &str) -> std::process::Output {
    Command::new("sh")
        .args(["-c", script])
        .env("LVM_SUPPRESS_FD_WARNINGS", "1")
        .output()
        .unwrap()
}

/// The value of the one series of a family that has all these labels.
pub fn sample(exporter: &Exporter, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    let start = format!("{family}{{");
    let found: Vec<f64> = answer
        .text()
        .lines()
        .filter(|line| line.starts_with(&start))
        .filter(|line| {
            labels.iter().all(|(name, value)| {
                let pair = format!("{name}=\"{value}\"");
                line.contains(&format!("{{{pair}")) || line.contains(&format!(",{pair}"))
            })
        })
        .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
        .collect();
    assert!(found.len() < 2, "{family} {labels:?}: {found:?}");
    found.first().copied()
}

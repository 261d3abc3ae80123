//! btrfs on two SATA disks: what goes bad on one of them is found by a scrub and told, beside btrfs-progs.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tidegauge_rig::{Exporter, Scratch, needs, wait_until};

use crate::three_tiers::disk;

const LIMIT: Duration = Duration::from_secs(120);
const BLOCK: usize = 4096;
/// What was written first lies within this much of the device's start.
const SEARCHED: u64 = 1 << 30;
const STATUS: &str = "/var/lib/btrfs/scrub.status";

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A filesystem on both disks; they are empty again when dropped.
struct Mirror {
    scratch: Scratch,
    disks: [String; 2],
    uuid: String,
}

impl Mirror {
    fn new() -> Self {
        let mut mirror = Self {
            scratch: Scratch::new("btrfs"),
            disks: [disk("TGSATA1"), disk("TGSATA2")],
            uuid: String::new(),
        };
        let [a, b] = &mirror.disks;
        let make = "mkfs.btrfs -q -f -L warm -d raid1 -m raid1";
        sh(&format!("{make} {a} {b} && btrfs device scan {a} {b}"));
        mirror.uuid = sh(&format!("blkid -p -s UUID -o value {a}"))
            .trim()
            .to_owned();
        let at = mirror.scratch.folder("mnt");
        sh(&format!(
            "mount -t btrfs -o compress=zstd:3 {} {}",
            mirror.disks[0],
            at.display()
        ));
        mirror
    }

    fn at(&self) -> PathBuf {
        self.scratch.path().join("mnt")
    }

    fn btrfs(&self, command: &str) -> String {
        let command = command.replace('@', &self.at().display().to_string());
        sh(&format!("btrfs {command}"))
    }

    /// The value of a series by its labels after `tier` and `uuid`.
    fn value(&self, exporter: &Exporter, name: &str, labels: &str) -> Option<f64> {
        let answer = exporter.get("/metrics", &[]).unwrap();
        let uuid = &self.uuid;
        let series = format!("tidegauge_btrfs_{name}{{tier=\"warm\",uuid=\"{uuid}\"{labels}}} ");
        let text = answer.text();
        let line = text.lines().find_map(|line| line.strip_prefix(&series))?;
        line.parse().ok()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let [a, b] = &self.disks;
        let script = format!(
            "umount {0} || umount -l {0}; btrfs device scan --forget {a} {b}; wipefs -qa {a} {b}; rm -f {STATUS}.{1}*",
            self.at().display(),
            self.uuid
        );
        let _ = Command::new("sh").args(["-c", &script]).output();
    }
}

/// Damages the first block of this content on a disk.
fn damage(disk: &str, content: &[u8]) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(disk)
        .unwrap();
    let mut buffer = vec![0; 1 << 20];
    for start in (0..SEARCHED).step_by(buffer.len()) {
        file.read_exact_at(&mut buffer, start).unwrap();
        let found = buffer.chunks(BLOCK).position(|block| block == content);
        if let Some(index) = found {
            let at = start + (index * BLOCK) as u64;
            file.write_all_at(&[0xAA; BLOCK], at).unwrap();
            file.sync_all().unwrap();
            return;
        }
    }
    panic!("the block is not on {disk}");
}

#[test]
fn a_scrub_tells_what_went_bad_on_one_of_two_disks() {
    needs!("root", "mkfs.btrfs", "blkid", "wipefs", "setpriv", "binary");
    let mirror = Mirror::new();
    // Not to be compressed.
    let mut seed = 1_u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_le_bytes()[3]
    };
    let block: Vec<u8> = (0..BLOCK).map(|_| random()).collect();
    fs::write(mirror.at().join("precious"), &block).unwrap();
    mirror.btrfs("subvolume create @/daily-backups");
    mirror.btrfs("subvolume snapshot -r @/daily-backups @/daily-1");
    mirror.btrfs("filesystem sync @");
    let config = format!("tiers:\n  - {{name: warm, paths: [{:?}]}}\n", mirror.at());
    let flags = [
        "--collector.disable-defaults",
        "--collector.btrfs",
        "--collector.btrfs_volume",
        "--collector.btrfs_volume.interval=1s",
    ];
    // As a user of its own with the rights of docs/security.md, and without.
    let by = |capabilities: &str| {
        let list = format!("-all{capabilities}");
        let bounding = format!("--bounding-set={list}");
        let (inherited, ambient) = (
            format!("--inh-caps={list}"),
            format!("--ambient-caps={list}"),
        );
        let by = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        let by = [&by[..], &[&bounding, &inherited, &ambient]].concat();
        Exporter::start_by(&by, &flags, &config)
    };
    let exporter = by(",+sys_admin,+dac_read_search,+sys_ptrace");
    let value = |name: &str, labels: &str| mirror.value(&exporter, name, labels);
    let until = |name: &str, labels: &str, expected: f64| {
        let agrees = || (value(name, labels) == Some(expected)).then_some(());
        wait_until(LIMIT, agrees).unwrap_or_else(|| {
            let text = exporter.get("/metrics", &[]).unwrap().text().to_owned();
            let lines = text
                .lines()
                .filter(|line| line.starts_with("tidegauge_btrfs"));
            let lines: Vec<&str> = lines.collect();
            panic!("{name}{{{labels}}} is not {expected}: {}", lines.join("\n"))
        });
    };
    until("scrub_state", ",state=\"never\"", 1.0);
    until("subvolume_snapshots", ",subvolume=\"/daily-backups\"", 1.0);
    until("subvolumes", "", 2.0);
    until("missing_devices", "", 0.0);
    damage(&mirror.disks[1], &block);
    mirror.btrfs("scrub start -B @");
    until("scrub_state", ",state=\"finished\"", 1.0);
    let name = mirror.disks[1].trim_start_matches("/dev/");
    let second = format!(",devid=\"2\",device=\"{name}\"");
    until("scrub_errors", &format!("{second},kind=\"csum\""), 1.0);
    until("scrub_corrected_errors", &second, 1.0);
    until("scrub_uncorrectable_errors", &second, 0.0);
    until(
        "device_errors_total",
        &format!("{second},kind=\"corruption\""),
        1.0,
    );
    let told = mirror.btrfs("scrub status -R @");
    assert!(
        told.contains("csum_errors: 1") && told.contains("corrected_errors: 1"),
        "{told}"
    );
    let stats = mirror.btrfs("device stats @");
    let line = format!("[{}].corruption_errs", mirror.disks[1]);
    let line = stats.lines().find(|l| l.starts_with(&line)).unwrap();
    assert!(line.ends_with(" 1"), "{stats}");
    assert_eq!(fs::read(mirror.at().join("precious")).unwrap(), block);
    let unallocated = value("unallocated_bytes", "").unwrap();
    let usage = mirror.btrfs("filesystem usage -b @");
    let of_usage = usage
        .lines()
        .find_map(|l| l.trim().strip_prefix("Device unallocated:"));
    assert_eq!(of_usage.unwrap().trim().parse(), Ok(unallocated), "{usage}");
    exporter.stop();

    let exporter = by("");
    let denied = || {
        let label = ",part=\"scrub_status\",state=\"denied\"";
        mirror
            .value(&exporter, "volume_reading_state", label)
            .filter(|v| *v == 1.0)
    };
    wait_until(LIMIT, denied).expect("what needs a right is told as denied");
    let errors = format!("{second},kind=\"corruption\"");
    assert_eq!(
        mirror.value(&exporter, "device_errors_total", &errors),
        Some(1.0)
    );
    assert_eq!(
        mirror.value(&exporter, "scrub_corrected_errors", &second),
        None
    );
    exporter.stop();
}

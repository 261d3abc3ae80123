//! What each collector costs, on the three tiers' devices in the virtual machine, beside the tool or exporter that
//! reads the same. `cargo xtask bench devices` runs it; the emulation makes all of it some ten times slower.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark ends by a panic when it fails, prints its table, and measures milliseconds"
)]

#[path = "guest/three_tiers.rs"]
mod three_tiers;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use three_tiers::{ThreeTiers, disk};
use tidegauge_rig::{Daemon, Exporter, Scratch, free_port};

/// How often each thing is done.
const READINGS: u32 = 8;
const SCRAPES: u32 = 50;
/// Jiffies of user space (`USER_HZ`), in a second.
const HZ: f64 = 100.0;

/// CPU seconds of a process and of its children that have ended: proc(5), fields 14 to 17.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields[11..15].iter().map(|n| n.parse::<f64>().unwrap());
    ticks.sum::<f64>() / HZ
}

/// CPU in ms and wall time in ms of one run of a tool.
fn tool(arguments: &[&str]) -> (f64, f64) {
    let (before, began) = (cpu(std::process::id()), Instant::now());
    for _ in 0..READINGS {
        let status = Command::new(arguments[0])
            .args(&arguments[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.code().is_some(), "{arguments:?}");
    }
    let n = f64::from(READINGS);
    let used = cpu(std::process::id()) - before;
    (used * 1e3 / n, began.elapsed().as_secs_f64() * 1e3 / n)
}

fn sample(exporter: &Exporter, series: &str) -> Option<f64> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    answer.text().lines().find_map(|line| {
        let value = line.strip_prefix(series)?.strip_prefix(' ')?;
        value.parse().ok()
    })
}

/// CPU in ms of one reading of a collector on a timer, and how long the last one took in ms.
fn timer(tiers: &ThreeTiers, collector: &str) -> (f64, f64) {
    let flags = [
        "--collector.disable-defaults".to_owned(),
        format!("--collector.{collector}"),
        format!("--collector.{collector}.interval=1s"),
        "--log.level=error".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let exporter = Exporter::start(&flags, &tiers.config());
    std::thread::sleep(Duration::from_secs(3));
    let before = cpu(exporter.pid());
    std::thread::sleep(Duration::from_secs(u64::from(READINGS)));
    let used = cpu(exporter.pid()) - before;
    let took = format!("tidegauge_collector_duration_seconds{{collector=\"{collector}\"}}");
    let took = sample(&exporter, &took).unwrap_or(f64::NAN) * 1e3;
    exporter.stop();
    // A reading and a second of waiting follow each other.
    let readings = f64::from(READINGS) / (1.0 + took / 1e3);
    (used * 1e3 / readings, took)
}

/// CPU in ms of a scrape, and the samples in it.
fn scrape(pid: u32, get: impl Fn() -> String) -> (f64, usize) {
    let count = get().lines().filter(|line| !line.starts_with('#')).count();
    let before = cpu(pid);
    for _ in 0..SCRAPES {
        get();
    }
    ((cpu(pid) - before) * 1e3 / f64::from(SCRAPES), count)
}

fn row(what: &str, ours: f64, peer_name: &str, peer: f64) {
    println!(
        "| {what} | {ours:.1} | {peer_name} | {peer:.1} | {:.2} |",
        ours / peer
    );
}

fn main() {
    let tiers = ThreeTiers::new();
    let sata = disk("TGSATA1");
    let warm = tiers.path("warm").display().to_string();

    println!("\n| | ours, CPU ms | beside | CPU ms | ratio |\n|---|---|---|---|---|");
    let exporter = Exporter::start(&["--log.level=error"], &tiers.config());
    let ours = scrape(exporter.pid(), || {
        exporter.get("/metrics", &[]).unwrap().text().to_owned()
    });
    exporter.stop();
    let peer = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/peers/node_exporter/usr/bin/prometheus-node-exporter");
    let address = format!("127.0.0.1:{}", free_port());
    let mut flags = vec![format!("--web.listen-address={address}")];
    flags.push("--collector.disable-defaults".to_owned());
    for name in [
        "diskstats",
        "filesystem",
        "pressure",
        "btrfs",
        "nvme",
        "nfs",
        "mountstats",
        "mdadm",
    ] {
        flags.push(format!("--collector.{name}"));
    }
    let daemon = Daemon::start(
        peer.as_os_str(),
        flags,
        &address,
        ("/metrics", 200),
        Scratch::new("peer"),
    );
    let theirs = scrape(daemon.pid(), || {
        daemon.get("/metrics", &[]).unwrap().text().to_owned()
    });
    drop(daemon);
    let what = format!("one scrape, all collectors ({} samples)", ours.1);
    row(
        &what,
        ours.0,
        &format!("node_exporter ({} samples)", theirs.1),
        theirs.0,
    );

    let shell = |script: &'static str| vec!["sh", "-c", script, &warm];
    let timers: [(&str, &str, Vec<&str>); 8] = [
        (
            "nvme",
            "3 × `nvme smart-log`",
            shell("for i in 0 1 2; do nvme smart-log -o json /dev/nvme$i; done"),
        ),
        (
            "smart",
            "3 × `smartctl --json -a`",
            shell("for i in a b c; do smartctl --json -a /dev/sd$i; done"),
        ),
        ("dm", "`dmsetup status`", vec!["dmsetup", "status"]),
        (
            "lvm",
            "`lvm fullreport`",
            vec!["lvm", "fullreport", "--reportformat", "json"],
        ),
        (
            "btrfs_volume",
            "`btrfs filesystem usage`, `device stats`, `subvolume list`",
            shell("btrfs filesystem usage -b $0; btrfs device stats $0; btrfs subvolume list $0"),
        ),
        (
            "nfs_server",
            "`rpcinfo -T tcp`",
            vec!["rpcinfo", "-T", "tcp", "127.0.0.1", "nfs", "3"],
        ),
        ("setting", "`lsblk -O`", vec!["lsblk", "-O", &sata]),
        (
            "hazard",
            "`findmnt --verify`",
            vec!["findmnt", "--verify", "--verbose"],
        ),
    ];
    let mut lines = Vec::new();
    for (collector, name, command) in timers {
        let ours = timer(&tiers, collector);
        let theirs = tool(&command);
        row(
            &format!("`{collector}`, one reading"),
            ours.0,
            name,
            theirs.0,
        );
        lines.push(format!(
            "| `{collector}` | {:.1} | {name} | {:.1} |",
            ours.1, theirs.1
        ));
    }
    println!("\n| | wall ms | beside | wall ms |\n|---|---|---|---|");
    for line in lines {
        println!("{line}");
    }
}

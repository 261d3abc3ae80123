//! SATA and SCSI disks through the real smartctl: the same numbers, the least rights, a disk that goes and comes.
//!
//! QEMU's disks answer CHECK POWER MODE as if they never slept; what a sleeping disk looks like is in
//! `tests/e2e_smart.rs`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tidegauge_rig::{Exporter, needs, wait_until};

use crate::three_tiers::disk;

const LIMIT: Duration = Duration::from_secs(60);
const FLAGS: [&str; 3] = [
    "--collector.disable-defaults",
    "--collector.smart",
    "--collector.smart.interval=1s",
];

fn name(serial: &str) -> String {
    disk(serial).trim_start_matches("/dev/").to_owned()
}

fn lines(exporter: &Exporter) -> Vec<String> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    let lines = answer
        .text()
        .lines()
        .filter(|l| l.starts_with("tidegauge_smart_"));
    lines.map(str::to_owned).collect()
}

/// The value of the family for the device, whatever its tier; `more` are labels after `device`.
fn value(lines: &[String], family: &str, device: &str, more: &str) -> Option<f64> {
    let (start, labels) = (
        format!("tidegauge_smart_{family}{{"),
        format!("device=\"{device}\"{more}}} "),
    );
    let line = lines
        .iter()
        .find(|l| l.starts_with(&start) && l.contains(&labels))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

fn state(lines: &[String], device: &str) -> Option<&'static str> {
    let all = [
        "ok",
        "standby",
        "denied",
        "tool_missing",
        "unsupported",
        "late",
        "gone",
        "failed",
    ];
    let holds = |state: &&str| {
        let label = format!(",state=\"{state}\"");
        value(lines, "reading_state", device, &label) == Some(1.0)
    };
    all.into_iter().find(holds)
}

fn until(exporter: &Exporter, device: &str, wanted: &str) -> Vec<String> {
    let seen = wait_until(LIMIT, || {
        let lines = lines(exporter);
        (state(&lines, device) == Some(wanted)).then_some(lines)
    });
    seen.unwrap_or_else(|| {
        let of_it = lines(exporter).into_iter().filter(|l| l.contains(device));
        let of_it: Vec<_> = of_it.collect();
        panic!(
            "{device} never {wanted}: {}\n{}",
            of_it.join("\n"),
            exporter.log()
        )
    })
}

fn smartctl(node: &str) -> Value {
    let output = Command::new("smartctl")
        .args(["--json=c", "-a", node])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_same_numbers_as_smartctl() {
    needs!("root", "binary", "smartctl");
    let exporter = Exporter::start(&FLAGS, "");
    for serial in ["TGSATA1", "TGSATA2"] {
        let device = name(serial);
        let lines = until(&exporter, &device, "ok");
        let json = smartctl(&disk(serial));
        let hours = json["power_on_time"]["hours"].as_f64().unwrap();
        for (family, expected) in [
            (
                "temperature_celsius",
                json["temperature"]["current"].as_f64(),
            ),
            ("power_on_seconds", Some(hours * 3600.0)),
            ("power_cycles_total", json["power_cycle_count"].as_f64()),
            ("healthy", Some(1.0)),
            ("capacity_bytes", json["user_capacity"]["bytes"].as_f64()),
        ] {
            assert!(expected.is_some(), "{family}");
            assert_eq!(value(&lines, family, &device, ""), expected, "{family}");
        }
        let table = json["ata_smart_attributes"]["table"].as_array().unwrap();
        assert!(table.len() >= 7);
        for row in table {
            for (field, expected) in [
                ("normalized", &row["value"]),
                ("worst", &row["worst"]),
                ("threshold", &row["thresh"]),
            ] {
                let (id, name) = (&row["id"], row["name"].as_str().unwrap());
                let more = format!(",id=\"{id}\",name=\"{name}\",field=\"{field}\"");
                let shown = value(&lines, "attribute", &device, &more);
                assert_eq!(shown, expected.as_f64(), "{more}");
            }
        }
        let serial = format!("serial=\"{serial}\"");
        let info = lines
            .iter()
            .find(|l| l.starts_with("tidegauge_smart_info") && l.contains(&serial));
        assert!(info.unwrap().contains(&format!("device=\"{device}\"")));
    }
    // QEMU's SCSI disk has no SMART; it says who it is, and the temperature of 0 °C that smartctl makes up is none.
    let device = name("TGSCSI1");
    let lines = until(&exporter, &device, "unsupported");
    let json = smartctl(&disk("TGSCSI1"));
    let capacity = json["user_capacity"]["bytes"].as_f64();
    assert_eq!(value(&lines, "capacity_bytes", &device, ""), capacity);
    assert_eq!(json["temperature"]["current"], 0);
    assert_eq!(value(&lines, "temperature_celsius", &device, ""), None);
    assert!(
        !lines.iter().any(|line| line.contains("device=\"nvme")),
        "{lines:?}"
    );
    exporter.stop();
}

/// Brings the disk back, however the test ends.
struct Rescan;

impl Drop for Rescan {
    fn drop(&mut self) {
        for host in fs::read_dir("/sys/class/scsi_host").unwrap() {
            let _ = fs::write(host.unwrap().path().join("scan"), "- - -");
        }
        let _ = Command::new("udevadm").arg("settle").status();
    }
}

#[test]
fn a_disk_that_goes_is_gone_and_comes_back() {
    needs!("root", "binary", "smartctl");
    let exporter = Exporter::start(&FLAGS, "");
    let device = name("TGSCSI1");
    until(&exporter, &device, "unsupported");
    let rescan = Rescan;
    fs::write(format!("/sys/block/{device}/device/delete"), "1").unwrap();
    let lines = until(&exporter, &device, "gone");
    assert_eq!(value(&lines, "capacity_bytes", &device, ""), None);
    let gone = ",state=\"gone\"";
    assert!(value(&lines, "reading_failures_total", &device, gone) >= Some(1.0));
    drop(rescan);
    let device = wait_until(LIMIT, || {
        let there = fs::read_dir("/sys/block").unwrap().flatten();
        let mut pages =
            there.map(|e| fs::read(e.path().join("device/vpd_pg80")).unwrap_or_default());
        pages
            .any(|page| String::from_utf8_lossy(&page).contains("TGSCSI1"))
            .then(|| name("TGSCSI1"))
    });
    let device = device.expect("the kernel finds it again");
    until(&exporter, &device, "unsupported");
    exporter.stop();
}

/// The exporter as nobody with these capabilities only.
fn confined(capabilities: &str, flags: &[&str]) -> Exporter {
    let list = format!("-all{capabilities}");
    let sets = ["bounding-set", "inh-caps", "ambient-caps"].map(|set| format!("--{set}={list}"));
    let mut by = vec![
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--no-new-privs",
    ];
    by.extend(sets.iter().map(String::as_str));
    let flags: Vec<&str> = FLAGS.iter().chain(flags).copied().collect();
    Exporter::start_by(&by, &flags, "")
}

/// Effective capabilities of the collector's thread.
fn held(exporter: &Exporter) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", exporter.pid())).unwrap();
    let statuses = tasks
        .map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default());
    let own = statuses
        .into_iter()
        .find(|status| status.starts_with("Name:\tcollect-smart\n"))
        .unwrap();
    let bits = own
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    u64::from_str_radix(bits.trim(), 16).unwrap()
}

const READ_SEARCH: u64 = 1 << 2;
const RAW_IO: u64 = 1 << 17;
const SYS_ADMIN: u64 = 1 << 21;

#[test]
fn the_least_rights() {
    needs!("root", "binary", "smartctl", "setpriv");
    let (sata, scsi) = (name("TGSATA1"), name("TGSCSI1"));

    let exporter = confined(",+sys_rawio,+dac_read_search,+sys_admin", &[]);
    until(&exporter, &sata, "ok");
    let lines = until(&exporter, &scsi, "unsupported");
    assert!(value(&lines, "temperature_celsius", &sata, "").is_some());
    assert_eq!(
        held(&exporter),
        RAW_IO | READ_SEARCH,
        "not what only NVMe needs"
    );
    exporter.stop();

    // Without it the kernel lets no ATA command through, of which smartctl says nothing.
    let exporter = confined(",+dac_read_search", &[]);
    let lines = until(&exporter, &sata, "denied");
    assert_eq!(value(&lines, "temperature_celsius", &sata, ""), None);
    until(&exporter, &scsi, "unsupported");
    exporter.stop();

    let exporter = confined("", &[]);
    let lines = until(&exporter, &sata, "denied");
    assert_eq!(state(&lines, &scsi), Some("denied"));
    let failed = ",state=\"failed\"";
    assert_eq!(
        value(&lines, "reading_failures_total", &sata, failed),
        Some(0.0)
    );
    exporter.stop();

    let all = ["--collector.smart.device-exclude="];
    let exporter = confined(",+sys_rawio,+dac_read_search,+sys_admin", &all);
    let lines = until(&exporter, "nvme0n1", "ok");
    assert!(value(&lines, "available_spare_ratio", "nvme0n1", "").is_some());
    assert_eq!(held(&exporter), RAW_IO | READ_SEARCH | SYS_ADMIN);
    exporter.stop();
}

#[test]
fn a_scan_opens_no_disk() {
    needs!("root", "smartctl", "setpriv");
    let scan = |by: &[&str]| -> Value {
        let command: Vec<&str> = by
            .iter()
            .chain(&["smartctl", "--json=c", "--scan"])
            .copied()
            .collect();
        let output = Command::new(command[0])
            .args(&command[1..])
            .output()
            .unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["devices"].clone()
    };
    let by_root = scan(&[]);
    assert!(by_root.as_array().unwrap().len() >= 3, "{by_root}");
    // Who may open none finds as many.
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ];
    assert_eq!(scan(&nobody), by_root);
}

//! All three tiers on one host: each device's series carry the tier that it serves.

use std::time::Duration;

use tidegauge_rig::{Exporter, needs, wait_until};

use crate::three_tiers::{ThreeTiers, disk, namespace};

const LIMIT: Duration = Duration::from_secs(20);

/// The lines of an exposition that are samples.
fn samples(exporter: &Exporter) -> Vec<String> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_layer_is_in_its_tier() {
    needs!(
        "root",
        "binary",
        "lvs",
        "mkfs.btrfs",
        "mkfs.ext4",
        "exportfs",
        "rpcbind",
        "mount.nfs",
        "wipefs"
    );
    let tiers = ThreeTiers::new();
    let exporter = Exporter::start(&[], &tiers.config());
    let has = |start: &str| {
        wait_until(LIMIT, || {
            samples(&exporter)
                .into_iter()
                .find(|line| line.starts_with(start))
        })
        .unwrap_or_else(|| {
            let of_tiers =
                |line: &String| line.starts_with("tidegauge_tier") || line.contains("error");
            let all: Vec<_> = samples(&exporter).into_iter().filter(of_tiers).collect();
            panic!("no {start}: {}\n{}", all.join("\n"), exporter.log())
        })
    };
    // Under emulation the first answer may come too late for the first scrape.
    for tier in ["hot", "warm", "cold"] {
        has(&format!("tidegauge_tier_up{{tier=\"{tier}\"}} 1"));
    }
    let kernel_name = |node: String| node.trim_start_matches("/dev/").to_owned();
    for (tier, device) in [
        ("hot", kernel_name(namespace("TG0001", 1))),
        ("warm", kernel_name(disk("TGSATA1"))),
        ("warm", kernel_name(disk("TGSATA2"))),
    ] {
        has(&format!(
            "tidegauge_disk_read_bytes_total{{tier=\"{tier}\",device=\"{device}\"}}"
        ));
    }
    let failed: Vec<_> = samples(&exporter)
        .into_iter()
        .filter(|line| line.starts_with("tidegauge_collector_success{") && line.ends_with(" 0"))
        .collect();
    assert!(failed.is_empty(), "{failed:?}\n{}", exporter.log());
    exporter.stop();
}

//! Tiers on real filesystems: what is exported is what `df` and `stat -f` say.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::path::Path;
use std::process::Command;

use tidegauge_rig::{Exporter, FsKind, LoopFs, Scratch, needs};

/// The value of the one sample whose line begins with `name{` and holds all of `labels`.
fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut found = text.lines().filter(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('{'))
            && labels
                .iter()
                .all(|(k, v)| line.contains(&format!("{k}=\"{v}\"")))
    });
    let line = found.next()?;
    assert_eq!(found.next(), None, "more than one {name} with {labels:?}");
    line.rsplit(' ').next()?.parse().ok()
}

fn said(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// size, free, avail in bytes and the two inode counts, by `stat -f`.
fn stat_f(path: &Path) -> [f64; 5] {
    let text = said("stat", &["-f", "-c", "%S %b %f %a %c %d"], path);
    let n: Vec<f64> = text
        .split_whitespace()
        .map(|w| w.parse().unwrap())
        .collect();
    [n[0] * n[1], n[0] * n[2], n[0] * n[3], n[4], n[5]]
}

/// Use% of `df`, a whole number.
fn df_percent(path: &Path) -> f64 {
    let text = said("df", &["--output=pcent"], path);
    text.lines()
        .last()
        .unwrap()
        .trim()
        .trim_end_matches('%')
        .parse()
        .unwrap()
}

fn fill(path: &Path, mib: usize) {
    std::fs::write(path.join("filler"), vec![7u8; mib << 20]).unwrap();
    said("sync", &["-f"], path);
}

#[test]
fn every_kind_of_filesystem_counts_once_and_as_df_says() {
    needs!("root", "loop", "binary", "mkfs.xfs", "mkfs.btrfs");
    let scratch = Scratch::new("tiers");
    let ext4 = LoopFs::new(FsKind::Ext4, 64);
    let xfs = LoopFs::new(FsKind::Xfs, 320);
    let btrfs = LoopFs::new(FsKind::Btrfs, 200);
    fill(ext4.mountpoint(), 20);
    fill(xfs.mountpoint(), 150);
    fill(btrfs.mountpoint(), 30);
    let bind = ext4.bind(&scratch.folder("bind \"quoted\" \\ \n newline"));
    let subvolume = btrfs.subvolume("home");
    let config = format!(
        "tiers:\n  - {{name: hot, paths: [{:?}, {:?}]}}\n  - {{name: warm, paths: [{:?}], require_mount: true}}\n",
        ext4.mountpoint(),
        xfs.mountpoint(),
        btrfs.mountpoint(),
    );
    let exporter = Exporter::start(&[], &config);
    let text = exporter.get("/metrics", &[]).unwrap().text().to_owned();

    for (tier, mounts) in [
        ("hot", vec![ext4.mountpoint(), xfs.mountpoint()]),
        ("warm", vec![btrfs.mountpoint()]),
    ] {
        let labels = [("tier", tier)];
        let mut sum = [0.0; 5];
        for mount in &mounts {
            let expected = stat_f(mount);
            sum.iter_mut().zip(expected).for_each(|(s, e)| *s += e);
            let at = [("mountpoint", mount.to_str().unwrap())];
            let families = ["size_bytes", "free_bytes", "avail_bytes"];
            for (family, expected) in families.iter().zip(expected) {
                let name = format!("tidegauge_filesystem_{family}");
                assert_eq!(value(&text, &name, &at), Some(expected), "{name} {at:?}");
            }
            let ratio = value(&text, "tidegauge_filesystem_used_ratio", &at).unwrap();
            assert_eq!((ratio * 100.0).ceil(), df_percent(mount), "{at:?}");
            assert_eq!(
                value(&text, "tidegauge_filesystem_device_error", &at),
                Some(0.0)
            );
            assert_eq!(
                value(&text, "tidegauge_filesystem_reading_age_seconds", &at),
                Some(0.0)
            );
        }
        assert_eq!(value(&text, "tidegauge_tier_up", &labels), Some(1.0));
        for (family, expected) in ["size", "free", "avail"].iter().zip(sum) {
            let name = format!("tidegauge_tier_{family}_bytes");
            assert_eq!(value(&text, &name, &labels), Some(expected), "{name}");
        }
        let used = (sum[0] - sum[1]) / (sum[0] - sum[1] + sum[2]);
        let ratio = value(&text, "tidegauge_tier_used_ratio", &labels).unwrap();
        assert!((ratio - used).abs() < 1e-12, "{tier}: {ratio} {used}");
    }
    let [.., files, files_free] = stat_f(ext4.mountpoint());
    let at = [("mountpoint", ext4.mountpoint().to_str().unwrap())];
    assert_eq!(value(&text, "tidegauge_filesystem_files", &at), Some(files));
    assert_eq!(
        value(&text, "tidegauge_filesystem_files_free", &at),
        Some(files_free)
    );
    // btrfs makes inodes as needed: no number is told, neither of it nor of its tier.
    assert_eq!(
        value(&text, "tidegauge_tier_files", &[("tier", "warm")]),
        None
    );
    // Other views of the same filesystems have series of their own, with the same tier.
    let name = bind.path().to_str().unwrap();
    let escaped = name
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    let labels = [("mountpoint", escaped.as_str()), ("tier", "hot")];
    assert!(
        value(&text, "tidegauge_filesystem_size_bytes", &labels).is_some(),
        "{text}"
    );
    let labels = [
        ("mountpoint", subvolume.path().to_str().unwrap()),
        ("tier", "warm"),
    ];
    assert!(value(&text, "tidegauge_filesystem_size_bytes", &labels).is_some());
    // The loop devices carry the tier of what is on them, btrfs's too.
    for (fs, tier) in [(&ext4, "hot"), (&xfs, "hot"), (&btrfs, "warm")] {
        let device = fs.device().file_name().unwrap().to_str().unwrap();
        let labels = [("device", device), ("tier", tier)];
        assert!(value(&text, "tidegauge_disk_written_bytes_total", &labels).unwrap() > 1e7);
    }
    exporter.stop();
}

#[test]
fn a_tier_whose_mount_is_missing_is_down_and_shows_nothing() {
    needs!("root", "loop", "binary");
    let scratch = Scratch::new("missing");
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let (point, plain) = (scratch.folder("nas"), scratch.folder("plain"));
    let config = format!(
        "tiers:\n  - {{name: warm, paths: [{plain:?}]}}\n  - {{name: cold, paths: [{point:?}], require_mount: true}}\n"
    );
    let exporter = Exporter::start(&[], &config);
    let metrics = || exporter.get("/metrics", &[]).unwrap().text().to_owned();
    let cold = [("tier", "cold")];
    let down = |text: &str| {
        assert_eq!(value(text, "tidegauge_tier_up", &cold), Some(0.0));
        for family in ["size_bytes", "avail_bytes", "used_ratio", "files"] {
            assert_eq!(
                value(text, &format!("tidegauge_tier_{family}"), &cold),
                None
            );
        }
        assert_eq!(
            value(
                text,
                "tidegauge_tier_threshold_ratio",
                &[("tier", "cold"), ("level", "warning")]
            ),
            Some(0.8)
        );
    };
    let text = metrics();
    down(&text);
    // A directory tier has the numbers of the filesystem that holds it.
    assert_eq!(
        value(&text, "tidegauge_tier_size_bytes", &[("tier", "warm")]),
        Some(stat_f(&plain)[0])
    );

    let mounted = fs.bind(&point);
    let text = metrics();
    assert_eq!(value(&text, "tidegauge_tier_up", &cold), Some(1.0));
    assert_eq!(
        value(&text, "tidegauge_tier_size_bytes", &cold),
        Some(stat_f(&point)[0])
    );
    drop(mounted);
    down(&metrics());
    exporter.stop();
}

#[test]
fn read_only_is_told_of_the_superblock() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let config = format!("tiers: [{{name: hot, paths: [{:?}]}}]\n", fs.mountpoint());
    let exporter = Exporter::start(&[], &config);
    let read_only = || {
        let text = exporter
            .get("/metrics?collect[]=filesystem", &[])
            .unwrap()
            .text()
            .to_owned();
        value(&text, "tidegauge_filesystem_readonly", &[("tier", "hot")])
    };
    assert_eq!(read_only(), Some(0.0));
    fs.remount("ro");
    assert_eq!(read_only(), Some(1.0));
    fs.remount("rw");
    assert_eq!(read_only(), Some(0.0));
    exporter.stop();
}

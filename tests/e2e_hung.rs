//! Mounts that do not answer, fail, or go while they are read.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use tidegauge_rig::{Answer, Exporter, FsKind, HangFs, LoopFs, Operations, needs, wait_until};

fn lines<'a>(text: &'a str, name: &str, label: &str) -> Vec<&'a str> {
    text.lines()
        .filter(|l| l.starts_with(&format!("{name}{{")) && l.contains(label))
        .collect()
}

fn value(text: &str, name: &str, label: &str) -> Option<f64> {
    lines(text, name, label)
        .first()?
        .rsplit(' ')
        .next()?
        .parse()
        .ok()
}

fn config(healthy: &LoopFs, hung: &HangFs) -> String {
    format!(
        "tiers:\n  - {{name: hot, paths: [{:?}]}}\n  - {{name: cold, paths: [{:?}]}}\n",
        healthy.mountpoint(),
        hung.mountpoint()
    )
}

/// What one scrape says, which must come at all.
fn scrape(exporter: &Exporter) -> String {
    exporter
        .get("/metrics", &[])
        .expect("the scrape goes on")
        .text()
        .to_owned()
}

#[test]
fn a_mount_hung_from_the_start_holds_up_nothing() {
    needs!("root", "loop", "fuse", "setpriv", "binary");
    let healthy = LoopFs::new(FsKind::Ext4, 32);
    let hung = HangFs::new();
    hung.set(Operations::All, Answer::Hang);
    let exporter = Exporter::start(&[], &config(&healthy, &hung));
    let text = scrape(&exporter);
    assert_eq!(value(&text, "tidegauge_tier_up", "tier=\"hot\""), Some(1.0));
    assert!(value(&text, "tidegauge_tier_used_ratio", "tier=\"hot\"").is_some());
    // Nothing was ever read of the hung one: no values, and its tier is down at once.
    assert_eq!(
        value(&text, "tidegauge_tier_up", "tier=\"cold\""),
        Some(0.0)
    );
    assert_eq!(
        lines(&text, "tidegauge_filesystem_size_bytes", "tier=\"cold\""),
        [""; 0]
    );
    assert_eq!(
        value(&text, "tidegauge_collector_success", "\"filesystem\""),
        Some(1.0)
    );
    // After 2 s it counts as an error of the device.
    let error = wait_until(Duration::from_secs(10), || {
        (value(
            &scrape(&exporter),
            "tidegauge_filesystem_device_error",
            "tier=\"cold\"",
        ) == Some(1.0))
        .then_some(())
    });
    assert!(error.is_some(), "no device error\n{}", exporter.log());
    // However often it is scraped, one thread waits for the mount.
    let threads = || -> u64 {
        let text = scrape(&exporter);
        let line = text
            .lines()
            .find(|l| l.starts_with("process_threads "))
            .expect("it is exported");
        line.rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number")
    };
    let before = threads();
    for _ in 0..50 {
        scrape(&exporter);
    }
    // Fewer than one for each scrape; collectors on timers have threads of their own that come and go.
    assert!(threads() < before + 10, "threads pile up");

    // It answers again: its values are back.
    hung.set(Operations::All, Answer::Normal);
    let back = wait_until(Duration::from_secs(10), || {
        (value(&scrape(&exporter), "tidegauge_tier_up", "tier=\"cold\"") == Some(1.0)).then_some(())
    });
    assert!(
        back.is_some(),
        "the mount is not read again\n{}",
        exporter.log()
    );
    assert_eq!(
        value(
            &scrape(&exporter),
            "tidegauge_tier_size_bytes",
            "tier=\"cold\""
        ),
        Some(1_048_576.0)
    );
    exporter.stop();
}

#[test]
fn a_mount_that_hangs_later_shows_its_last_reading_with_its_age() {
    needs!("root", "loop", "fuse", "setpriv", "binary");
    let healthy = LoopFs::new(FsKind::Ext4, 32);
    let hung = HangFs::new();
    let exporter = Exporter::start(&[], &config(&healthy, &hung));
    assert_eq!(
        value(&scrape(&exporter), "tidegauge_tier_up", "tier=\"cold\""),
        Some(1.0)
    );
    hung.set(Operations::Statfs, Answer::Hang);
    let text = scrape(&exporter);
    assert_eq!(
        value(&text, "tidegauge_tier_size_bytes", "tier=\"cold\""),
        Some(1_048_576.0)
    );
    assert!(
        value(
            &text,
            "tidegauge_filesystem_reading_age_seconds",
            "tier=\"cold\""
        )
        .unwrap()
            > 0.0
    );
    assert_eq!(
        value(
            &text,
            "tidegauge_filesystem_reading_age_seconds",
            "tier=\"hot\""
        ),
        Some(0.0)
    );
    hung.set(Operations::Statfs, Answer::Normal);
    exporter.stop();
}

#[test]
fn an_error_is_no_value_and_a_slow_mount_keeps_its_own() {
    needs!("root", "loop", "fuse", "setpriv", "binary");
    let healthy = LoopFs::new(FsKind::Ext4, 32);
    let faulty = HangFs::new();
    faulty.set(Operations::Statfs, Answer::Error);
    let exporter = Exporter::start(&[], &config(&healthy, &faulty));
    let text = scrape(&exporter);
    assert_eq!(
        value(&text, "tidegauge_filesystem_device_error", "tier=\"cold\""),
        Some(1.0)
    );
    assert_eq!(
        lines(&text, "tidegauge_filesystem_size_bytes", "tier=\"cold\""),
        [""; 0]
    );
    assert_eq!(
        value(&text, "tidegauge_tier_up", "tier=\"cold\""),
        Some(0.0)
    );

    // Slower than any scrape waits, and yet every scrape has a value, if not of its own moment.
    faulty.set(
        Operations::Statfs,
        Answer::After(Duration::from_millis(300)),
    );
    let has_value = || {
        let text = scrape(&exporter);
        value(&text, "tidegauge_tier_size_bytes", "tier=\"cold\"").map(|_| ())
    };
    assert!(wait_until(Duration::from_secs(10), has_value).is_some());
    for _ in 0..10 {
        assert!(has_value().is_some());
    }
    exporter.stop();
}

#[test]
fn a_lazy_unmount_and_another_mount_at_the_same_place_recover() {
    needs!("root", "loop", "fuse", "setpriv", "binary");
    let healthy = LoopFs::new(FsKind::Ext4, 32);
    let hung = HangFs::new();
    hung.set(Operations::All, Answer::Hang);
    let exporter = Exporter::start(&[], &config(&healthy, &hung));
    assert_eq!(
        value(&scrape(&exporter), "tidegauge_tier_up", "tier=\"cold\""),
        Some(0.0)
    );
    let unmounted = Command::new("umount")
        .arg("--lazy")
        .arg(hung.mountpoint())
        .status()
        .unwrap();
    assert!(unmounted.success());
    let _instead = healthy.bind(hung.mountpoint());
    let text = scrape(&exporter);
    let line = lines(
        &text,
        "tidegauge_filesystem_size_bytes",
        hung.mountpoint().to_str().unwrap(),
    );
    assert_eq!(line.len(), 1, "the new mount is read at once\n{text}");
    assert!(line[0].contains("fstype=\"ext4\""), "{line:?}");
    hung.set(Operations::All, Answer::Normal);
    exporter.stop();
}

#[test]
fn mounts_that_come_and_go_never_break_a_scrape() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let folder = tidegauge_rig::Scratch::new("churn");
    let config = format!("tiers: [{{name: hot, paths: [{:?}]}}]\n", folder.path());
    let exporter = Exporter::start(&[], &config);
    let deadline = Instant::now() + Duration::from_secs(3);
    std::thread::scope(|scope| {
        let churn = scope.spawn(|| {
            while Instant::now() < deadline {
                drop(fs.bind(&folder.folder("m")));
            }
        });
        while !churn.is_finished() {
            let text = scrape(&exporter);
            let point = folder.path().join("m");
            for line in lines(
                &text,
                "tidegauge_filesystem_size_bytes",
                point.to_str().unwrap(),
            ) {
                // Whenever it is shown, it is the mounted filesystem, never the one below.
                assert!(line.contains("/dev/loop"), "{line}");
                let size: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
                assert!(size < 64e6, "the filesystem below shows through: {line}");
            }
        }
    });
    exporter.stop();
}

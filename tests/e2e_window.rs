//! The window on a real filesystem that is full.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidegauge_alerts::clock::Clock;
use tidegauge_alerts::store::Append;
use tidegauge_alerts::window::{Settings, Window};
use tidegauge_promql::{Labels, Sample, Storage, Timestamp};
use tidegauge_rig::{FsKind, LoopFs, needs};

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.load(Ordering::Relaxed)
    }
}

const SERIES: usize = 500;

/// Appends a batch and has it written; the first and the last time of what is held is to be as wanted.
fn round(window: &Window, clock: &TestClock) {
    let time = clock.0.fetch_add(15_000, Ordering::Relaxed) + 15_000;
    let value = (time as f64).sqrt();
    let batch: Vec<(Labels, Sample)> = (0..SERIES)
        .map(|number| {
            let labels = Labels::new([("__name__", "m"), ("number", &number.to_string())]);
            (labels, Sample { time, value })
        })
        .collect();
    assert_eq!(window.append(&batch).added, SERIES as u64);
    window.maintain();
}

fn samples(window: &Window) -> u64 {
    assert_eq!(window.select(&[], 0, Timestamp::MAX).unwrap().len(), SERIES);
    window.stats().samples
}

#[test]
fn e2e_full_disk() {
    needs!("root", "loop", "mkfs.ext4");
    let disk = LoopFs::new(FsKind::Ext4, 16);
    let folder = disk.mountpoint().join("window");
    let clock = Arc::new(TestClock(AtomicI64::new(1_790_000_000_000)));
    let settings = Settings {
        retention: std::time::Duration::from_secs(24 * 3_600),
        ..Settings::default()
    };
    let open = || Window::open(&folder, settings, vec![], clock.clone());
    let (window, _) = open();
    for _ in 0..10 {
        round(&window, &clock);
    }
    assert!(window.stats().disk.unwrap().healthy);

    // Somebody fills it to the last byte.
    let ballast = disk.mountpoint().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    drop(file);
    let mut full = 0;
    while full < 100 {
        round(&window, &clock);
        full += 1;
    }
    let stats = window.stats().disk.unwrap();
    assert!(!stats.healthy && stats.failures > 0, "{stats:?}");
    assert_eq!(samples(&window), 110 * SERIES as u64);
    // Killed now, what was written before is there.
    drop(window);
    let (window, restored) = open();
    assert!(restored.samples >= 10 * SERIES as u64, "{restored:?}");
    assert_eq!(restored.problems, Vec::<String>::new());
    let held = samples(&window);

    // There is room again.
    fs::remove_file(&ballast).unwrap();
    for _ in 0..5 {
        round(&window, &clock);
    }
    assert!(window.stats().disk.unwrap().healthy);
    assert_eq!(samples(&window), held + 5 * SERIES as u64);
    drop(window);
    let (window, restored) = open();
    assert_eq!(restored.problems, Vec::<String>::new());
    assert_eq!(samples(&window), held + 5 * SERIES as u64);
    let names = fs::read_dir(&folder).unwrap().count();
    assert!(names <= 4, "{names} files are left");
}

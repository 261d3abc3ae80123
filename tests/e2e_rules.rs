//! The rule files that ship, by the real promtool, and by a real Prometheus that scrapes the real exporter on real
//! filesystems.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tidegauge_rig::{
    Exporter, FsKind, LoopFs, Prometheus, Scratch, Which, needs, promtool, wait_until,
};

/// Rule files, or their tests.
fn files(tests: bool) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("there are rules")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yml"))
        .filter(|path| path.to_string_lossy().ends_with(".test.yml") == tests)
        .collect();
    files.sort();
    files
}

fn run(which: Which, command: &str, files: &[PathBuf]) -> (Option<i32>, String) {
    let mut arguments = vec![command, "rules"];
    arguments.extend(files.iter().map(|f| f.to_str().expect("UTF-8")));
    let said = promtool(which, &arguments, "");
    (said.code, said.stdout + &said.stderr)
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    needs!("prometheus2", "prometheus3");
    for which in [Which::V2, Which::V3] {
        let (code, said) = run(which, "check", &files(false));
        assert_eq!(code, Some(0), "{which:?}: {said}");
    }
    let (code, said) = run(Which::V3, "test", &files(true));
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_rule_that_is_broken_fails_its_tests() {
    needs!("prometheus3");
    for (file, right, broken) in [
        ("tier", "level=\"clear\"", "level=\"warning\""),
        (
            "tier",
            "unless on (job, instance, tier) tidegauge_tier_avail_bytes",
            "",
        ),
        (
            "filesystem",
            "unless tidegauge_filesystem_mount_duplicate",
            "",
        ),
        ("directory", "for: 5m", "for: 4m"),
        ("exporter", "up == 0", "up == 1"),
    ] {
        let scratch = Scratch::new("rules");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let text = fs::read_to_string(rules.join(format!("{file}.yml"))).expect("it is there");
        assert!(text.contains(right), "{file} has no {right}");
        scratch.file(&format!("{file}.yml"), &text.replace(right, broken));
        let tests = format!("{file}.test.yml");
        let text = fs::read_to_string(rules.join(&tests)).expect("it is there");
        let (code, said) = run(Which::V3, "test", &[scratch.file(&tests, &text)]);
        assert_eq!(code, Some(1), "{file} without {right}: {said}");
    }
}

/// The value of a label of each alert of this name, whatever its state, by its name.
fn alerts(prometheus: &Prometheus, name: &str, label: &str) -> Vec<String> {
    let all = prometheus.api("/api/v1/alerts")["alerts"].take();
    let mut found: Vec<String> = all
        .as_array()
        .into_iter()
        .flatten()
        .filter(|alert| alert["labels"]["alertname"] == name)
        .map(|alert| {
            alert["labels"][label]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    found.sort();
    found
}

fn rules_of(prometheus: &Prometheus) -> Vec<Value> {
    let mut groups = prometheus.api("/api/v1/rules")["groups"].take();
    let groups = groups.as_array_mut().into_iter().flatten();
    let rules = groups.filter_map(|group| group["rules"].as_array().cloned());
    rules.flatten().collect()
}

#[test]
fn prometheus_evaluates_them_on_what_the_exporter_shows() {
    needs!("root", "loop", "mkfs.ext4", "binary", "prometheus3");
    let full = LoopFs::new(FsKind::Ext4, 64);
    let scratch = Scratch::new("twice");
    let twice = full.bind(&scratch.path().join("at"));
    fs::write(full.mountpoint().join("filler"), vec![1u8; 50 << 20]).expect("it has room");
    let failing = LoopFs::with(FsKind::Ext4, 32, &[], "errors=remount-ro");
    let meant = LoopFs::new(FsKind::Ext4, 32);
    meant.remount("ro");
    let paths = [&full, &failing, &meant].map(|fs| fs.mountpoint().display().to_string());
    let config = format!(
        "tiers:\n- {{name: hot, paths: [{}, {}, {}, {}]}}\n- {{name: cold, paths: [/mnt/no-such-nas], require_mount: true}}\n",
        paths[0],
        paths[1],
        paths[2],
        twice.path().display()
    );
    let exporter = Exporter::start(&[], &config);
    let prometheus = Prometheus::start_with_rules(Which::V3, &[exporter.address()], &files(false));
    // As an error in its structures would have it: the superblock turns read-only, the mount does not.
    let device = failing
        .device()
        .file_name()
        .expect("a name")
        .to_string_lossy();
    fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").expect("ext4 takes it");

    let limit = Duration::from_secs(40);
    let wait = |name: &str, label: &str| {
        wait_until(limit, || {
            let found = alerts(&prometheus, name, label);
            (!found.is_empty()).then_some(found)
        })
        .unwrap_or_else(|| panic!("no {name}: {:#}", prometheus.api("/api/v1/alerts")))
    };
    assert_eq!(wait("Watchdog", "severity"), ["info"]);
    assert_eq!(wait("TierDown", "tier"), ["cold"]);
    // Once, though it is mounted twice; not what was mounted read-only on purpose.
    assert_eq!(
        wait("FilesystemReadOnly", "mountpoint"),
        [paths[1].as_str()]
    );
    let full_at = wait("FilesystemFillingUp", "mountpoint");
    let (a, b) = (&paths[0], twice.path().display().to_string());
    assert!(
        full_at == [a.as_str()] || full_at == [b.as_str()],
        "{full_at:?}"
    );

    // Each was evaluated without an error; forecasts wait for their interval of a minute.
    let rules = rules_of(&prometheus);
    assert!(rules.len() > 40, "{}", rules.len());
    for rule in &rules {
        let health = rule["health"].as_str().unwrap_or_default();
        assert!(["ok", "unknown"].contains(&health), "{rule:#}");
        assert_eq!(
            rule["lastError"].as_str().unwrap_or_default(),
            "",
            "{rule:#}"
        );
    }
    // Nothing is said of what is fine.
    for quiet in [
        "TidegaugeDown",
        "CollectorFailing",
        "CollectorStale",
        "FilesystemStuck",
        "TierFullIn4h",
    ] {
        assert_eq!(alerts(&prometheus, quiet, "severity"), [""; 0], "{quiet}");
    }
    exporter.stop();
}

//! Tuning in force, on real filesystems and queues: what is exported is what lsblk, blockdev and findmnt say, and
//! drift from what is expected is seen within an interval.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tidegauge_rig::{Exporter, FsKind, LoopFs, Scratch, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A file of a loop device's queue, written back as it was when dropped: the device outlives its filesystem.
struct QueueFile {
    path: PathBuf,
    before: String,
}

impl QueueFile {
    fn of(fs: &LoopFs, file: &str) -> Self {
        let name = fs.device().file_name().unwrap();
        let path = Path::new("/sys/class/block")
            .join(name)
            .join("queue")
            .join(file);
        let shown = fs::read_to_string(&path).unwrap();
        let chosen = shown
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'));
        let before = chosen.map_or(shown.as_str(), |(name, _)| name).trim();
        Self {
            before: before.to_owned(),
            path,
        }
    }

    fn set(&self, value: &str) {
        fs::write(&self.path, value).unwrap();
    }
}

impl Drop for QueueFile {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, &self.before);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn name(fs: &LoopFs) -> &str {
    fs.device().file_name().unwrap().to_str().unwrap()
}

/// The value of the one sample of this name whose line holds all of these labels.
fn value(exporter: &Exporter, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let answer = exporter.get("/metrics?collect[]=setting", &[]).unwrap();
    let start = format!("tidegauge_setting_{name}{{");
    let mut found = answer.text().lines().filter(|line| {
        let has = |(k, v): &(&str, &str)| line.contains(&format!("{k}=\"{v}\""));
        line.starts_with(&start) && labels.iter().all(has)
    });
    let line = found.next()?.to_owned();
    assert_eq!(found.next(), None, "more than one {name} with {labels:?}");
    line.rsplit(' ').next()?.parse().ok()
}

fn comes(exporter: &Exporter, name: &str, labels: &[(&str, &str)], expected: Option<f64>) {
    let look = || (value(exporter, name, labels) == expected).then_some(());
    wait_until(LIMIT, look).unwrap_or_else(|| {
        let answer = exporter.get("/metrics?collect[]=setting", &[]).unwrap();
        let all: Vec<_> = answer
            .text()
            .lines()
            .filter(|line| !line.starts_with('#') && !line.contains("reading_"))
            .collect();
        panic!(
            "{name} {labels:?} is not {expected:?}:\n{}\n{}",
            all.join("\n"),
            exporter.log()
        )
    });
}

#[test]
fn what_is_in_force_is_what_the_tools_say() {
    needs!(
        "root",
        "loop",
        "binary",
        "mkfs.xfs",
        "mkfs.btrfs",
        "lsblk",
        "blockdev",
        "findmnt"
    );
    let ext4 = LoopFs::new(FsKind::Ext4, 64);
    let xfs = LoopFs::new(FsKind::Xfs, 320);
    let btrfs = LoopFs::new(FsKind::Btrfs, 200);
    ext4.remount("noatime");
    xfs.remount("strictatime");
    let paths = [&ext4, &xfs, &btrfs].map(|fs| fs.mountpoint());
    let config = format!("tiers:\n  - {{name: hot, paths: {paths:?}}}\n");
    let exporter = Exporter::start(&[], &config);
    let mode = |fs: &LoopFs, mode| {
        [("mountpoint", text(fs.mountpoint())), ("mode", mode)].map(|(k, v)| (k, v.to_owned()))
    };
    for (fs, expected) in [
        (&ext4, "noatime"),
        (&xfs, "strictatime"),
        (&btrfs, "relatime"),
    ] {
        for other in ["noatime", "relatime", "strictatime"] {
            let labels = mode(fs, other);
            let labels = labels.each_ref().map(|(k, v)| (*k, v.as_str()));
            let holds = f64::from(u8::from(other == expected));
            comes(&exporter, "filesystem_atime", &labels, Some(holds));
        }
        let shown = run("findmnt", &["-n", "-o", "OPTIONS", text(fs.mountpoint())]);
        let shown: Vec<&str> = shown.split(',').collect();
        assert!(
            shown.contains(&expected) || expected == "strictatime",
            "{shown:?}"
        );
    }
    for fs in [&ext4, &xfs, &btrfs] {
        let disk = [("tier", "hot"), ("device", name(fs))];
        let sectors: f64 = run("blockdev", &["--getra", text(fs.device())])
            .parse()
            .unwrap();
        comes(
            &exporter,
            "disk_read_ahead_bytes",
            &disk,
            Some(sectors * 512.0),
        );
        for (column, family) in [
            ("DISC-GRAN", "discard_granularity_bytes"),
            ("DISC-MAX", "discard_max_bytes"),
            ("LOG-SEC", "logical_block_size_bytes"),
            ("PHY-SEC", "physical_block_size_bytes"),
            ("RQ-SIZE", "queue_requests"),
        ] {
            let said = run(
                "lsblk",
                &["-b", "-d", "-n", "-o", column, text(fs.device())],
            );
            let said = said.parse().unwrap();
            assert_eq!(
                value(&exporter, &format!("disk_{family}"), &disk),
                Some(said),
                "{column}"
            );
        }
        let cache = fs::read_to_string(format!("/sys/block/{}/queue/write_cache", name(fs)));
        let write_back = f64::from(u8::from(cache.unwrap().trim() == "write back"));
        assert_eq!(value(&exporter, "disk_write_back", &disk), Some(write_back));
        let mount = [("mountpoint", text(fs.mountpoint()))];
        // Loop devices over this folder's files pass discards on as holes.
        assert_eq!(
            value(&exporter, "filesystem_trim_supported", &mount),
            Some(1.0)
        );
    }
    // btrfs heeds its own read-ahead, whatever its device has.
    let at = |fs: &LoopFs| text(fs.mountpoint()).to_owned();
    let uuid = run("findmnt", &["-n", "-o", "UUID", &at(&btrfs)]);
    let own = fs::read_to_string(format!("/sys/fs/btrfs/{uuid}/bdi/read_ahead_kb")).unwrap();
    let own: f64 = own.trim().parse().unwrap();
    let labels = [("mountpoint", &*at(&btrfs))];
    assert_eq!(
        value(&exporter, "filesystem_read_ahead_bytes", &labels),
        Some(own * 1024.0)
    );
    let online = |fs: &LoopFs| {
        let labels = [("mountpoint", &*at(fs))];
        value(&exporter, "filesystem_online_discard", &labels)
    };
    let shown = run("findmnt", &["-n", "-o", "OPTIONS", &at(&btrfs)]);
    let discards = f64::from(u8::from(shown.contains("discard")));
    assert_eq!((online(&ext4), online(&btrfs)), (Some(0.0), Some(discards)));
    exporter.stop();
}

#[test]
fn drift_is_seen_within_an_interval_and_so_is_its_end() {
    needs!("root", "loop", "binary", "blockdev", "fstrim");
    let fs = LoopFs::new(FsKind::Ext4, 64);
    fs.remount("noatime");
    let scheduler = QueueFile::of(&fs, "scheduler");
    let read_ahead = QueueFile::of(&fs, "read_ahead_kb");
    let cache = QueueFile::of(&fs, "write_cache");
    scheduler.set("none");
    read_ahead.set("128");
    let scratch = Scratch::new("setting");
    let (disk, mount) = (name(&fs), text(fs.mountpoint()));
    let mode = cache.before.replace(' ', "_");
    let config = format!(
        "tiers:\n  - name: hot\n    paths: [{mount:?}]\n    expect:\n      scheduler: none\n      \
         read_ahead: 128KiB\n      write_cache: {}\n      \
         mount_options: [rw, noatime, \"!discard\", data=ordered, commit=5]\n      trim_within: 8d\n  \
         - {{name: cold, paths: [{:?}], require_mount: true, expect: {{scheduler: none, mount_options: [hard]}}}}\n\
         collectors: {{setting: {{interval: 1s, sysctl: \"kernel.ostype=Linux,vm.dirty_ratio>=100000,vm.none_such=1\"}}}}\n",
        mode,
        scratch.folder("nas"),
    );
    let exporter = Exporter::start(&[], &config);
    let line = |setting, target, expected, ok: Option<f64>| {
        let labels = [
            ("setting", setting),
            ("target", target),
            ("expected", expected),
        ];
        comes(&exporter, "ok", &labels, ok);
    };
    let actual = |setting, expected, actual| {
        let labels = [
            ("setting", setting),
            ("expected", expected),
            ("actual", actual),
        ];
        comes(&exporter, "info", &labels, Some(1.0));
    };
    line("scheduler", disk, "none", Some(1.0));
    line("read_ahead", mount, "128KiB", Some(1.0));
    line("write_cache", disk, &mode, Some(1.0));
    for option in ["rw", "noatime", "!discard", "data=ordered", "commit=5"] {
        line("mount_options", mount, option, Some(1.0));
    }
    line("sysctl", "kernel.ostype", "Linux", Some(1.0));
    line("sysctl", "vm.dirty_ratio", ">=100000", Some(0.0));
    line("sysctl", "vm.none_such", "1", None);
    let missing = [("target", "vm.none_such"), ("state", "unsupported")];
    comes(&exporter, "reading_state", &missing, Some(1.0));
    // What applies to nothing is told, not taken for fine.
    for (tier, setting, targets) in [
        ("hot", "scheduler", 1.0),
        ("hot", "trim_within", 1.0),
        ("cold", "scheduler", 0.0),
        ("cold", "mount_options", 0.0),
    ] {
        let mut labels = vec![("tier", tier), ("setting", setting)];
        if (tier, setting) == ("hot", "mount_options") {
            labels.push(("expected", "rw"));
        }
        comes(&exporter, "targets", &labels, Some(targets));
    }

    scheduler.set("mq-deadline");
    line("scheduler", disk, "none", Some(0.0));
    actual("scheduler", "none", "mq-deadline");
    scheduler.set("none");
    line("scheduler", disk, "none", Some(1.0));

    run("blockdev", &["--setra", "4096", text(fs.device())]);
    line("read_ahead", mount, "128KiB", Some(0.0));
    actual("read_ahead", "128KiB", "2MiB");
    read_ahead.set("128");
    line("read_ahead", mount, "128KiB", Some(1.0));

    fs.remount("atime,relatime,discard,commit=30");
    for (option, actually) in [
        ("noatime", "relatime"),
        ("!discard", "discard"),
        ("commit=5", "commit=30"),
    ] {
        line("mount_options", mount, option, Some(0.0));
        actual("mount_options", option, actually);
    }
    line("mount_options", mount, "rw", Some(1.0));
    fs.remount("noatime,nodiscard,commit=5");
    for option in ["noatime", "!discard", "commit=5"] {
        line("mount_options", mount, option, Some(1.0));
    }
    exporter.stop();
}

#[test]
fn a_trim_is_seen_and_remembered_over_a_reload() {
    needs!("root", "loop", "binary", "fstrim");
    let fs = LoopFs::new(FsKind::Ext4, 64);
    let mount = text(fs.mountpoint());
    let tier = |expect: &str| {
        format!(
            "tiers:\n  - {{name: hot, paths: [{mount:?}]{expect}}}\n\
             collectors: {{setting: {{interval: 1s}}}}\n"
        )
    };
    let exporter = Exporter::start(&[], &tier(", expect: {trim_within: 8d, read_ahead: 4KiB}"));
    let at = [("mountpoint", mount)];
    let line = [("setting", "trim_within"), ("target", mount)];
    // The first reading is over.
    comes(
        &exporter,
        "targets",
        &[("setting", "trim_within")],
        Some(1.0),
    );
    let family = "filesystem_last_discard_timestamp_seconds";
    assert_eq!(value(&exporter, family, &at), None, "none was seen yet");
    // What it frees is what it trims.
    fs::write(fs.mountpoint().join("file"), vec![1; 4 << 20]).unwrap();
    run("sync", &["-f", mount]);
    fs::remove_file(fs.mountpoint().join("file")).unwrap();
    run("sync", &["-f", mount]);
    let before = std::time::SystemTime::now();
    run("fstrim", &[mount]);
    let seen = wait_until(LIMIT, || value(&exporter, family, &at)).expect("it is seen");
    let before = before.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(seen >= before.as_secs_f64(), "{seen} {before:?}");
    comes(&exporter, "ok", &line, Some(1.0));
    let info = [line[0], line[1], ("actual", "seen")];
    comes(&exporter, "info", &info, Some(1.0));

    // Without the expectation the time stays, and what is no longer expected is not "gone".
    fs::write(exporter.config_file(), tier("")).unwrap();
    exporter.signal(Signal::HUP);
    comes(&exporter, "ok", &line, None);
    comes(&exporter, family, &at, Some(seen));
    comes(
        &exporter,
        "reading_state",
        &[("target", mount), ("state", "gone")],
        None,
    );
    let log = exporter.log();
    assert!(!log.contains("no longer there"), "{log}");
    exporter.stop();
}

#[test]
fn a_setting_that_only_root_may_read_is_denied() {
    needs!("root", "binary", "setpriv");
    let expected = "kernel.usermodehelper.bset>=0,kernel.ostype=Linux";
    let config = format!(
        "tiers:\n  - {{name: hot, paths: [/]}}\ncollectors: {{setting: {{sysctl: {expected:?}}}}}\n"
    );
    let by = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let exporter = Exporter::start_by(&by, &[], &config);
    let state = |target, state| [("target", target), ("state", state)];
    comes(
        &exporter,
        "reading_state",
        &state("kernel.usermodehelper.bset", "denied"),
        Some(1.0),
    );
    comes(
        &exporter,
        "reading_state",
        &state("kernel.ostype", "ok"),
        Some(1.0),
    );
    let ok = |target| {
        value(
            &exporter,
            "ok",
            &[("setting", "sysctl"), ("target", target)],
        )
    };
    assert_eq!(ok("kernel.usermodehelper.bset"), None);
    assert_eq!(ok("kernel.ostype"), Some(1.0));
    let success = exporter.get("/metrics?collect[]=setting", &[]).unwrap();
    let success = success.text().to_owned();
    assert!(
        success.contains("tidegauge_collector_success{collector=\"setting\"} 1"),
        "{success}"
    );
    exporter.stop();
}

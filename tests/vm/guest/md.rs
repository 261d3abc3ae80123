//! Software RAID on loop devices, beside what mdadm says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tidegauge_rig::{Exporter, Scratch, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// Taken down when dropped, in the reverse order, whatever failed.
struct Arrays {
    scratch: Scratch,
    /// To run at the end, last first.
    undo: Vec<String>,
}

impl Arrays {
    fn new() -> Self {
        let scratch = Scratch::new("md");
        let mut arrays = Self {
            scratch,
            undo: Vec::new(),
        };
        for file in ["speed_limit_min", "speed_limit_max"] {
            let path = format!("/proc/sys/dev/raid/{file}");
            let before = fs::read_to_string(&path).unwrap();
            arrays.undo.push(format!("echo {} > {path}", before.trim()));
        }
        arrays
    }

    /// A loop device over an image of its own.
    fn device(&mut self, name: &str) -> String {
        let image = self.image(name);
        fs::File::create(&image).unwrap().set_len(64 * MIB).unwrap();
        let device = run(&format!("losetup --find --show {}", image.display()));
        self.undo.push(format!("losetup --detach {device}"));
        device
    }

    fn image(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn create(&mut self, node: &str, arguments: &str) {
        run(&format!(
            "mdadm --create {node} --run --metadata=1.2 --homehost=any {arguments}"
        ));
        self.undo.push(format!("mdadm --stop {node}"));
    }
}

impl Drop for Arrays {
    fn drop(&mut self) {
        while let Some(script) = self.undo.pop() {
            let _ = Command::new("sh").args(["-c", &script]).output();
        }
    }
}

fn run(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// How fast arrays are synced, in KiB a second.
fn speed(least: u64, most: u64) {
    fs::write("/proc/sys/dev/raid/speed_limit_min", least.to_string()).unwrap();
    fs::write("/proc/sys/dev/raid/speed_limit_max", most.to_string()).unwrap();
}

struct Seen<'a> {
    exporter: &'a Exporter,
    device: &'a str,
}

impl Seen<'_> {
    /// A sample of the array in tier `hot`, with more labels.
    fn value(&self, name: &str, more: &str) -> Option<f64> {
        let answer = self.exporter.get("/metrics", &[]).unwrap();
        let start = format!(
            "tidegauge_md_{name}{{tier=\"hot\",device=\"{}\"{more}}} ",
            self.device
        );
        let mut lines = answer.text().lines();
        lines.find_map(|line| line.strip_prefix(&start)?.parse().ok())
    }

    fn disks(&self, state: &str) -> Option<f64> {
        self.value("disks", &format!(",state=\"{state}\""))
    }

    fn wait(&self, what: &str, is_it: impl Fn(&Self) -> bool) {
        let found = wait_until(LIMIT, || is_it(self).then_some(()));
        let md = |line: &&str| line.starts_with("tidegauge_md_") && !line.ends_with(" 0");
        found.unwrap_or_else(|| {
            let answer = self.exporter.get("/metrics", &[]).unwrap();
            let lines: Vec<_> = answer.text().lines().filter(md).collect();
            let kernel = fs::read_to_string("/proc/mdstat").unwrap();
            panic!("never {what}: {kernel}\n{}", lines.join("\n"))
        });
    }

    fn is(&self, state: &str) -> bool {
        self.value("state", &format!(",state=\"{state}\"")) == Some(1.0)
    }

    /// The numbers that `mdadm --detail` tells too are the same.
    fn agrees_with_mdadm(&self) {
        let detail = run(&format!("mdadm --detail /dev/{}", self.device));
        let of = |key: &str| {
            let mut lines = detail.lines();
            let value = lines.find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(" : "));
            value.map(str::to_owned)
        };
        let number = |key: &str| of(key).and_then(|text| text.split(' ').next()?.parse().ok());
        assert_eq!(
            self.value("disks_required", ""),
            number("Raid Devices"),
            "{detail}"
        );
        assert_eq!(self.disks("active"), number("Active Devices"), "{detail}");
        assert_eq!(self.disks("failed"), number("Failed Devices"), "{detail}");
        let spares = self.disks("spare").zip(self.disks("rebuilding"));
        assert_eq!(
            spares.map(|(a, b)| a + b),
            number("Spare Devices"),
            "{detail}"
        );
        assert_eq!(self.value("blocks", ""), number("Array Size"), "{detail}");
        let removed = detail
            .lines()
            .filter(|line| line.trim_end().ends_with("removed"))
            .count();
        assert_eq!(self.disks("missing"), Some(removed as f64), "{detail}");
        let state = of("State").unwrap_or_default();
        let degraded = self
            .value("degraded", "")
            .is_some_and(|missing| missing > 0.0);
        assert_eq!(degraded, state.contains("degraded"), "{detail}");
    }
}

#[test]
fn a_mirror_from_its_making_to_its_repair() {
    needs!("root", "binary", "mdadm", "losetup", "mkfs.ext4");
    let mut arrays = Arrays::new();
    let (first, second) = (arrays.device("first"), arrays.device("second"));
    // At a whole's pace of two minutes there is time to look.
    speed(100, 500);
    let node = "/dev/md42";
    arrays.create(
        node,
        &format!("--level=1 --raid-devices=2 --bitmap=none {first} {second}"),
    );
    let mnt = arrays.image("mnt");
    fs::create_dir(&mnt).unwrap();
    run(&format!(
        "mkfs.ext4 -q {node} && mount {node} {}",
        mnt.display()
    ));
    arrays.undo.push(format!("umount {}", mnt.display()));
    let config = format!("tiers: [{{name: hot, paths: [{mnt:?}], require_mount: true}}]\n");
    let exporter = Exporter::start(&[], &config);
    let array = Seen {
        exporter: &exporter,
        device: "md42",
    };

    array.wait("resync", |a| a.is("resync"));
    let ratio = || array.value("sync_completed_ratio", "");
    let before = ratio().unwrap();
    array.wait("progress", |_| {
        ratio().is_some_and(|now| now > before && now < 1.0)
    });
    array.wait("an estimate", |a| {
        let left = a.value("sync_remaining_seconds", "");
        left.is_some_and(|seconds| seconds > 1.0 && seconds < 3600.0)
    });
    array.wait("a speed", |a| {
        let speed = a.value("sync_speed_bytes_per_second", "");
        speed.is_some_and(|speed| speed > 10_000.0 && speed < 10e6)
    });
    let (done, all) = (array.value("blocks_synced", ""), array.value("blocks", ""));
    assert!(done.unwrap() < all.unwrap());
    array.agrees_with_mdadm();
    let export = run(&format!("mdadm --detail --export {node}"));
    assert!(
        export.contains("MD_LEVEL=raid1") && export.contains("MD_METADATA=1.2"),
        "{export}"
    );
    let answer = exporter.get("/metrics", &[]).unwrap();
    let info = answer
        .text()
        .lines()
        .find(|line| line.starts_with("tidegauge_md_info{"));
    let info = info.unwrap();
    assert!(info.contains("level=\"raid1\",metadata=\"1.2\""), "{info}");
    assert!(
        info.contains("bitmap=\"none\",consistency_policy=\"resync\""),
        "{info}"
    );

    speed(1_000_000, 2_000_000);
    array.wait("in order", |a| a.is("active") && ratio().is_none());
    assert_eq!(array.value("blocks_synced", ""), all);
    assert_eq!(array.value("degraded", ""), Some(0.0));
    array.agrees_with_mdadm();

    run(&format!("mdadm {node} --fail {second}"));
    array.wait("failed", |a| a.value("degraded", "") == Some(1.0));
    array.wait("missing", |a| a.disks("missing") == Some(1.0));
    let member = format!(
        ",member=\"{}\",state=\"failed\"",
        second.trim_start_matches("/dev/")
    );
    assert_eq!(array.value("member_state", &member), Some(1.0));
    array.agrees_with_mdadm();

    run(&format!(
        "mdadm {node} --remove {second} && mdadm --zero-superblock {second}"
    ));
    array.wait("removed", |a| a.disks("failed") == Some(0.0));
    array.agrees_with_mdadm();
    speed(100, 500);
    run(&format!("mdadm {node} --add {second}"));
    array.wait("recovering", |a| {
        a.is("recovering") && a.disks("rebuilding") == Some(1.0)
    });
    assert_eq!(array.disks("missing"), Some(0.0));
    assert_eq!(array.value("sync_action", ",action=\"recover\""), Some(1.0));
    array.agrees_with_mdadm();
    speed(1_000_000, 2_000_000);
    array.wait("recovered", |a| {
        a.is("active") && a.disks("active") == Some(2.0)
    });
    assert_eq!(array.value("degraded", ""), Some(0.0));
    array.agrees_with_mdadm();

    // One leg changes behind the array's back, where the filesystem has nothing.
    assert_eq!(array.value("mismatch_sectors", ""), Some(0.0));
    let name = second.trim_start_matches("/dev/");
    let offset = fs::read_to_string(format!("/sys/block/md42/md/dev-{name}/offset")).unwrap();
    let at = offset.trim().parse::<u64>().unwrap() * 512 + 48 * MIB;
    spoil(&arrays.image("second"), at);
    let action = |word: &str| fs::write("/sys/block/md42/md/sync_action", word).unwrap();
    let mismatches = || fs::read_to_string("/sys/block/md42/md/mismatch_cnt").unwrap();
    action("check");
    array.wait("mismatches", |a| {
        a.value("mismatch_sectors", "") > Some(0.0) && a.is("active")
    });
    let told = array.value("mismatch_sectors", "").unwrap();
    assert_eq!(told.to_string(), mismatches().trim());
    assert!((8.0..=128.0).contains(&told), "{told} sectors for 4 KiB");
    // It counts what it mends; the check after it finds nothing.
    action("repair");
    array.wait("mended", |a| a.is("active"));
    action("check");
    array.wait("nothing left", |a| {
        a.value("mismatch_sectors", "") == Some(0.0) && a.is("active")
    });

    run(&format!("umount {} && mdadm --stop {node}", mnt.display()));
    let gone = "tidegauge_md_reading_state{tier=\"hot\",device=\"md42\",state=\"gone\"} 1";
    wait_until(LIMIT, || {
        let answer = exporter.get("/metrics", &[]).unwrap();
        answer.text().contains(gone).then_some(())
    })
    .expect("it is told as gone");
    let answer = exporter.get("/metrics", &[]).unwrap();
    assert!(!answer.text().contains("tidegauge_md_state{"));
    exporter.stop();
}

fn spoil(image: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(image).unwrap();
    file.write_all_at(&[0x5a; 4096], at).unwrap();
}

#[test]
fn arrays_without_redundancy_and_in_parts() {
    needs!("root", "binary", "mdadm", "losetup", "modprobe");
    let mut arrays = Arrays::new();
    run("modprobe raid0");
    let devices = ["a", "b", "c", "d"].map(|name| arrays.device(name));
    let [a, b, c, d] = &devices;
    arrays.create("/dev/md43", &format!("--level=0 --raid-devices=2 {a} {b}"));
    arrays.create(
        "/dev/md44",
        &format!("--level=1 --raid-devices=2 --bitmap=internal --assume-clean {c} {d}"),
    );
    let exporter = Exporter::start(&[], "tiers: [{name: hot, devices: [\"md4*\"]}]\n");
    let stripes = Seen {
        exporter: &exporter,
        device: "md43",
    };
    stripes.wait("active", |a| a.is("active"));
    let size = fs::read_to_string("/sys/block/md43/size").unwrap();
    let bytes = size.trim().parse::<f64>().unwrap() * 512.0;
    assert_eq!(stripes.value("size_bytes", ""), Some(bytes));
    for absent in ["degraded", "mismatch_sectors", "sync_completed_ratio"] {
        assert_eq!(stripes.value(absent, ""), None, "{absent}");
    }
    let mirror = Seen {
        exporter: &exporter,
        device: "md44",
    };
    let pages = mirror.value("bitmap_pages", "").unwrap();
    assert!(pages >= 1.0 && mirror.value("bitmap_used_pages", "").unwrap() <= pages);
    mirror.agrees_with_mdadm();

    // Put together again from one leg only, it waits for the other.
    run("mdadm --stop /dev/md44");
    run(&format!("mdadm --incremental {c}"));
    let node = run("ls -d /dev/md[0-9]* | grep -v md43 || true");
    arrays.undo.push(format!("mdadm --stop {node}"));
    let parts = || {
        let answer = exporter.get("/metrics", &[]).unwrap();
        let inactive = |line: &&str| {
            line.starts_with("tidegauge_md_state{") && line.ends_with("state=\"inactive\"} 1")
        };
        answer.text().lines().find(inactive).map(str::to_owned)
    };
    wait_until(LIMIT, parts)
        .unwrap_or_else(|| panic!("no part: {}", fs::read_to_string("/proc/mdstat").unwrap()));
    exporter.stop();
}

//! Tuning on the three tiers: what is expected of each is in force, drift from it is seen, and its end too.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tidegauge_rig::{Exporter, needs, wait_until};

use crate::three_tiers::{ThreeTiers, disk, namespace};

const LIMIT: Duration = Duration::from_secs(60);

fn run(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Undoes what was changed of devices and of the kernel, last first; mounts go with the tiers.
struct Undo(Vec<String>);

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some(script) = self.0.pop() {
            let _ = Command::new("sh").args(["-c", &script]).output();
        }
    }
}

fn samples(exporter: &Exporter) -> Vec<String> {
    let answer = exporter.get("/metrics?collect[]=setting", &[]).unwrap();
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// Waits for the sample that begins with this family and has these labels to have this value.
fn comes(exporter: &Exporter, family: &str, labels: &[(&str, &str)], expected: Option<f64>) {
    let start = format!("tidegauge_setting_{family}{{");
    let look = || {
        let found = samples(exporter).into_iter().find(|line| {
            let has = |(k, v): &(&str, &str)| line.contains(&format!("{k}=\"{v}\""));
            line.starts_with(&start) && labels.iter().all(has)
        });
        let value = found.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        (value == expected).then_some(())
    };
    wait_until(LIMIT, look).unwrap_or_else(|| {
        let all: Vec<_> = samples(exporter)
            .into_iter()
            .filter(|line| !line.contains("reading_"))
            .collect();
        panic!(
            "{family} {labels:?} is not {expected:?}:\n{}\n{}",
            all.join("\n"),
            exporter.log()
        )
    });
}

fn kernel_name(node: &str) -> &str {
    node.trim_start_matches("/dev/")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn each_tier_is_tuned_as_expected_until_it_drifts() {
    needs!(
        "root",
        "binary",
        "lvs",
        "mkfs.btrfs",
        "mkfs.ext4",
        "exportfs",
        "rpcbind",
        "mount.nfs",
        "wipefs",
        "blockdev",
        "fstrim",
        "lsblk",
        "findmnt",
        "sysctl"
    );
    let tiers = ThreeTiers::new();
    let (nvme, sata) = (namespace("TG0001", 1), [disk("TGSATA1"), disk("TGSATA2")]);
    let mut undo = Undo(Vec::new());
    let queue = |node: &str, file: &str| format!("/sys/block/{}/queue/{file}", kernel_name(node));
    for (node, scheduler) in [
        (&nvme, "none"),
        (&sata[0], "mq-deadline"),
        (&sata[1], "mq-deadline"),
    ] {
        let file = queue(node, "scheduler");
        let before = run(&format!("sed 's/.*\\[\\(.*\\)\\].*/\\1/' {file}"));
        undo.0.push(format!("echo {before} > {file}"));
        run(&format!("echo {scheduler} > {file}"));
    }
    let rmem_max = run("sysctl -n net.core.rmem_max");
    undo.0
        .push(format!("sysctl -qw net.core.rmem_max={rmem_max}"));
    run("sysctl -qw net.core.rmem_max=16777216");

    let [postgresql, kafka] = ["hot/postgresql", "hot/kafka"].map(|name| tiers.path(name));
    let [warm, cold] = ["warm", "cold"].map(|name| tiers.path(name));
    let shown =
        |path: &Path, column: &str| run(&format!("findmnt -n -o {column} {}", path.display()));
    let of_btrfs = run(&format!(
        "cat /sys/fs/btrfs/{}/bdi/read_ahead_kb",
        shown(&warm, "UUID")
    ));
    let of_nfs = run(&format!(
        "cat /sys/class/bdi/{}/read_ahead_kb",
        shown(&cold, "MAJ:MIN")
    ));
    // The mount asks for 1 MiB; what is in force is what the server agrees to.
    let options = shown(&cold, "OPTIONS");
    let agreed = |name: &str| -> u64 {
        let value = options
            .split(',')
            .find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
        value.unwrap().parse::<u64>().unwrap() / 1024
    };
    let (rsize, wsize) = (agreed("rsize"), agreed("wsize"));
    let expect = |tier: &str, expect: &str| {
        let require = tier != "hot";
        let path = tiers.path(tier);
        format!(
            "  - {{name: {tier}, paths: [{path:?}], require_mount: {require}, expect: {expect}}}\n"
        )
    };
    let config = format!(
        "tiers:\n{}{}{}collectors: {{setting: {{interval: 1s, sysctl: \"net.core.rmem_max>=16777216\"}}}}\n",
        expect(
            "hot",
            "{scheduler: none, read_ahead: 128KiB, write_cache: write_back, \
             mount_options: [noatime, \"!discard\", barrier, data=ordered], trim_within: 8d}"
        ),
        expect(
            "warm",
            &format!(
                "{{scheduler: mq-deadline, read_ahead: {of_btrfs}KiB, write_cache: write_back, \
                 mount_options: [noatime, compress=zstd, datacow]}}"
            )
        ),
        expect(
            "cold",
            &format!(
                "{{scheduler: none, read_ahead: {of_nfs}KiB, mount_options: [hard, nfsvers=3, tcp, rsize={rsize}KiB, \
                 wsize={wsize}k, timeo=600, retrans=2, nolock, \"!soft\"], trim_within: 8d}}"
            )
        ),
    );
    let exporter = Exporter::start(&[], &config);
    let line = |tier: &str, setting: &str, target: &str, ok: Option<f64>| {
        let labels = [("tier", tier), ("setting", setting), ("target", target)];
        comes(&exporter, "ok", &labels, ok);
    };
    let actual = |setting: &str, target: &str, actual: &str| {
        let labels = [("setting", setting), ("target", target), ("actual", actual)];
        comes(&exporter, "info", &labels, Some(1.0));
    };

    // All is as expected, but what cannot be: the origin of a snapshot takes no trim.
    line("hot", "scheduler", kernel_name(&nvme), Some(1.0));
    for node in &sata {
        line("warm", "scheduler", kernel_name(node), Some(1.0));
    }
    line("hot", "trim_within", text(&postgresql), Some(0.0));
    actual("trim_within", text(&postgresql), "unsupported");
    // The host booted a moment ago, and mkfs discarded.
    line("hot", "trim_within", text(&kafka), Some(1.0));
    actual("trim_within", text(&kafka), "since boot");
    line("", "sysctl", "net.core.rmem_max", Some(1.0));
    for (tier, setting, targets) in [
        ("hot", "scheduler", 1.0),
        ("warm", "scheduler", 2.0),
        ("warm", "write_cache", 2.0),
        ("cold", "scheduler", 0.0),
        ("cold", "trim_within", 0.0),
    ] {
        comes(
            &exporter,
            "targets",
            &[("tier", tier), ("setting", setting)],
            Some(targets),
        );
    }
    let drifted = |line: &String| line.starts_with("tidegauge_setting_ok{") && line.ends_with(" 0");
    let wrong: Vec<_> = samples(&exporter).into_iter().filter(drifted).collect();
    let [of_snapshot] = wrong.as_slice() else {
        panic!("{wrong:#?}");
    };
    assert!(of_snapshot.contains("trim_within"), "{of_snapshot}");
    // Beside the tools.
    for (path, supported) in [(&postgresql, 0.0), (&kafka, 1.0), (&warm, 1.0)] {
        let labels = [("mountpoint", text(path))];
        comes(
            &exporter,
            "filesystem_trim_supported",
            &labels,
            Some(supported),
        );
        let trims = Command::new("fstrim").arg(path).status().unwrap().success();
        assert_eq!(trims, supported > 0.0, "{}", path.display());
    }
    for path in [&kafka, &warm] {
        let seen = || {
            let start = "tidegauge_setting_filesystem_last_discard_timestamp_seconds{";
            let at = format!("mountpoint=\"{}\"", path.display());
            samples(&exporter)
                .into_iter()
                .find(|l| l.starts_with(start) && l.contains(&at))
        };
        wait_until(LIMIT, seen).unwrap_or_else(|| panic!("no trim of {}", path.display()));
    }
    actual("trim_within", text(&kafka), "seen");
    for node in [&nvme, &sata[0], &sata[1]] {
        let device = [("device", kernel_name(node))];
        let sectors: f64 = run(&format!("blockdev --getra {node}")).parse().unwrap();
        comes(
            &exporter,
            "disk_read_ahead_bytes",
            &device,
            Some(sectors * 512.0),
        );
        let said: f64 = run(&format!("lsblk -bdno DISC-GRAN {node}"))
            .parse()
            .unwrap();
        comes(
            &exporter,
            "disk_discard_granularity_bytes",
            &device,
            Some(said),
        );
    }

    // The read-ahead of the disk is not that of the volume on it.
    run(&format!("blockdev --setra 8192 {nvme}"));
    undo.0.push(format!("blockdev --setra 256 {nvme}"));
    comes(
        &exporter,
        "disk_read_ahead_bytes",
        &[("device", kernel_name(&nvme))],
        Some(4_194_304.0),
    );
    line("hot", "read_ahead", text(&kafka), Some(1.0));
    run("blockdev --setra 8192 /dev/vg_jts/kafka");
    line("hot", "read_ahead", text(&kafka), Some(0.0));
    actual("read_ahead", text(&kafka), "4MiB");
    line("hot", "read_ahead", text(&postgresql), Some(1.0));

    let noatime = |target: &Path, ok| {
        let labels = [("target", text(target)), ("expected", "noatime")];
        comes(&exporter, "ok", &labels, Some(ok));
    };
    for (path, tier, node, other, back) in [
        (&postgresql, "hot", &nvme, "mq-deadline", "none"),
        (&warm, "warm", &sata[1], "none", "mq-deadline"),
    ] {
        run(&format!("echo {other} > {}", queue(node, "scheduler")));
        line(tier, "scheduler", kernel_name(node), Some(0.0));
        actual("scheduler", kernel_name(node), other);
        run(&format!(
            "mount -o remount,atime,relatime {}",
            path.display()
        ));
        noatime(path, 0.0);
        run(&format!("mount -o remount,noatime {}", path.display()));
        run(&format!("echo {back} > {}", queue(node, "scheduler")));
        noatime(path, 1.0);
        line(tier, "scheduler", kernel_name(node), Some(1.0));
    }
    run("sysctl -qw net.core.rmem_max=212992");
    line("", "sysctl", "net.core.rmem_max", Some(0.0));
    actual("sysctl", "net.core.rmem_max", "212992");
    run("sysctl -qw net.core.rmem_max=33554432");
    line("", "sysctl", "net.core.rmem_max", Some(1.0));

    run(&format!(
        "echo 'write through' > {}",
        queue(&nvme, "write_cache")
    ));
    undo.0.push(format!(
        "echo 'write back' > {}",
        queue(&nvme, "write_cache")
    ));
    line("hot", "write_cache", kernel_name(&nvme), Some(0.0));
    run("blockdev --setra 256 /dev/vg_jts/kafka");
    line("hot", "read_ahead", text(&kafka), Some(1.0));

    // Without its snapshot the volume takes trims again.
    run("lvremove -qq -f vg_jts/postgresql_snap");
    let labels = [("mountpoint", text(&postgresql))];
    comes(&exporter, "filesystem_trim_supported", &labels, Some(1.0));
    run(&format!("fstrim {}", postgresql.display()));
    actual("trim_within", text(&postgresql), "seen");
    line("hot", "trim_within", text(&postgresql), Some(1.0));
    exporter.stop();
}

#[test]
fn a_namespace_of_two_controllers_has_a_scheduler_for_each_path() {
    needs!("root", "binary", "mkfs.ext4");
    // The one of its own drives' namespaces that no test formats is the shared one; nothing is written to it here.
    let shared = namespace("TG0002", 1);
    let config = format!(
        "tiers:\n  - {{name: hot, devices: [{shared:?}], expect: {{scheduler: none, write_cache: write_back}}}}\n"
    );
    let exporter = Exporter::start(&[], &config);
    let scheduler = [("tier", "hot"), ("setting", "scheduler")];
    comes(&exporter, "targets", &scheduler, Some(2.0));
    let name = kernel_name(&shared);
    let of = |name: &str| {
        let paths = std::fs::read_dir("/sys/block").unwrap();
        let names = paths.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let (subsystem, namespace) = name.rsplit_once('n').unwrap();
        let start = format!("{subsystem}c");
        let end = format!("n{namespace}");
        names
            .filter(|other| other.starts_with(&start) && other.ends_with(&end))
            .collect::<Vec<_>>()
    };
    let paths = of(name);
    assert_eq!(paths.len(), 2, "{paths:?}");
    for path in &paths {
        let file = format!("/sys/block/{path}/queue/scheduler");
        let chosen = std::fs::read_to_string(&file).unwrap();
        let ok = f64::from(u8::from(chosen.contains("[none]")));
        let labels = [scheduler[0], scheduler[1], ("target", path)];
        comes(&exporter, "ok", &labels, Some(ok));
    }
    let cache = [("setting", "write_cache"), ("target", name)];
    comes(&exporter, "ok", &cache, Some(1.0));
    exporter.stop();
}

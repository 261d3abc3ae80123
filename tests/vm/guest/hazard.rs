//! Hazards on the three tiers: who trims NVMe, and how NFS is mounted.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tidegauge_rig::{Exporter, needs, wait_until};

use crate::three_tiers::ThreeTiers;

const LIMIT: Duration = Duration::from_secs(60);

fn mount(arguments: &str, at: &Path) {
    let mut words: Vec<&str> = arguments.split(' ').collect();
    words.push(at.to_str().unwrap());
    let output = Command::new("mount").args(&words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
}

/// By the device below a mount point, as lsblk tells.
fn takes_discards(at: &Path) -> bool {
    let script = format!(
        "lsblk -bdno DISC-MAX $(findmnt -no SOURCE {})",
        at.display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim() != "0"
}

#[test]
fn trim_and_nfs() {
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
        "lsblk",
        "findmnt"
    );
    let tiers = ThreeTiers::new();
    let config = format!(
        "{}collectors: {{hazard: {{interval: 1s}}}}\n",
        tiers.config()
    );
    let exporter = Exporter::start(
        &["--collector.disable-defaults", "--collector.hazard"],
        &config,
    );
    let has = |tier: &str, hazard: &str, path: &str| {
        let target = tiers.path(path);
        let line = format!(
            "tidegauge_hazard{{tier=\"{tier}\",hazard=\"{hazard}\",target=\"{}\"}} 1",
            target.display()
        );
        let answer = exporter.get("/metrics", &[]).unwrap();
        answer.text().lines().any(|found| found == line)
    };
    let wait = |what: &str, is_it: &dyn Fn() -> bool| {
        wait_until(LIMIT, || is_it().then_some(())).unwrap_or_else(|| {
            let answer = exporter.get("/metrics", &[]).unwrap();
            let all = answer.text().lines().filter(|line| line.contains("hazard"));
            let found: Vec<_> = all.filter(|line| line.ends_with(" 1")).collect();
            panic!("never {what}:\n{}\n{}", found.join("\n"), exporter.log())
        });
    };
    let looked = || {
        let answer = exporter.get("/metrics", &[]).unwrap();
        answer
            .text()
            .contains("tidegauge_hazard_findings{hazard=\"nfs_soft\"} 0\n")
    };
    wait("a first look without findings on NFS", &looked);
    assert!(!has("hot", "discard_continuous", "hot/kafka"));
    // This machine's own timers are the guest's.
    let timer = !has("hot", "trim_never", "hot/kafka");

    // Both are mounted so; but the origin of a snapshot takes no discards, so that nothing comes of it there.
    for (name, takes) in [("hot/kafka", true), ("hot/postgresql", false)] {
        let at = tiers.path(name);
        assert_eq!(takes_discards(&at), takes, "{name}");
        mount("-o remount,discard", &at);
    }
    wait("discard", &|| has("hot", "discard_continuous", "hot/kafka"));
    assert_eq!(has("hot", "trim_twice", "hot/kafka"), timer);
    for hazard in ["discard_continuous", "trim_twice", "trim_never"] {
        assert!(!has("hot", hazard, "hot/postgresql"), "{hazard}");
    }
    assert!(!has("hot", "trim_never", "hot/kafka"));
    mount("-o remount,nodiscard", &tiers.path("hot/kafka"));
    wait("no discard", &|| {
        let told = has("hot", "discard_continuous", "hot/kafka");
        !told && has("hot", "trim_never", "hot/kafka") != timer
    });

    // Barriers off above the volatile cache of NVMe, through two layers of device mapper.
    let postgresql = tiers.path("hot/postgresql");
    mount("-o remount,barrier=0", &postgresql);
    wait("no barrier", &|| {
        has("hot", "ext4_barrier_off", "hot/postgresql")
    });
    mount("-o remount,barrier=1", &postgresql);
    wait("a barrier", &|| {
        !has("hot", "ext4_barrier_off", "hot/postgresql")
    });

    let cold = Command::new("umount").arg(tiers.path("cold")).status();
    assert!(cold.unwrap().success());
    // The guest's own root lies on another host (9p): what is below it is not touched, and that is told.
    wait("an unmounted mount point", &|| {
        let answer = exporter.get("/metrics", &[]).unwrap();
        let state = "hazard=\"mount_point_unprotected\",state=\"unsupported\"} 1";
        answer.text().contains(state)
    });
    let export = tiers.path("export").display().to_string();
    mount(
        &format!("-t nfs -o vers=3,tcp,nolock,soft 127.0.0.1:{export}"),
        &tiers.path("cold"),
    );
    wait("soft", &|| has("cold", "nfs_soft", "cold"));
    exporter.stop();
}

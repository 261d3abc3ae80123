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
        "wipefs"
    );
    let tiers = ThreeTiers::new();
    let config = format!(
        "{}collectors: {{hazard: {{interval: 1s}}}}\n",
        tiers.config()
    );
    let exporter = Exporter::start(&[], &config);
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
    assert!(!has("hot", "discard_continuous", "hot/postgresql"));
    // This machine's own timers are the guest's.
    let timer = !has("hot", "trim_never", "hot/kafka");
    assert_eq!(timer, !has("hot", "trim_never", "hot/postgresql"));

    let postgresql = tiers.path("hot/postgresql");
    mount("-o remount,discard", &postgresql);
    wait("discard", &|| {
        has("hot", "discard_continuous", "hot/postgresql")
    });
    assert_eq!(has("hot", "trim_twice", "hot/postgresql"), timer);
    assert!(!has("hot", "trim_never", "hot/postgresql"));
    assert!(!has("hot", "discard_continuous", "hot/kafka"));
    mount("-o remount,nodiscard", &postgresql);
    wait("no discard", &|| {
        !has("hot", "discard_continuous", "hot/postgresql")
    });

    // Without a journal, and barriers off above a volatile cache: the options of a volume on NVMe.
    mount("-o remount,barrier=0", &postgresql);
    wait("no barrier", &|| {
        has("hot", "ext4_barrier_off", "hot/postgresql")
    });
    mount("-o remount,barrier=1", &postgresql);

    let again = Command::new("umount").arg(tiers.path("cold")).status();
    assert!(again.unwrap().success());
    wait("an unmounted mount point", &|| {
        has("cold", "mount_point_unprotected", "cold")
    });
    let export = tiers.path("export").display().to_string();
    mount(
        &format!("-t nfs -o vers=3,tcp,nolock,soft 127.0.0.1:{export}"),
        &tiers.path("cold"),
    );
    wait("soft", &|| has("cold", "nfs_soft", "cold"));
    assert!(!has("cold", "mount_point_unprotected", "cold"));
    exporter.stop();
}

//! Hazards on real filesystems, made and mounted with the settings that hurt, beside clean ones.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tidegauge_rig::{Answer, Exporter, FsKind, HangFs, LoopFs, Operations, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(20);
const COLLECTORS: [&str; 2] = ["--collector.disable-defaults", "--collector.hazard"];

fn config(paths: &[&Path]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| format!("{path:?}")).collect();
    let paths = paths.join(", ");
    format!(
        "tiers:\n  - {{name: hot, paths: [{paths}]}}\ncollectors: {{hazard: {{interval: 1s}}}}\n"
    )
}

/// The exposition, once there is one look at the host in it.
fn looked(exporter: &Exporter) -> String {
    let look = || {
        let answer = exporter.get("/metrics", &[]).unwrap();
        let text = answer.text().to_owned();
        text.contains("tidegauge_hazard_findings{").then_some(text)
    };
    wait_until(LIMIT, look).unwrap_or_else(|| panic!("{}", exporter.log()))
}

/// The hazards whose target is this.
fn of(text: &str, target: &Path) -> BTreeSet<String> {
    let end = format!(",target=\"{}\"}} 1", target.display());
    let lines = text
        .lines()
        .filter(|line| line.starts_with("tidegauge_hazard{") && line.ends_with(&end));
    lines
        .map(|line| {
            line.split("hazard=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn findings(text: &str, hazard: &str) -> Option<u64> {
    let start = format!("tidegauge_hazard_findings{{hazard=\"{hazard}\"}} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

fn state(text: &str, hazard: &str, state: &str) -> bool {
    let line = format!(
        "tidegauge_hazard_reading_state{{tier=\"\",hazard=\"{hazard}\",state=\"{state}\"}} 1"
    );
    text.lines().any(|found| found == line)
}

#[test]
fn what_filesystems_are_mounted_with_and_made_with() {
    needs!(
        "root",
        "loop",
        "mkfs.ext4",
        "mkfs.xfs",
        "mkfs.btrfs",
        "setpriv",
        "tune2fs",
        "binary"
    );
    let risky = LoopFs::with(FsKind::Ext4, 40, &[], "barrier=0,data=writeback");
    let bare = LoopFs::with(FsKind::Ext4, 40, &["-O", "^has_journal,sparse_super2"], "");
    let read_only = LoopFs::with(FsKind::Ext4, 40, &["-O", "^has_journal"], "ro");
    let clean = LoopFs::new(FsKind::Ext4, 40);
    let xfs = LoopFs::new(FsKind::Xfs, 300);
    let flat = LoopFs::with(FsKind::Btrfs, 120, &[], "autodefrag,nodatacow,degraded");
    let trees = LoopFs::new(FsKind::Btrfs, 120);
    let all = [&risky, &bare, &read_only, &clean, &xfs, &flat, &trees];
    let paths: Vec<&Path> = all.iter().map(|fs| fs.mountpoint()).collect();
    let config = config(&paths);
    let exporter = Exporter::start(&COLLECTORS, &config);
    let text = looked(&exporter);
    let found = |fs: &LoopFs| of(&text, fs.mountpoint());
    assert_eq!(
        found(&risky),
        set(&["ext4_barrier_off", "ext4_data_writeback"]),
        "{text}"
    );
    assert_eq!(
        found(&bare),
        set(&["ext4_no_journal", "ext4_sparse_super2"]),
        "{text}"
    );
    for fs in [&read_only, &clean, &xfs, &trees] {
        assert_eq!(found(fs), set(&[]), "{}", fs.mountpoint().display());
    }
    let all = ["btrfs_autodefrag", "btrfs_degraded", "btrfs_nodatacow"];
    assert_eq!(found(&flat), set(&all), "{text}");
    assert!(text.contains(&format!(
        "tidegauge_hazard{{tier=\"hot\",hazard=\"btrfs_nodatacow\",target=\"{}\"}} 1",
        flat.mountpoint().display()
    )));
    assert!(findings(&text, "ext4_barrier_off") >= Some(1));
    // What is put right is no longer told.
    risky.remount("barrier=1");
    wait_until(LIMIT, || {
        let found = of(&looked(&exporter), risky.mountpoint());
        (found == set(&["ext4_data_writeback"])).then_some(())
    })
    .expect("the barrier is back");
    // What the superblock says by default is in no list of mounts.
    let tuned = LoopFs::new(FsKind::Ext4, 40);
    let (device, at) = (
        tuned.device().to_str().unwrap(),
        tuned.mountpoint().to_str().unwrap(),
    );
    run("umount", &[at]);
    run(
        "tune2fs",
        &["-o", "journal_data_writeback,nobarrier", device],
    );
    run("mount", &[device, at]);
    exporter.stop();

    let of_mounts = fs::read_to_string("/proc/mounts").unwrap();
    let line = of_mounts
        .lines()
        .find(|line| line.contains(tuned.mountpoint().to_str().unwrap()));
    assert!(
        !line.unwrap().contains("writeback") && !line.unwrap().contains("barrier"),
        "{line:?}"
    );
    // Anybody may see all but the superblocks.
    let by = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
    ];
    let exporter = Exporter::start_by(&by, &COLLECTORS, &config);
    let text = looked(&exporter);
    assert_eq!(
        of(&text, tuned.mountpoint()),
        set(&["ext4_barrier_off", "ext4_data_writeback"])
    );
    assert_eq!(of(&text, bare.mountpoint()), set(&["ext4_no_journal"]));
    assert!(state(&text, "ext4_sparse_super2", "denied"), "{text}");
    assert_eq!(findings(&text, "ext4_sparse_super2"), None);
    assert!(state(&text, "ext4_no_journal", "ok"), "{text}");
    let log = exporter.log();
    assert!(
        log.contains("hazard=") || log.contains("ext4_sparse_super2"),
        "{log}"
    );
    exporter.stop();
}

#[test]
fn what_the_next_boot_will_meet() {
    needs!(
        "root",
        "loop",
        "fuse",
        "setpriv",
        "mkfs.ext4",
        "chattr",
        "binary"
    );
    let hung = HangFs::new();
    hung.set(Operations::All, Answer::Hang);
    // A host's root, on which marks of files can be set.
    let root = LoopFs::new(FsKind::Ext4, 40);
    let at = |path: &str| root.mountpoint().join(path);
    for folder in [
        "etc/lvm",
        "etc/udev/rules.d",
        "run/systemd/system",
        "mnt/full",
        "mnt/safe",
        "mnt/bare",
        "mnt/link",
    ] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::write(at("mnt/full/backup"), "").unwrap();
    std::os::unix::fs::symlink("full", at("mnt/alias")).unwrap();
    run("chattr", &["+i", at("mnt/safe").to_str().unwrap()]);
    fs::write(
        at("etc/fstab"),
        format!(
            "UUID=1 / ext4 defaults 0 1\n/dev/sda9 /mnt/safe xfs noauto 0 0\n\
             nas:/full /mnt/full nfs soft,intr 0 0\nnas:/ok {}/below nfs hard,nofail 0 0\n\
             # nas:/x /mnt/x nfs soft\n",
            hung.mountpoint().display(),
        ),
    )
    .unwrap();
    let sys = root.mountpoint().to_str().unwrap();
    let arguments = [COLLECTORS[0], COLLECTORS[1], "--path.rootfs", sys];
    let exporter = Exporter::start(&arguments, &config(&[Path::new("/")]));
    let text = looked(&exporter);
    let found = |path: &str| of(&text, Path::new(path));
    // The machine's own root may have others.
    assert!(
        !found("/").iter().any(|name| name.starts_with("fstab_")),
        "{text}"
    );
    assert_eq!(found("/mnt/safe"), set(&["fstab_device_name"]), "{text}");
    assert_eq!(
        found("/mnt/full"),
        set(&[
            "fstab_nfs_intr",
            "fstab_no_nofail",
            "mount_point_holds_files",
            "mount_point_unprotected",
            "nfs_soft"
        ]),
        "{text}"
    );
    assert_eq!(of(&text, &hung.mountpoint().join("below")), set(&[]));
    // Nobody waits in the hung one: it was not asked, and that is told.
    assert!(
        state(&text, "mount_point_holds_files", "unsupported"),
        "{text}"
    );
    assert_eq!(findings(&text, "mount_point_holds_files"), None);
    for clean in [
        "lvm_issue_discards",
        "udev_runs_fstrim",
        "fstab_no_netdev",
        "fstab_xfs_barrier",
    ] {
        assert_eq!(findings(&text, clean), Some(0), "{clean}");
    }

    fs::write(at("etc/lvm/lvm.conf"), "devices { issue_discards = 1 }\n").unwrap();
    let rule = "ACTION==\"change\", RUN+=\"/sbin/fstrim /\"\n";
    fs::write(at("etc/udev/rules.d/9.rules"), rule).unwrap();
    fs::write(
        at("etc/fstab"),
        "nas:/x /mnt/alias nfs nofail 0 0\nx /mnt/bare xfs nobarrier,nofail 0 0\n",
    )
    .unwrap();
    let changed = || {
        let text = looked(&exporter);
        (findings(&text, "lvm_issue_discards") == Some(1)).then_some(text)
    };
    let text = wait_until(LIMIT, changed).expect("it is seen");
    let found = |path: &str| of(&text, Path::new(path));
    assert_eq!(found("/etc/lvm/lvm.conf"), set(&["lvm_issue_discards"]));
    assert_eq!(
        found("/etc/udev/rules.d/9.rules"),
        set(&["udev_runs_fstrim"])
    );
    assert_eq!(
        found("/mnt/bare"),
        set(&["fstab_xfs_barrier", "mount_point_unprotected"])
    );
    assert!(
        state(&text, "mount_point_unprotected", "unsupported"),
        "a link is not followed: {text}"
    );
    assert_eq!(findings(&text, "mount_point_unprotected"), None);
    // A file too big to be one of these, and one that is no lvm.conf.
    fs::write(at("etc/fstab"), vec![b'\n'; (1 << 20) + 1]).unwrap();
    fs::write(at("etc/lvm/lvm.conf"), "devices {").unwrap();
    let changed = || {
        let text = looked(&exporter);
        state(&text, "fstab_no_nofail", "failed").then_some(text)
    };
    let text = wait_until(LIMIT, changed).expect("it is told");
    assert!(state(&text, "lvm_issue_discards", "failed"), "{text}");
    assert_eq!(findings(&text, "fstab_no_nofail"), None);
    assert_eq!(findings(&text, "udev_runs_fstrim"), Some(1));
    exporter.stop();
}

#[test]
fn options_for_a_journal_that_is_not_there() {
    needs!("root", "loop", "mkfs.ext4", "binary");
    let bare = LoopFs::with(FsKind::Ext4, 40, &["-O", "^has_journal"], "");
    let root = LoopFs::new(FsKind::Ext4, 40);
    let device = bare.device().display().to_string();
    fs::create_dir_all(root.mountpoint().join("etc")).unwrap();
    // The same node, where the other root has it.
    let node = root.mountpoint().join(device.trim_start_matches('/'));
    fs::create_dir_all(node.parent().unwrap()).unwrap();
    run("cp", &["-a", &device, node.to_str().unwrap()]);
    let options = [
        "data=writeback",
        "data=ordered",
        "commit=60",
        "journal_async_commit",
        "commit=5",
        "noatime",
    ];
    let lines: Vec<String> = options
        .iter()
        .enumerate()
        .map(|(n, option)| format!("{device} /x/{n} ext4 nofail,{option} 0 0\n"))
        .collect();
    fs::write(root.mountpoint().join("etc/fstab"), lines.concat()).unwrap();
    let sys = root.mountpoint().to_str().unwrap();
    let arguments = [COLLECTORS[0], COLLECTORS[1], "--path.rootfs", sys];
    let exporter = Exporter::start(&arguments, &config(&[Path::new("/")]));
    let text = looked(&exporter);
    let told: Vec<bool> = (0..options.len())
        .map(|n| of(&text, Path::new(&format!("/x/{n}"))).contains("fstab_ext4_journal_option"))
        .collect();
    exporter.stop();
    // As the kernel sees it.
    let at = bare.mountpoint().to_str().unwrap();
    run("umount", &[at]);
    for (option, told) in options.iter().zip(told) {
        let arguments = ["-t", "ext4", "-o", option, device.as_str(), at];
        let output = Command::new("mount").args(arguments).output().unwrap();
        if output.status.success() {
            run("umount", &[at]);
        }
        assert_eq!(told, !output.status.success(), "{option}: {output:?}");
    }
    run("mount", &[&device, at]);
}

//! The exporter as docs/security.md says: a user of its own, in namespaces of its own, with the rights
//! named there and no others.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tidegauge_rig::{Exporter, FsKind, LoopFs, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(20);
/// As a unit with `ProtectSystem=strict`: its own mounts, nothing of the root can be written.
const READ_ONLY: &str = "mount --make-rprivate / && mount -o remount,bind,ro / && exec \"$@\"";

/// Becomes the exporter as nobody, in its own mount and IPC namespaces, with these capabilities only.
fn confined(capabilities: &str) -> Vec<String> {
    let list = if capabilities.is_empty() {
        "-all".to_owned()
    } else {
        format!("-all,{capabilities}")
    };
    let mut by: Vec<String> = [
        "unshare", "--mount", "--ipc", "--uts", "--", "sh", "-c", READ_ONLY, "sh",
    ]
    .map(str::to_owned)
    .into();
    by.extend(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--no-new-privs",
        ]
        .map(str::to_owned),
    );
    by.push(format!("--bounding-set={list}"));
    by.push(format!("--inh-caps={list}"));
    by.push(format!("--ambient-caps={list}"));
    by
}

fn start(capabilities: &str, config: &str) -> Exporter {
    let by = confined(capabilities);
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    Exporter::start_by(&by, &COLLECTORS, config)
}

fn sample(exporter: &Exporter, series: &str) -> Option<f64> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    let series = format!("{series} ");
    answer
        .text()
        .lines()
        .find_map(|l| l.strip_prefix(&series)?.parse().ok())
}

/// Values of a key of every thread's status, with the thread's name; that of the first is the program's.
fn of_threads(pid: u32, key: &str) -> Vec<(String, String)> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("status")).ok())
        .map(|status| {
            let of = |key| status.lines().find_map(|line| line.strip_prefix(key));
            let value = |key| of(key).unwrap().trim().to_owned();
            (value("Name:"), value(key))
        })
        .collect()
}

/// CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE: to see the host's mounts and what is on them.
const HOST: u64 = 1 << 2 | 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;

/// Each thread has the rights that its work needs: those that serve and put together have none.
fn check_threads(pid: u32, of_walks: u64) {
    let sets = of_threads(pid, "CapEff:");
    let bits_of = |name: &str| -> Vec<u64> {
        let named = sets.iter().filter(|(of, _)| of == name);
        named
            .map(|(_, bits)| u64::from_str_radix(bits, 16).unwrap())
            .collect()
    };
    assert_eq!(bits_of("tidegauge"), [0], "{sets:?}");
    assert_eq!(bits_of("sampler"), [0], "{sets:?}");
    assert_eq!(bits_of("collect-disk"), [HOST], "{sets:?}");
    // The kernel cuts names of threads off, and one that it starts has its name until it takes its own.
    let mut walks = bits_of("collect-directo");
    walks.dedup();
    assert_eq!(walks, [of_walks], "{sets:?}");
    for key in ["CapEff:", "CapPrm:"] {
        for (name, bits) in of_threads(pid, key) {
            let bits = u64::from_str_radix(&bits, 16).unwrap();
            assert_eq!(bits & !of_walks, 0, "{key} {name}");
        }
    }
}

/// The collectors whose rights are looked at here.
const COLLECTORS: [&str; 6] = [
    "--collector.disable-defaults",
    "--collector.directory",
    "--collector.disk",
    "--collector.filesystem",
    "--collector.pressure",
    "--collector.tier",
];

/// A filesystem with a directory that only root may enter, in folders that others may.
fn closed() -> (LoopFs, std::path::PathBuf) {
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let data = fs.mountpoint().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), vec![1; 100_000]).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let mut folder: Option<&Path> = Some(fs.mountpoint());
    // Only what the tests made themselves.
    while let Some(at) = folder.filter(|at| at.components().any(|c| c.as_os_str() == "rig")) {
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        folder = at.parent();
    }
    (fs, data)
}

fn config(fs: &LoopFs, data: &Path) -> String {
    format!(
        "tiers:\n  - name: hot\n    paths: [{:?}]\n    directories: [{{path: {data:?}, budget: 1GB, ages: [1d]}}]\n",
        fs.mountpoint()
    )
}

#[test]
fn with_its_rights_it_reads_all_and_keeps_no_more() {
    needs!("root", "loop", "setpriv", "unshare", "binary");
    let (fs, data) = closed();
    let exporter = start(
        "+dac_read_search,+sys_ptrace,+sys_admin",
        &config(&fs, &data),
    );
    let used = format!(
        "tidegauge_directory_used_bytes{{tier=\"hot\",path=\"{}\"}}",
        data.display()
    );
    wait_until(LIMIT, || sample(&exporter, &used)).expect("what is closed to others is measured");
    assert_eq!(
        sample(&exporter, "tidegauge_tier_up{tier=\"hot\"}"),
        Some(1.0)
    );
    let collectors = ["directory", "disk", "filesystem", "pressure", "tier"];
    for collector in collectors {
        let series = format!("tidegauge_collector_success{{collector=\"{collector}\"}}");
        assert_eq!(sample(&exporter, &series), Some(1.0), "{collector}");
    }
    let pid = exporter.pid();
    check_threads(pid, HOST | SYS_ADMIN);
    for key in ["CapInh:", "CapAmb:"] {
        assert!(
            of_threads(pid, key)
                .iter()
                .all(|(_, set)| *set == format!("{:016x}", 0)),
            "{key}"
        );
    }
    assert!(
        of_threads(pid, "NoNewPrivs:")
            .iter()
            .all(|(_, flag)| flag == "1")
    );
    assert!(
        of_threads(pid, "Uid:")
            .iter()
            .all(|(_, ids)| ids.starts_with("65534\t65534"))
    );
    exporter.stop();
}

#[test]
fn without_any_right_it_says_what_it_cannot_read() {
    needs!("root", "loop", "setpriv", "unshare", "binary");
    let (fs, data) = closed();
    let exporter = start("", &config(&fs, &data));
    let up = format!(
        "tidegauge_directory_up{{tier=\"hot\",path=\"{}\"}}",
        data.display()
    );
    wait_until(LIMIT, || sample(&exporter, &up).filter(|up| *up == 0.0)).expect("it is told");
    assert_eq!(
        sample(&exporter, "tidegauge_tier_up{tier=\"hot\"}"),
        Some(1.0)
    );
    assert_eq!(
        sample(&exporter, "tidegauge_collector_success{collector=\"disk\"}"),
        Some(1.0)
    );
    let log = exporter.log();
    assert!(
        log.contains("Permission denied") && log.contains("CAP_DAC_READ_SEARCH"),
        "{log}"
    );
    assert!(
        of_threads(exporter.pid(), "CapEff:")
            .iter()
            .all(|(_, set)| *set == format!("{:016x}", 0))
    );
    exporter.stop();
}

#[test]
fn as_root_it_gives_up_what_it_does_not_need() {
    needs!("root", "loop", "setpriv", "binary");
    let (fs, data) = closed();
    let tiers = format!(
        "tiers:\n  - {{name: hot, paths: [{:?}]}}\n",
        fs.mountpoint()
    );
    for (config, bits) in [(tiers, HOST), (config(&fs, &data), HOST | SYS_ADMIN)] {
        let exporter = Exporter::start(&COLLECTORS, &config);
        for (name, set) in of_threads(exporter.pid(), "CapBnd:") {
            assert_eq!(set, format!("{bits:016x}"), "{name}");
        }
        check_threads(exporter.pid(), bits);
        exporter.stop();
    }
}

//! Project quotas of XFS and ext4: the total of a directory without a walk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tidegauge_rig::{Exporter, FsKind, LoopFs, Scratch, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Gives a directory and all in it to a project.
fn give(kind: FsKind, fs: &LoopFs, directory: &Path, project: u32, more: &[&str]) {
    match kind {
        FsKind::Xfs => {
            let setup = format!("project -s -p {} {project}", text(directory));
            run("xfs_quota", &["-x", "-c", &setup, text(fs.mountpoint())]);
        }
        _ => {
            let number = project.to_string();
            let arguments = [more, &["+P", "-p", &number, text(directory)]].concat();
            run("chattr", &arguments);
        }
    }
}

/// Bytes that the quota's own tool tells, in whole KiB.
fn reported(kind: FsKind, fs: &LoopFs, project: u32) -> u64 {
    let at = text(fs.mountpoint());
    let report = match kind {
        FsKind::Xfs => run("xfs_quota", &["-x", "-c", "report -p -n", at]),
        _ => run("repquota", &["-P", "-n", at]),
    };
    let name = format!("#{project}");
    let line = report
        .lines()
        .find(|line| line.starts_with(&name))
        .unwrap_or_else(|| panic!("{report}"));
    let number = line
        .split_whitespace()
        .filter_map(|word| word.parse::<u64>().ok())
        .next();
    number.unwrap() * 1024
}

fn limit(kind: FsKind, fs: &LoopFs, project: u32) {
    let at = text(fs.mountpoint());
    match kind {
        FsKind::Xfs => {
            let limits = format!("limit -p bhard=100m ihard=5000 {project}");
            run("xfs_quota", &["-x", "-c", &limits, at]);
        }
        _ => {
            run(
                "setquota",
                &[
                    "-P",
                    &project.to_string(),
                    "102400",
                    "102400",
                    "5000",
                    "5000",
                    at,
                ],
            );
        }
    }
}

fn config(fs: &LoopFs, directories: &[(&Path, &str)]) -> String {
    let directories: String = directories
        .iter()
        .map(|(path, more)| format!("      - {{path: {path:?}, budget: 1GB{more}}}\n"))
        .collect();
    format!(
        "tiers:\n  - name: hot\n    paths: [{:?}]\n    directories:\n{directories}collectors: {{directory: {{quota_interval: 1s, interval: 1s}}}}\n",
        fs.mountpoint()
    )
}

fn sample(exporter: &Exporter, name: &str, path: &Path, more: &str) -> Option<u64> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    let series = format!(
        "tidegauge_directory_{name}{{tier=\"hot\",path=\"{}\"{more}}} ",
        path.display()
    );
    answer
        .text()
        .lines()
        .find_map(|l| l.strip_prefix(&series)?.parse().ok())
}

fn source(exporter: &Exporter, path: &Path) -> Option<&'static str> {
    ["project_quota", "walk"]
        .into_iter()
        .find(|source| sample(exporter, "info", path, &format!(",source=\"{source}\"")) == Some(1))
}

/// Source and bytes by `tidegauge status`, as root without CAP_SYS_ADMIN.
fn without_rights(file: &Path, directory: usize) -> (String, u64) {
    let binary = PathBuf::from(std::env::var_os("TIDEGAUGE_BIN").unwrap());
    let output = Command::new("setpriv")
        .args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
        .arg(binary)
        .args(["status", "--output", "json", "--config"])
        .arg(file)
        .output()
        .unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let found = &report["tiers"][0]["directories"][directory];
    (
        found["source"].as_str().unwrap().to_owned(),
        found["used_bytes"].as_u64().unwrap(),
    )
}

fn totals(kind: FsKind, size: u64) {
    let fs = LoopFs::with_project_quota(kind, size);
    let at = |name: &str| fs.mountpoint().join(name);
    let (kept, aged, late, left, right) =
        (at("kept"), at("aged"), at("late"), at("left"), at("right"));
    for (folder, project) in [(&kept, 42), (&aged, 43), (&left, 44), (&right, 44)] {
        fs::create_dir(folder).unwrap();
        give(kind, &fs, folder, project, &[]);
    }
    // Files were in it before it was given to its project, and still belong to none.
    fs::create_dir(&late).unwrap();
    for folder in [&kept, &aged, &late, &left, &right] {
        for n in 0..10 {
            fs::write(folder.join(n.to_string()), vec![1; 300_000]).unwrap();
        }
    }
    if kind == FsKind::Ext4 {
        give(kind, &fs, &late, 45, &[]);
    } else {
        run(
            "xfs_io",
            &["-c", "chproj 45", "-c", "chattr +P", text(&late)],
        );
    }
    run("sync", &[]);
    let config = config(
        &fs,
        &[
            (&kept, ""),
            (&aged, ", ages: [1d]"),
            (&late, ""),
            (&left, ""),
            (&right, ""),
        ],
    );
    let exporter = Exporter::start(&[], &config);
    wait_until(LIMIT, || source(&exporter, &kept)).expect("a total");
    assert_eq!(source(&exporter, &kept), Some("project_quota"));
    assert_eq!(
        sample(&exporter, "used_bytes", &kept, ""),
        Some(reported(kind, &fs, 42))
    );
    assert_eq!(sample(&exporter, "inodes", &kept, ""), Some(11));
    assert_eq!(sample(&exporter, "up", &kept, ""), Some(1));
    assert_eq!(
        sample(&exporter, "files", &kept, ""),
        None,
        "nothing was walked"
    );
    // It follows what is written.
    fs::write(kept.join("more"), vec![1; 2_000_000]).unwrap();
    run("sync", &[]);
    let grown = || (sample(&exporter, "used_bytes", &kept, "")? >= 5_000_000).then_some(());
    wait_until(LIMIT, grown).expect("it grows");
    // Ages need a walk; the total still comes from the quota.
    let walked = || sample(&exporter, "older_than_bytes", &aged, ",age=\"1d\"");
    assert_eq!(wait_until(LIMIT, walked), Some(0));
    assert_eq!(source(&exporter, &aged), Some("project_quota"));
    assert_eq!(sample(&exporter, "files", &aged, ""), Some(10));
    // What is not the directory's alone, or not all of it, is not taken.
    for path in [&late, &left, &right] {
        let by_walk = || (source(&exporter, path) == Some("walk")).then_some(());
        wait_until(LIMIT, by_walk).unwrap_or_else(|| panic!("{}", path.display()));
        assert_eq!(sample(&exporter, "files", path, ""), Some(10));
        assert!(sample(&exporter, "used_bytes", path, "").unwrap() >= 3_000_000);
    }
    let log = exporter.log();
    assert!(log.contains("in it is not of project 45"), "{log}");
    assert!(
        log.contains("its quota is that of another declared directory too"),
        "{log}"
    );
    exporter.stop();

    // Without the right: by a walk, until there is a limit, by which anybody may ask.
    let scratch = Scratch::new("quota");
    let file = scratch.file("tidegauge.yml", &config);
    assert_eq!(without_rights(&file, 0).0, "walk");
    limit(kind, &fs, 42);
    assert_eq!(
        without_rights(&file, 0),
        ("project_quota".to_owned(), reported(kind, &fs, 42))
    );
}

#[test]
fn xfs_tells_the_total_of_a_project() {
    needs!("root", "loop", "xfs_quota", "setpriv", "binary");
    totals(FsKind::Xfs, 400);
}

#[test]
fn ext4_tells_the_total_of_a_project() {
    needs!(
        "root", "loop", "setquota", "repquota", "chattr", "setpriv", "binary"
    );
    totals(FsKind::Ext4, 200);
}

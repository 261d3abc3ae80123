//! Budgeted directories as metrics, beside `du`, `find` and `btrfs`.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tidegauge_rig::{
    Answer, Exporter, FsKind, HangFs, LoopFs, Operations, Scratch, needs, wait_until,
};

const LIMIT: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(86_400);

/// A tier over `paths` with these budgeted directories, walked every second.
fn config(paths: &[&Path], directories: &[(&Path, &str)]) -> String {
    let directories: String = directories
        .iter()
        .map(|(path, more)| format!("      - {{path: {path:?}, budget: 10MB{more}}}\n"))
        .collect();
    format!(
        "tiers:\n  - name: hot\n    paths: {paths:?}\n    directories:\n{directories}collectors: {{directory: {{interval: 1s, quota_interval: 1s}}}}\n"
    )
}

/// A sample of a directory, `more` being labels after `path`.
fn sample(exporter: &Exporter, name: &str, path: &Path, more: &str) -> Option<f64> {
    let text = exporter.get("/metrics", &[]).unwrap().text().to_owned();
    let series = format!(
        "tidegauge_directory_{name}{{tier=\"hot\",path=\"{}\"{more}}} ",
        path.display()
    );
    text.lines()
        .find_map(|l| l.strip_prefix(&series)?.parse().ok())
}

fn output(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "a test's numbers are small")]
fn du(more: &[&str], path: &Path) -> f64 {
    let arguments = [&["-s", "-x", "--block-size=1"], more].concat();
    let text = output("du", &arguments, path);
    text.split('\t').next().unwrap().parse::<u64>().unwrap() as f64
}

/// Bytes allocated to files of this many days and more, by find.
#[expect(clippy::cast_precision_loss, reason = "a test's numbers are small")]
fn find_older(days: u32, path: &Path) -> f64 {
    // `-mtime +6` is seven days and more: find drops the fraction of a day first (find(1)).
    let script = format!(
        "find \"$0\" -xdev ! -type d -mtime +{} -printf '%D %i %b\\n' | sort -u",
        days - 1
    );
    let text = output("sh", &["-c", &script], path);
    let blocks = text.lines().map(|l| l.rsplit(' ').next().unwrap());
    blocks.map(|b| b.parse::<u64>().unwrap() * 512).sum::<u64>() as f64
}

fn aged(path: &Path, days: u32) {
    // An hour off the full days, since find takes its own time.
    let then = SystemTime::now() - DAY * days - Duration::from_secs(3600);
    File::open(path).unwrap().set_modified(then).unwrap();
}

#[test]
fn a_budgeted_directory_is_as_du_says_and_grows() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 64);
    let (data, gone) = (fs.mountpoint().join("data"), fs.mountpoint().join("gone"));
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::create_dir_all(fs.mountpoint().join("elsewhere")).unwrap();
    fs::write(fs.mountpoint().join("elsewhere/e"), vec![1; 4 << 20]).unwrap();
    fs::write(data.join("sub/a"), vec![1; 2 << 20]).unwrap();
    fs::hard_link(data.join("sub/a"), data.join("b")).unwrap();
    File::create(data.join("sparse"))
        .unwrap()
        .set_len(5 << 20)
        .unwrap();
    std::os::unix::fs::symlink("../elsewhere", data.join("link")).unwrap();
    fs::write(data.join(OsStr::from_bytes(b"\xff\n\"\\ ")), "x").unwrap();
    for (name, days) in [("new", 0), ("week", 8), ("month", 31)] {
        let path = data.join(name);
        fs::write(&path, vec![1; 100_000]).unwrap();
        aged(&path, days);
    }
    // du and find are asked before anything is mounted below, and without the directories that the
    // mounts will cover.
    let covered = [data.join("sub/mounted"), data.join("view")];
    let expected = (
        du(&[], &data),
        du(&["--apparent-size"], &data),
        find_older(7, &data),
        find_older(30, &data),
    );
    for folder in &covered {
        fs::create_dir(folder).unwrap();
    }
    // What is mounted below is another filesystem's, or another view of this one.
    let other = LoopFs::new(FsKind::Ext4, 32);
    fs::write(other.mountpoint().join("c"), vec![1; 1 << 20]).unwrap();
    let _mounted = other.bind(&covered[0]);
    let _view = fs.bind(&covered[1]);
    let file = config(
        &[fs.mountpoint()],
        &[(&data, ", ages: [7d, 30d]"), (&gone, "")],
    );
    let exporter = Exporter::start(&[], &file);
    let value = |name: &str| sample(&exporter, name, &data, "");
    let agrees = |wanted: f64| move |found: Option<f64>| (found == Some(wanted)).then_some(());
    let first = || agrees(expected.0)(value("used_bytes"));
    wait_until(LIMIT, first).unwrap_or_else(|| panic!("{:?}, {expected:?}", value("used_bytes")));
    assert_eq!(value("apparent_bytes"), Some(expected.1));
    assert_eq!((value("files"), value("inodes")), (Some(7.0), Some(9.0)));
    assert_eq!(value("budget_bytes"), Some(10_000_000.0));
    let ratio = value("used_ratio").unwrap();
    assert!((ratio - value("used_bytes").unwrap() / 1e7).abs() < 1e-9);
    let older = |age: &str| {
        sample(
            &exporter,
            "older_than_bytes",
            &data,
            &format!(",age=\"{age}\""),
        )
    };
    assert_eq!(
        (older("7d"), older("30d")),
        (Some(expected.2), Some(expected.3))
    );
    assert!(expected.2 > expected.3 && expected.3 > 0.0);
    assert_eq!(
        sample(&exporter, "info", &data, ",source=\"walk\""),
        Some(1.0)
    );
    assert!(value("walk_age_seconds").unwrap() < 60.0);
    assert!(value("walk_duration_seconds").unwrap() < 60.0);
    assert_eq!(sample(&exporter, "up", &gone, ""), Some(0.0));
    assert_eq!(sample(&exporter, "used_bytes", &gone, ""), None);
    fs::write(data.join("more"), vec![1; 3 << 20]).unwrap();
    let more = expected.0 + f64::from(3 << 20);
    wait_until(LIMIT, || agrees(more)(value("used_bytes"))).expect("the next walk sees it");
    assert!(exporter.log().contains("cannot read"), "{}", exporter.log());
    exporter.stop();
}

#[test]
fn a_subvolume_tells_its_total_at_once_and_reflinks_count_as_du_counts_them() {
    needs!("root", "loop", "btrfs", "binary");
    let fs = LoopFs::new(FsKind::Btrfs, 256);
    let top = fs.mountpoint();
    let run = |arguments: &[&str], path: &Path| output("btrfs", arguments, path);
    run(&["quota", "enable"], top);
    let (kept, nested, plain) = (top.join("kept"), top.join("nested"), top.join("plain"));
    for subvolume in [&kept, &nested, &nested.join("inner")] {
        run(&["subvolume", "create"], subvolume);
    }
    fs::create_dir(&plain).unwrap();
    for folder in [&kept, &nested, &plain] {
        fs::write(folder.join("a"), vec![7; 3_000_000]).unwrap();
        output(
            "cp",
            &["--reflink=always", folder.join("a").to_str().unwrap()],
            &folder.join("b"),
        );
    }
    output("sync", &["-f"], top);
    let file = config(
        &[top],
        &[(&kept, ""), (&nested, ""), (&plain, ", ages: [1d]")],
    );
    let exporter = Exporter::start(&[], &file);
    let source = |path: &Path, source: &str| {
        let more = format!(",source=\"{source}\"");
        sample(&exporter, "info", path, &more)
    };
    let referenced = || -> Option<f64> {
        let listed = run(&["qgroup", "show", "--raw", "--sync", "-f"], &kept);
        let line = listed.lines().find(|l| l.starts_with("0/"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let agrees = || {
        let used = sample(&exporter, "used_bytes", &kept, "")?;
        (Some(used) == referenced()).then_some(used)
    };
    let used = wait_until(LIMIT, agrees).expect("what the qgroup says");
    // The reflink shares its extents, which the qgroup knows and no walk can.
    assert!((3e6..3.5e6).contains(&used), "{used}");
    assert_eq!(source(&kept, "qgroup"), Some(1.0));
    assert_eq!(sample(&exporter, "up", &kept, ""), Some(1.0));
    assert_eq!(
        sample(&exporter, "files", &kept, ""),
        None,
        "nothing was walked"
    );
    for path in [&nested, &plain] {
        let agrees =
            || (sample(&exporter, "used_bytes", path, "") == Some(du(&[], path))).then_some(());
        // du stops at a subvolume; what lies in it is the directory's all the same.
        if path == &plain {
            wait_until(LIMIT, agrees).expect("as du says");
        }
        wait_until(LIMIT, || source(path, "walk")).expect("it is walked");
        assert_eq!(sample(&exporter, "files", path, ""), Some(2.0));
    }
    let log = exporter.log();
    assert!(log.contains("other subvolumes lie in it"), "{log}");
    exporter.stop();
}

#[test]
fn one_that_hangs_holds_up_no_other() {
    needs!("root", "loop", "fuse", "setpriv", "binary");
    let healthy = LoopFs::new(FsKind::Ext4, 32);
    let data = healthy.mountpoint().join("data");
    fs::create_dir(&data).unwrap();
    let hung = HangFs::new();
    hung.set(Operations::All, Answer::Hang);
    let file = config(
        &[healthy.mountpoint(), hung.mountpoint()],
        &[(hung.mountpoint(), ""), (&data, "")],
    );
    let exporter = Exporter::start(&[], &file);
    for round in 0..3u32 {
        fs::write(data.join(round.to_string()), vec![1; 100_000]).unwrap();
        let agrees = || {
            let files = sample(&exporter, "files", &data, "")?;
            (files == f64::from(round) + 1.0).then_some(())
        };
        wait_until(LIMIT, agrees).expect("the healthy one is walked again");
    }
    assert_eq!(sample(&exporter, "up", hung.mountpoint(), ""), Some(0.0));
    assert_eq!(sample(&exporter, "used_bytes", hung.mountpoint(), ""), None);
    let threads = fs::read_dir(format!("/proc/{}/task", exporter.pid()))
        .unwrap()
        .count();
    hung.set(Operations::All, Answer::Normal);
    let up = || sample(&exporter, "up", hung.mountpoint(), "").filter(|up| *up == 1.0);
    wait_until(LIMIT, up).expect("it is measured once it answers");
    assert!(threads < 30, "{threads} threads");
    exporter.stop();
}

fn status(config: &Path, user: Option<&str>, arguments: &[&str]) -> (Option<i32>, String) {
    let binary: PathBuf = std::env::var_os("TIDEGAUGE_BIN")
        .map_or_else(|| "target/release/tidegauge".into(), Into::into);
    let mut command = match user {
        None => Command::new(&binary),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", user, "--regid", user, "--clear-groups"])
                .arg(&binary);
            command
        }
    };
    let output = command
        .args(["status", "--config"])
        .arg(config)
        .args(arguments)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn status_lists_the_biggest_and_the_coldest() {
    needs!("root", "loop", "setpriv", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 128);
    let data = fs.mountpoint().join("data");
    for (name, files, days) in [("big", 5, 0), ("cold", 3, 40), ("small", 1, 2)] {
        fs::create_dir_all(data.join(name)).unwrap();
        for n in 0..files {
            let path = data.join(name).join(n.to_string());
            fs::write(&path, vec![1; 1 << 20]).unwrap();
            aged(&path, days);
        }
    }
    let scratch = Scratch::new("listing");
    let file = scratch.file(
        "tidegauge.yml",
        &config(&[fs.mountpoint()], &[(&data, ", ages: [7d, 30d]")]),
    );
    let (_, text) = status(
        &file,
        None,
        &["--directories", "--output", "json", "--top", "2"],
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    let listed = |list: &str| -> Vec<(String, f64)> {
        report["directories"][list]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let path = row["path"].as_str().unwrap();
                let name = path.rsplit('/').next().unwrap();
                let key = if list == "coldest" {
                    "older_than_bytes"
                } else {
                    "used_bytes"
                };
                (name.to_owned(), row[key].as_f64().unwrap())
            })
            .collect()
    };
    let sizes = |name: &str| du(&[], &data.join(name));
    assert_eq!(
        listed("biggest"),
        [
            ("big".to_owned(), sizes("big")),
            ("cold".to_owned(), sizes("cold"))
        ]
    );
    assert_eq!(
        listed("coldest"),
        [("cold".to_owned(), find_older(30, &data.join("cold")))]
    );
    let directory = &report["tiers"][0]["directories"][0];
    assert_eq!(
        directory["older_than_bytes"]["30d"].as_f64(),
        Some(find_older(30, &data))
    );
    assert_eq!(
        directory["apparent_bytes"].as_f64(),
        Some(du(&["--apparent-size"], &data))
    );
    let (_, table) = status(&file, None, &["--directories"]);
    assert!(
        table.contains("not changed for 7d 3.15 MB, 30d 3.15 MB"),
        "{table}"
    );
    // Without the flag nothing is listed.
    assert!(!status(&file, None, &[]).1.contains("biggest"));
    // Who may not read a part gets no numbers for the whole.
    let secret = data.join("secret");
    fs::create_dir(&secret).unwrap();
    output("chmod", &["700"], &secret);
    for folder in [scratch.path(), fs.mountpoint(), &data] {
        output("chmod", &["755"], folder);
    }
    let (code, text) = status(&file, Some("65534"), &["--directories"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("Permission denied"), "{text}");
}

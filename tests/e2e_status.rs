//! `tidegauge status` on real filesystems: beside `df` and `du`, and its exit codes.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tidegauge_rig::{FsKind, LoopFs, Scratch, needs};

fn status(config: &Path, arguments: &[&str]) -> Output {
    let binary =
        std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
    Command::new(binary)
        .arg("status")
        .arg("--config")
        .arg(config)
        .args(arguments)
        .env("COLUMNS", "80")
        .env("LANG", "C.UTF-8")
        .env_remove("LC_ALL")
        .output()
        .unwrap()
}

fn json(config: &Path) -> (Option<i32>, Value) {
    let output = status(config, &["--output", "json"]);
    (
        output.status.code(),
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}")),
    )
}

fn number(program: &str, arguments: &[&str], path: &Path) -> u64 {
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .last()
        .unwrap()
        .trim()
        .split(['%', '\t'])
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn levels_numbers_and_exit_codes_follow_the_filesystem() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 64);
    let scratch = Scratch::new("status");
    let wal = fs.mountpoint().join("wal");
    std::fs::create_dir(&wal).unwrap();
    std::fs::write(wal.join("a"), vec![1; 3 << 20]).unwrap();
    std::fs::hard_link(wal.join("a"), wal.join("b")).unwrap();
    let config = scratch.file(
        "t.yml",
        &format!("tiers:\n  - name: hot\n    paths: [{:?}]\n    directories: [{{path: {wal:?}, budget: 10MiB}}]\n", fs.mountpoint()),
    );
    let mut expected = vec![(0, "ok", 0), (1, "warning", 84), (2, "critical", 93)];
    expected.reverse();
    while let Some((code, word, fill)) = expected.pop() {
        if fill > 0 {
            let size = number("df", &["--output=size", "--block-size=1"], fs.mountpoint());
            let used = number("df", &["--output=used", "--block-size=1"], fs.mountpoint());
            let more = (size * fill / 100).saturating_sub(used) * 96 / 100;
            std::fs::write(
                fs.mountpoint().join(format!("fill{fill}")),
                vec![7; usize::try_from(more).unwrap()],
            )
            .unwrap();
            Command::new("sync")
                .arg("-f")
                .arg(fs.mountpoint())
                .status()
                .unwrap();
        }
        let (got, report) = json(&config);
        let tier = &report["tiers"][0];
        let percent = number("df", &["--output=pcent"], fs.mountpoint());
        let ratio = tier["used_ratio"].as_f64().unwrap();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 100"
        )]
        let ours = (ratio * 100.0).ceil() as u64;
        assert_eq!(
            (ours, got, tier["level"].as_str()),
            (percent, Some(code), Some(word)),
            "{report:#}"
        );
        let directory = &tier["directories"][0];
        assert_eq!(
            directory["used_bytes"].as_u64(),
            Some(number("du", &["-s", "--block-size=1"], &wal))
        );
        let table = String::from_utf8(status(&config, &[]).stdout).unwrap();
        assert!(
            table.contains(&format!(" {percent}% ")) && table.contains(word),
            "{table}"
        );
        assert!(
            table.contains(" free\n") && table.contains("wal"),
            "{table}"
        );
    }
}

#[test]
fn what_cannot_be_known_has_a_code_of_its_own() {
    needs!("binary");
    let scratch = Scratch::new("status");
    let missing = scratch.folder("nas");
    let down = scratch.file(
        "t.yml",
        &format!("tiers: [{{name: cold, paths: [{missing:?}], require_mount: true}}]\n"),
    );
    let (code, report) = json(&down);
    assert_eq!(
        (code, report["tiers"][0]["up"].as_bool()),
        (Some(2), Some(false))
    );
    assert_eq!(
        report["tiers"][0]["reasons"][0],
        format!("{} is not mounted", missing.display())
    );
    let wrong = scratch.file("wrong.yml", "tiers: 7\n");
    assert_eq!(status(&wrong, &[]).status.code(), Some(3));
    assert_eq!(status(&down, &["--output", "xml"]).status.code(), Some(3));
    let color = status(&down, &["--color", "always"]);
    assert!(String::from_utf8_lossy(&color.stdout).contains("\u{1b}[31m"));
    assert!(!String::from_utf8_lossy(&status(&down, &[]).stdout).contains('\u{1b}'));
}

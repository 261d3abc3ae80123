//! `tidegauge check rules`: what it finds, where it says it is, and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegauge_rig::{Scratch, needs};

/// The exit code, and what is said on both outputs.
fn check(arguments: &[&str], files: &[PathBuf]) -> (Option<i32>, String) {
    let binary =
        std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
    let output = Command::new(binary)
        .args(["check", "rules"])
        .args(arguments)
        .args(files)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn rules(scratch: &Scratch, name: &str, rules: &str) -> PathBuf {
    let text = format!("groups:\n- name: g\n  rules:\n{rules}");
    scratch.file(name, &text)
}

#[test]
fn in_what_ships_nothing_is_found() {
    needs!("binary");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let entries = std::fs::read_dir(folder).unwrap();
    let files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".test.yml"))
        .collect();
    let (code, said) = check(&["--strict"], &files);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches(": ok, ").count(), files.len(), "{said}");
}

#[test]
fn what_is_odd_is_a_warning_with_its_place() {
    needs!("binary");
    let scratch = Scratch::new("check-rules");
    let odd = rules(
        &scratch,
        "odd.yml",
        "  - {alert: Typo, expr: tidegauge_tier_size_byte > 0}\n\
         \x20 - {alert: Sidecar, expr: tidegauge_window_series > 0}\n\
         \x20 - {alert: Far, expr: 'max_over_time(tidegauge_tier_size_bytes[8d]) > 0'}\n",
    );
    let twice = rules(
        &scratch,
        "twice.yml",
        "  - {alert: Sidecar, expr: tidegauge_window_bytes > 0}\n",
    );
    let files = [odd.clone(), twice];
    let (code, said) = check(&[], &files);
    assert_eq!(code, Some(0), "{said}");
    for (line, what) in [
        (4, "has the metric `tidegauge_tier_size_byte`"),
        (6, "looks 8d back, and samples are kept for 7d"),
    ] {
        let place = format!("{}:{line}:", odd.display());
        let told = said
            .lines()
            .any(|said| said.starts_with(&place) && said.contains(what));
        assert!(told, "{place} {what}\n{said}");
    }
    assert!(said.contains("did you mean `tidegauge_tier_size_bytes`?"));
    assert!(said.contains("another rule has the same name and labels, in"));
    assert_eq!(said.matches("warning: ").count(), 3, "{said}");
    assert_eq!(check(&["--strict"], &files).0, Some(1));

    // How far rules can look is what the configuration says, or the flag.
    let config = scratch.file("tidegauge.yml", "window: {max_range: 9d}\n");
    let config = format!("--config={}", config.display());
    let (_, said) = check(&[&config], &files);
    assert_eq!(said.matches("warning: ").count(), 2, "{said}");
    let (_, said) = check(&[&config, "--kept=1d"], &files);
    assert!(said.contains("samples are kept for 1d"), "{said}");
}

#[test]
fn what_is_wrong_ends_with_two_and_hides_nothing_else() {
    needs!("binary");
    let scratch = Scratch::new("check-rules");
    let right = rules(&scratch, "right.yml", "  - {record: 'a:b', expr: a}\n");
    let wrong = rules(
        &scratch,
        "wrong.yml",
        "  - alert: Broken\n    expr: sum(\n  - {alert: Unknown, expr: a, fro: 5m}\n",
    );
    let absent = scratch.path().join("absent.yml");
    let (code, said) = check(&[], &[right, wrong.clone(), absent]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("right.yml: ok, 1 rule\n"), "{said}");
    let at = |line: u32| format!("{}:{line}:", wrong.display());
    assert!(said.contains(&at(5)) && said.contains("Broken"), "{said}");
    assert!(
        said.contains(&at(6)) && said.contains("unknown key `fro`"),
        "{said}"
    );
    assert!(said.contains("absent.yml"), "{said}");
}

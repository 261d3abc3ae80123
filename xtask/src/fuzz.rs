//! `cargo xtask fuzz`: runs the targets of `fuzz/` for a while, with the toolchain that builds the rest.
//!
//! Without a sanitizer: there is no unsafe code in what they test, and a panic, a hang or too much memory
//! shows without. The flags are those by which cargo-fuzz has the code instrumented for libFuzzer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// No input may take more.
const LIMITS: [&str; 4] = [
    "-rss_limit_mb=512",
    "-timeout=10",
    "-max_len=65536",
    "-print_final_stats=1",
];

/// Builds all targets and runs those named, or all, each for so many seconds.
pub fn run(arguments: &[&str]) -> Result<()> {
    let (mut seconds, mut chosen) = (10u32, Vec::new());
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "--seconds" => seconds = rest.next().context("--seconds N")?.parse()?,
            name => chosen.push(name),
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let targets = targets(root)?;
    for name in &chosen {
        ensure!(
            targets.iter().any(|target| target == name),
            "there is no target {name}; there are {}",
            targets.join(", ")
        );
    }
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let target_dir = root.join("target/fuzz");
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target", &triple])
        .arg("--manifest-path")
        .arg(root.join("fuzz/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("RUSTFLAGS", FLAGS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()?;
    ensure!(status.success(), "the targets do not build");
    println!("| target | executions | coverage | result |\n|---|---|---|---|");
    let mut broken = Vec::new();
    for name in targets
        .iter()
        .filter(|t| chosen.is_empty() || chosen.contains(&t.as_str()))
    {
        let program = target_dir.join(&triple).join("release").join(name);
        if let Some(input) = fuzz(root, &program, name, seconds)? {
            broken.push(input.display().to_string());
        }
    }
    if !broken.is_empty() {
        bail!(
            "found: {}; make it a test beside the parser, then mend the parser",
            broken.join(", ")
        );
    }
    Ok(())
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(root.join("fuzz/fuzz_targets"))? {
        let path = file?.path();
        names.extend(
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned()),
        );
    }
    names.sort_unstable();
    Ok(names)
}

/// Runs one; where the input that broke it lies, if one did.
fn fuzz(root: &Path, program: &Path, name: &str, seconds: u32) -> Result<Option<PathBuf>> {
    let corpus = root.join("target/fuzz/corpus").join(name);
    let artifacts = root.join("target/fuzz/artifacts").join(name);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let found_before = newest(&artifacts)?;
    let output = Command::new(program)
        .args(LIMITS)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .arg(root.join("fuzz/seeds").join(name))
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let after = |key: &str| {
        let line = text.lines().rev().find(|line| line.contains(key))?;
        line.split(key)
            .nth(1)?
            .split_whitespace()
            .next()
            .map(str::to_owned)
    };
    let executions = after("stat::number_of_executed_units:").unwrap_or_default();
    let coverage = after("cov: ").unwrap_or_default();
    let passed = output.status.success();
    let result = if passed {
        "nothing found"
    } else {
        "**broken**"
    };
    println!("| {name} | {executions} | {coverage} | {result} |");
    if passed {
        return Ok(None);
    }
    let tail: Vec<&str> = text.lines().rev().take(40).collect();
    for line in tail.iter().rev() {
        eprintln!("{line}");
    }
    let input = newest(&artifacts)?.filter(|input| Some(input) != found_before.as_ref());
    Ok(Some(input.unwrap_or(artifacts)))
}

fn newest(folder: &Path) -> Result<Option<PathBuf>> {
    let mut files = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        files.push((file.metadata()?.modified()?, file.path()));
    }
    Ok(files.into_iter().max().map(|(_, path)| path))
}

//! The rule engine beside Prometheus: the same target, the same rules, the same interval.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tidegauge_rig::{Scratch, get};

use super::document;
use super::mounts::Mounts;
use super::process::Exporter;
use super::table::{Figure, Goal, Row, markdown};

const INTERVAL: Duration = Duration::from_secs(15);
/// Cycles before anything is measured: caches are filled, rules have seen what they look for.
const WARM_UP: u32 = 4;
const LIMIT: Duration = Duration::from_secs(30);

/// Measures and writes its section of `docs/benchmarks.md`; with `quick` less of it, and nothing is written.
pub fn run(quick: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let (count, rounds) = if quick { (100, 2) } else { (1000, 8) };
    println!("{count} filesystems on {count} loop devices …");
    let _mounts = Mounts::new(&root.join("target/bench"), count)?;
    let scratch = Scratch::new("rules");
    let ours = root.join("target/release/tidegauge");
    let target = Exporter::start(
        &ours,
        &["exporter".to_owned(), "--log.level=error".to_owned()],
    )?;
    target
        .first_scrape(LIMIT)
        .context("the target does not answer")?;
    let samples = {
        let answer = get(&target.address.to_string(), "/metrics", &[])?;
        let text = answer.text();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let files = rule_files(root)?;
    let sidecar = start_ours(&ours, &scratch, &target, &files)?;
    let peer = start_peer(
        &root.join("target/peers/prometheus3/usr/bin/prometheus"),
        &scratch,
        &target,
        &files,
    )?;
    sleep(INTERVAL * WARM_UP);
    let mut runs = [const { Vec::new() }; 4];
    for round in 0..rounds {
        println!("cycle {} of {rounds} …", round + 1);
        let before = [sidecar.cpu_whole()?, peer.cpu_whole()?];
        sleep(INTERVAL);
        let after = [sidecar.cpu_whole()?, peer.cpu_whole()?];
        for index in 0..2 {
            runs[index].push((after[index] - before[index]).as_secs_f64() * 1e3);
        }
        for (index, process) in [&sidecar, &peer].into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "megabytes with two digits")]
            let megabytes = process.resident()? as f64 / 1e6;
            runs[2 + index].push(megabytes);
        }
    }
    let [our_cpu, peer_cpu, our_memory, peer_memory] = runs;
    let figure = |runs| Figure::of(runs).context("no runs");
    let rows = [
        Row {
            what: "CPU of a cycle of 15 s, ms".to_owned(),
            peer: Ok(figure(peer_cpu)?),
            ours: figure(our_cpu)?,
            goal: Goal::Ratio(0.2),
        },
        Row {
            what: "RSS, MB".to_owned(),
            peer: Ok(figure(peer_memory)?),
            ours: figure(our_memory)?,
            goal: Goal::Ratio(0.2),
        },
    ];
    let table = markdown(&rows);
    println!("{table}");
    if !quick {
        document::replace(root, "Rules", &section(&table, samples, count)?)?;
    }
    Ok(())
}

/// The rule files that ship, without their tests.
fn rule_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("rules"))? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".yml") && !name.ends_with(".test.yml") {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), "there are no rules");
    files.sort();
    Ok(files)
}

fn start_ours(
    program: &Path,
    scratch: &Scratch,
    target: &Exporter,
    rules: &[PathBuf],
) -> Result<Exporter> {
    let text = format!(
        "rules: {rules:?}\nfeeds: [{{job_name: tidegauge, static_configs: [{{targets: ['{}']}}]}}]\n",
        target.address
    );
    let config = scratch.file("tidegauge.yml", &text);
    Exporter::start(
        program,
        &[
            "alerts".to_owned(),
            "--log.level=error".to_owned(),
            format!("--config={}", config.display()),
            format!("--state-dir={}", scratch.folder("state").display()),
        ],
    )
}

fn start_peer(
    program: &Path,
    scratch: &Scratch,
    target: &Exporter,
    rules: &[PathBuf],
) -> Result<Exporter> {
    let text = format!(
        "global: {{scrape_interval: 15s, evaluation_interval: 15s}}\nrule_files: {rules:?}\nscrape_configs: [{{job_name: tidegauge, static_configs: [{{targets: ['{}']}}]}}]\n",
        target.address
    );
    let config = scratch.file("prometheus.yml", &text);
    Exporter::start(
        program,
        &[
            "--log.level=error".to_owned(),
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", scratch.folder("data").display()),
        ],
    )
}

fn section(table: &str, samples: usize, count: usize) -> Result<String> {
    Ok(format!(
        "By `cargo xtask bench rules` (needs root, `tests/peers.sh` and `cargo build --release` before it).\n\n\
         {}. The peer is Debian's Prometheus 3.5. Both scrape the same tidegauge exporter on a host with {count}\n\
         filesystems ({samples} samples) every 15 s and evaluate the rules that ship, at the same time. CPU is of a\n\
         whole cycle: scrape, rules, writing; figures are medians of cycles, with the least and the greatest.\n\n\
         {table}",
        document::machine()?,
    ))
}

//! Walks of a large tree: `tidegauge status --directories` beside diskus, dust, pdu, gdu and du.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::document;
use super::table::Figure;

/// Files of the whole tree, in directories of a hundred; one in a hundred has a second name.
const FILES: usize = 500_000;

struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<String>,
    /// Wall times in ms with everything cached, with nothing cached; CPU in ms of the first.
    warm: Vec<f64>,
    cold: Vec<f64>,
    cpu: Vec<f64>,
}

/// Measures and writes the section; with `quick` a smaller tree, and nothing is written.
pub fn run(quick: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let (files, rounds) = if quick { (50_000, 3) } else { (FILES, 9) };
    let tree = root.join(format!("target/bench/walk-{files}"));
    grow(&tree, files)?;
    let mut programs = programs(root, &tree)?;
    // The first round fills the caches and does not count.
    for round in 0..=rounds {
        for program in &mut programs {
            let (wall, cpu) = program.measure()?;
            if round > 0 {
                program.warm.push(wall);
                program.cpu.push(cpu);
            }
        }
    }
    for _ in 0..rounds.min(5) {
        for program in &mut programs {
            fs::write("/proc/sys/vm/drop_caches", "3").context("dropping caches needs root")?;
            let (wall, _) = program.measure()?;
            program.cold.push(wall);
        }
    }
    let table = markdown(&programs)?;
    println!("{table}");
    if !quick {
        let text = format!(
            "By `cargo xtask bench walk` (needs root, `tests/peers.sh --walkers` and `cargo build --release` before it).\n\n\
             {}. One tree of {files} files in directories of 100, one in a hundred with a second name. All programs run\n\
             in turn, {rounds} rounds with everything cached, {} with dropped caches; medians, with the least and the\n\
             greatest in parentheses, of whole processes from start to end. Ours is `tidegauge status --directories`,\n\
             which also tells the bytes older than 7 and 30 days for the whole and for each directory below it, and\n\
             counts hard links once; the exporter walks in the same way, with two threads at the lowest priority.\n\n{table}",
            document::machine()?,
            rounds.min(5),
        );
        document::replace(root, "Walks", &text)?;
    }
    Ok(())
}

fn programs(root: &Path, tree: &Path) -> Result<Vec<Program>> {
    let config = root.join("target/bench/walk.yml");
    let at = tree.display();
    fs::write(
        &config,
        format!(
            "tiers:\n  - name: hot\n    paths: [{at:?}]\n    directories: [{{path: {at:?}, budget: 1TB, ages: [7d, 30d]}}]\n",
            at = tree
        ),
    )?;
    let walkers = root.join("target/peers/walkers/bin");
    let (tree, config) = (at.to_string(), config.display().to_string());
    let list: [(&str, PathBuf, Vec<&str>); 6] = [
        (
            "tidegauge",
            root.join("target/release/tidegauge"),
            vec!["status", "--directories", "--config", &config],
        ),
        ("diskus", walkers.join("diskus"), vec![&tree]),
        ("dust", walkers.join("dust"), vec!["--no-progress", &tree]),
        ("pdu", walkers.join("pdu"), vec![&tree]),
        (
            "gdu",
            root.join("target/peers/gdu/usr/bin/gdu"),
            vec!["--non-interactive", "--no-progress", "--summarize", &tree],
        ),
        ("du", PathBuf::from("/usr/bin/du"), vec!["-s", &tree]),
    ];
    list.into_iter()
        .map(|(name, path, arguments)| {
            let version = Command::new(&path).arg("--version").output();
            let version = version.with_context(|| {
                format!(
                    "cannot run {}; run tests/peers.sh --walkers and cargo build --release first",
                    path.display()
                )
            })?;
            let text = String::from_utf8_lossy(&version.stdout).into_owned();
            let number = text
                .split_whitespace()
                .find(|word| {
                    word.trim_start_matches('v')
                        .starts_with(|c: char| c.is_ascii_digit())
                })
                .unwrap_or("");
            Ok(Program {
                name: format!("{name} {number}"),
                path,
                arguments: arguments.into_iter().map(str::to_owned).collect(),
                warm: Vec::new(),
                cold: Vec::new(),
                cpu: Vec::new(),
            })
        })
        .collect()
}

impl Program {
    /// Wall and CPU time of one run, in ms.
    fn measure(&self) -> Result<(f64, f64)> {
        let before = cpu_of_children()?;
        let began = Instant::now();
        let status = Command::new(&self.path)
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        let wall = began.elapsed().as_secs_f64() * 1e3;
        // status ends with the level of the tier, which is not of interest here.
        ensure!(
            status
                .code()
                .is_some_and(|code| code == 0 || self.name.starts_with("tidegauge")),
            "{} failed: {status}",
            self.name
        );
        Ok((wall, cpu_of_children()? - before))
    }
}

/// CPU of the children that were waited for, in ms: fields 16 and 17 of proc_pid_stat(5).
fn cpu_of_children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').context("/proc/self/stat")?.1;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    #[expect(clippy::cast_precision_loss, reason = "a few minutes")]
    let ms = ticks as f64 * 1e3 / rustix::param::clock_ticks_per_second() as f64;
    Ok(ms)
}

fn grow(tree: &Path, files: usize) -> Result<()> {
    let done = tree.with_extension("complete");
    if done.exists() {
        return Ok(());
    }
    println!("making {files} files below {}", tree.display());
    for n in 0..files / 100 {
        let folder = tree.join(format!("{}/{}", n / 100, n % 100));
        fs::create_dir_all(&folder)?;
        for file in 0..100 {
            let path = folder.join(format!("segment-{file:04}.log"));
            match file {
                1 => fs::hard_link(folder.join("segment-0000.log"), &path)
                    .or_else(|error| if path.exists() { Ok(()) } else { Err(error) })?,
                // Most are empty: only the metadata is read.
                _ => fs::write(&path, if file % 10 == 0 { "x" } else { "" })?,
            }
        }
    }
    rustix::fs::sync();
    fs::write(done, "")?;
    Ok(())
}

fn markdown(programs: &[Program]) -> Result<String> {
    let figure = |runs: &[f64]| Figure::of(runs.to_vec()).context("at least one run");
    let ours = programs.first().context("ours is the first")?;
    let (warm, cold) = (figure(&ours.warm)?, figure(&ours.cold)?);
    let mut out = String::from(
        "| program | warm, ms | ratio ours/peer | cold, ms | ratio ours/peer | CPU warm, ms |\n|---|---|---|---|---|---|\n",
    );
    for program in programs {
        let (its_warm, its_cold) = (figure(&program.warm)?, figure(&program.cold)?);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {:.3} | {} | {:.3} | {} |",
            program.name,
            its_warm.show(),
            warm.ratio(its_warm),
            its_cold.show(),
            cold.ratio(its_cold),
            figure(&program.cpu)?.show(),
        );
    }
    Ok(out)
}

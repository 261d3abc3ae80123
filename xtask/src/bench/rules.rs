//! The rule engine beside Prometheus: the same target, the same past, the same rules, the same interval.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tidegauge_alerts::clock::{Clock as _, HostClock};
use tidegauge_alerts::window::Demand;
use tidegauge_rig::{Scratch, get};

use super::document;
use super::history::{History, Past, scraped};
use super::mounts::Mounts;
use super::process::Exporter;
use super::shipped;
use super::table::{Figure, Goal, Row, markdown};

const INTERVAL: Duration = Duration::from_secs(15);
/// For the target's collectors that read on timers.
const SETTLING: Duration = Duration::from_secs(20);
/// Before anything is measured: caches are filled, what is restored has been let go.
const WARM_UP: Duration = Duration::from_secs(90);
/// Cycles of one round. CPU time is counted in ticks of 10 ms, so one alone would tell little.
const CYCLES: u32 = 4;
const LIMIT: Duration = Duration::from_secs(60);
/// Ours keeps so much of all series; of those that the rules look back on, as much as they look.
const RETENTION: Duration = Duration::from_secs(30 * 60);

/// Measures and writes its section of `docs/benchmarks.md`; with `quick` less of it, and nothing is written.
pub fn run(quick: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let (count, rounds) = if quick { (100, 1) } else { (1000, 5) };
    println!("{count} filesystems on {count} loop devices …");
    let _mounts = Mounts::new(&root.join("target/bench"), count)?;
    let scratch = Scratch::new("rules");
    let ours = root.join("target/release/tidegauge");
    let target = Exporter::target(&ours, LIMIT)?;
    // Its timers have read what they read by then.
    sleep(SETTLING);
    let address = target.address.to_string();
    let scrape = get(&address, "/metrics", &[])?;
    let series = scraped(scrape.text(), &address)?;
    let samples = series.len();

    println!("the last 6 hours of {samples} series …");
    let files = shipped::files(root);
    let plan = shipped::plan()?;
    let rules = plan.rules();
    let history = past(series, &plan.demands);
    let (state, data) = (scratch.folder("state"), scratch.folder("data"));
    let bin = root.join("target/peers/prometheus3/usr/bin");
    history.write_blocks(&bin.join("promtool"), scratch.path(), &data)?;
    history.write_window(&state.join("window"), plan.demands, RETENTION)?;

    let sidecar = Exporter::sidecar(
        &ours,
        &scratch,
        &format!(
            "window: {{retention: {}m}}\nrules: {files:?}\nfeeds: [{{job_name: tidegauge, static_configs: [{{targets: ['{address}']}}]}}]\n",
            RETENTION.as_secs() / 60,
        ),
    )?;
    let peer = Exporter::prometheus(
        &bin.join("prometheus"),
        &scratch,
        &format!(
            "global: {{scrape_interval: 15s, evaluation_interval: 15s}}\nrule_files: {files:?}\nscrape_configs: [{{job_name: tidegauge, static_configs: [{{targets: ['{address}']}}]}}]\n"
        ),
    )?;
    sleep(WARM_UP);
    let mut runs = [const { Vec::new() }; 6];
    for round in 0..rounds {
        println!("round {} of {rounds} …", round + 1);
        let before = [sidecar.cpu_whole()?, peer.cpu_whole()?];
        sleep(INTERVAL * CYCLES);
        let after = [sidecar.cpu_whole()?, peer.cpu_whole()?];
        for index in 0..2 {
            let spent = (after[index] - before[index]) / CYCLES;
            runs[index].push(spent.as_secs_f64() * 1e3);
        }
        for (index, process) in [&sidecar, &peer].into_iter().enumerate() {
            runs[2 + index].push(megabytes(process.resident()?));
            runs[4 + index].push(megabytes(process.anonymous()?));
        }
    }
    let alerts = same_alerts(&sidecar, &peer)?;
    let figures: Vec<Figure> = runs.into_iter().filter_map(Figure::of).collect();
    let row = |what: &str, index: usize, goal| -> Result<Row> {
        Ok(Row {
            what: what.to_owned(),
            peer: Ok(*figures.get(index + 1).context("no runs")?),
            ours: *figures.get(index).context("no runs")?,
            goal,
        })
    };
    let rows = [
        row("CPU of a cycle of 15 s, ms", 0, Goal::Ratio(0.2))?,
        row("RSS, MB", 2, Goal::Ratio(0.2))?,
        row("of it without pages of files, MB", 4, Goal::None)?,
    ];
    let table = markdown(&rows);
    println!("{table}\n{alerts} alerts fire on both sides");
    if !quick {
        let told = Told {
            filesystems: count,
            series: samples,
            rules,
            past: history.samples(),
            alerts,
        };
        document::replace(root, "Rules", &section(&table, &told)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "megabytes with two digits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// As much of each series as ours keeps of it.
fn past(series: Vec<(tidegauge_promql::Labels, f64)>, demands: &[Demand]) -> History {
    let series = series.into_iter().map(|(labels, value)| {
        let reach = shipped::reach(demands, &labels, RETENTION);
        Past::new(labels, value, reach)
    });
    History::new(series.collect(), HostClock.now())
}

/// How many alerts fire; they must be the same, and all rules well. (Pending ones may differ by an evaluation, and
/// ours stand while what feeds them is down.)
fn same_alerts(ours: &Exporter, peer: &Exporter) -> Result<usize> {
    let mut found = Vec::new();
    for side in [ours, peer] {
        let text = get(&side.address.to_string(), "/api/v1/rules", &[])?;
        let answer: Value = serde_json::from_slice(&text.body)?;
        let groups = answer["data"]["groups"].as_array().context("no groups")?;
        let mut alerts: Vec<String> = Vec::new();
        for rule in groups
            .iter()
            .flat_map(|group| group["rules"].as_array().into_iter().flatten())
        {
            ensure!(rule["health"] == "ok", "a rule is not well: {rule:#}");
            let active = rule["alerts"].as_array().into_iter().flatten();
            let firing = active.filter(|alert| alert["state"] == "firing");
            alerts.extend(firing.map(|alert| alert["labels"].to_string()));
        }
        alerts.sort();
        found.push(alerts);
    }
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        let missing = one.iter().filter(|alert| !other.contains(alert));
        missing.take(5).cloned().collect()
    };
    ensure!(
        found[0] == found[1],
        "alerts differ. only ours: {:#?}, only the peer: {:#?}",
        only(&found[0], &found[1]),
        only(&found[1], &found[0]),
    );
    Ok(found[0].len())
}

struct Told {
    filesystems: usize,
    series: usize,
    rules: usize,
    past: u64,
    alerts: usize,
}

fn section(table: &str, told: &Told) -> Result<String> {
    Ok(format!(
        "By `cargo xtask bench rules` (needs root, `tests/peers.sh` and `cargo build --release` before it).\n\n\
         {}. The peer is Debian's Prometheus 3.5. Both scrape the same tidegauge exporter on a host with {}\n\
         filesystems ({} series) every 15 s and evaluate the {} rules that ship, at the same time. Both begin with\n\
         the same made-up past, {} samples: as far back as the rules look (6 h), of all else 30 min, which ours keeps\n\
         for queries; with the peer it is in blocks on disk, and its head, which holds 2 h of everything when it\n\
         has run for so long, is still small. CPU is of a whole cycle: scrape, rules, writing. Figures are medians of\n\
         rounds of {CYCLES} cycles, with the least and the greatest. At the end the same {} alerts fired on both, and\n\
         all rules were well.\n\n\
         {table}",
        document::machine()?,
        told.filesystems,
        told.series,
        told.rules,
        told.past,
        told.alerts,
    ))
}

//! PromQL beside Prometheus: the same data, the same queries over both APIs, the same answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tidegauge::sidecar::Plan;
use tidegauge_alerts::clock::{Clock as _, HostClock};
use tidegauge_alerts::window::Demand;
use tidegauge_promql::{Labels, METRIC_NAME, Timestamp, almost_equal};
use tidegauge_rig::{Scratch, get, post_form};

use super::document;
use super::history::{History, Past, Shape, scraped};
use super::mounts::Mounts;
use super::process::Exporter;
use super::shipped;
use super::table::{Figure, Goal, Row, markdown};

const FILESYSTEMS: usize = 1000;
const LIMIT: Duration = Duration::from_secs(60);
/// The longest query, and what it looks back on besides.
const PAST: Duration = Duration::from_secs(7 * 3600 + 600);
/// What no query of a dashboard asks for: the queries of rules look back five minutes, or as far as they say.
const LEAST: Duration = Duration::from_secs(10 * 60);
/// Sums of floats in another order differ in their last digits; so do Prometheus's own from run to run.
const TOLERANCE: f64 = 1e-9;

/// Families that dashboards show, and the range queries in their kind.
const SHOWN: [&str; 7] = [
    "tidegauge_filesystem_size_bytes",
    "tidegauge_filesystem_avail_bytes",
    "tidegauge_disk_read_bytes_total",
    "tidegauge_disk_written_bytes_total",
    "tidegauge_tier_used_ratio",
    "bench_request_duration_seconds_bucket",
    "up",
];
const QUERIES: [(&str, &str); 9] = [
    ("one series", "tidegauge_tier_used_ratio"),
    (
        "rates summed by tier",
        "sum by (tier) (rate(tidegauge_disk_read_bytes_total[5m]) + rate(tidegauge_disk_written_bytes_total[5m]))",
    ),
    (
        "used ratio by mount",
        "1 - tidegauge_filesystem_avail_bytes / tidegauge_filesystem_size_bytes",
    ),
    (
        "quantile over buckets",
        "histogram_quantile(0.99, sum by (le) (rate(bench_request_duration_seconds_bucket[5m])))",
    ),
    (
        "quantile over series",
        "quantile by (tier) (0.9, tidegauge_filesystem_avail_bytes)",
    ),
    (
        "topk",
        "topk(10, rate(tidegauge_disk_read_bytes_total[5m]))",
    ),
    (
        "predict_linear",
        "min(predict_linear(tidegauge_filesystem_avail_bytes[1h], 86400))",
    ),
    (
        "avg_over_time",
        "avg by (tier) (avg_over_time(tidegauge_filesystem_avail_bytes[10m]))",
    ),
    (
        "subquery",
        "max(max_over_time(sum by (tier) (rate(tidegauge_disk_read_bytes_total[5m]))[30m:1m]))",
    ),
];
/// Widths of graphs with their steps.
const WIDTHS: [(&str, u32, u32); 2] = [("1 h at 15 s", 3600, 15), ("6 h at 60 s", 6 * 3600, 60)];

/// Measures and writes its section of `docs/benchmarks.md`; with `quick` less of it, and nothing is written.
pub fn run(quick: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let rounds = if quick { 2 } else { 7 };
    let ours = root.join("target/release/tidegauge");
    let series = {
        println!("{FILESYSTEMS} filesystems, to know their series …");
        let _mounts = Mounts::new(&root.join("target/bench"), FILESYSTEMS)?;
        let target = Exporter::target(&ours, LIMIT)?;
        let scrape = get(&target.address.to_string(), "/metrics", &[])?;
        scraped(scrape.text(), "host:10733")?
    };
    let plan = shipped::plan()?;

    let scratch = Scratch::new("promql");
    let end = HostClock.now();
    let history = past(series, &plan.demands, end);
    println!("{} samples of their past …", history.samples());
    let (state, data) = (scratch.folder("state"), scratch.folder("data"));
    let bin = root.join("target/peers/prometheus3/usr/bin");
    history.write_blocks(&bin.join("promtool"), scratch.path(), &data)?;
    history.write_window(&state.join("window"), Vec::new(), PAST)?;
    let config = format!(
        "window: {{retention: {}m, max_bytes: 4GiB}}\nrules: []\n",
        PAST.as_secs() / 60 + 60
    );
    let own = Exporter::sidecar(&ours, &scratch, &config)?;
    let peer = Exporter::prometheus(&bin.join("prometheus"), &scratch, "global: {}\n")?;
    for side in [&own, &peer] {
        side.ready(LIMIT)?;
    }

    let mut rows = Vec::new();
    let mut compared = Compared::default();
    for (name, queries) in panels(&plan, end) {
        compared.add(&queries, &own, &peer)?;
        let mut runs = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (side, runs) in [&own, &peer].into_iter().zip(&mut runs) {
                let address = side.address.to_string();
                let begun = Instant::now();
                for asked in &queries {
                    asked.ask(&address)?;
                }
                runs.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        let [own, peer] = runs.map(Figure::of);
        let row = Row {
            what: format!("{name}, ms"),
            peer: Ok(peer.context("no runs")?),
            ours: own.context("no runs")?,
            goal: Goal::Ratio(1.0),
        };
        println!("{}", markdown(std::slice::from_ref(&row)));
        rows.push(row);
    }
    let table = markdown(&rows);
    println!("{table}");
    if !quick {
        let text = section(&table, history.samples(), &compared)?;
        document::replace(root, "PromQL", &text)?;
    }
    Ok(())
}

/// What is asked for at once, by its name in the table: all rules, and each graph in each width.
fn panels(plan: &Plan, end: Timestamp) -> Vec<(String, Vec<Asked>)> {
    let groups = plan.groups.iter().flat_map(|(_, groups)| groups);
    let rules = groups.flat_map(|group| &group.rules);
    let rules: Vec<Asked> = rules
        .map(|rule| Asked::new(&rule.query.expression().to_string(), end, 0, 0))
        .collect();
    let name = format!("{} instant queries of the rules, all", rules.len());
    let mut panels = vec![(name, rules)];
    for (width, seconds, step) in WIDTHS {
        for (kind, query) in QUERIES {
            let asked = Asked::new(query, end, seconds, step);
            panels.push((format!("{kind}, {width}"), vec![asked]));
        }
    }
    panels
}

/// How many answers were compared, and how many of them had any series.
#[derive(Default)]
struct Compared {
    answers: usize,
    filled: usize,
}

impl Compared {
    /// Compares the answers of both, which fills their caches too.
    fn add(&mut self, queries: &[Asked], own: &Exporter, peer: &Exporter) -> Result<()> {
        for asked in queries {
            let answers = [own, peer].map(|side| asked.ask(&side.address.to_string()));
            let [own, peer] = answers;
            let found = compare(&own?, &peer?).with_context(|| asked.query.clone())?;
            // The rules of a host that is well mostly find nothing; a graph of nothing is no test.
            ensure!(
                found > 0 || asked.path == INSTANT,
                "{}: no series",
                asked.query
            );
            self.answers += 1;
            self.filled += usize::from(found > 0);
        }
        Ok(())
    }
}

/// Hours of what dashboards show, with counters that count; minutes of the rest.
fn past(series: Vec<(Labels, f64)>, demands: &[Demand], end: Timestamp) -> History {
    let mut pasts: Vec<Past> = series
        .into_iter()
        .map(|(labels, value)| {
            let reach = match SHOWN.contains(&labels.name()) {
                true => PAST,
                false => shipped::reach(demands, &labels, LEAST),
            };
            let mut past = Past::new(labels, value, reach);
            if past.labels.name().starts_with("tidegauge_disk_") && reach == PAST {
                // Hardly two alike: `topk` may choose among equal ones as it likes.
                let rate = u32::try_from(past.seed() % 50_000).unwrap_or(0) + 1000;
                past.shape = Shape::Counting { rate, times: 64 };
            }
            past
        })
        .collect();
    let bounds = [
        "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "+Inf",
    ];
    for device in 0..30u32 {
        for (times, bound) in (1..).zip(bounds) {
            let device_name = format!("nvme{device}n1");
            let labels = Labels::new([
                (METRIC_NAME, "bench_request_duration_seconds_bucket"),
                ("device", &device_name),
                ("le", bound),
            ]);
            let mut past = Past::new(labels, 0.0, PAST);
            let rate = device % 17 + 3;
            past.shape = Shape::Counting { rate, times };
            pasts.push(past);
        }
    }
    History::new(pasts, end)
}

/// Where instant queries go.
const INSTANT: &str = "/api/v1/query";

/// A query as a request.
struct Asked {
    query: String,
    path: &'static str,
    form: String,
}

impl Asked {
    /// An instant query at the end, or, with a step, over so many seconds before it.
    fn new(query: &str, end: Timestamp, seconds: u32, step: u32) -> Self {
        // Whole seconds, a little before the last sample: as a dashboard does.
        let end = end / 1000 - 30;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query);
        let path = if step == 0 {
            form.append_pair("time", &end.to_string());
            INSTANT
        } else {
            let start = end - i64::from(seconds);
            form.append_pair("start", &start.to_string())
                .append_pair("end", &end.to_string())
                .append_pair("step", &step.to_string());
            "/api/v1/query_range"
        };
        Self {
            query: query.to_owned(),
            path,
            form: form.finish(),
        }
    }

    fn ask(&self, address: &str) -> Result<Vec<u8>> {
        let answer = post_form(address, self.path, &self.form)?;
        ensure!(
            answer.status == 200,
            "{address}: {}: {}",
            self.query,
            answer.text()
        );
        Ok(answer.body)
    }
}

/// How many series two answers have, which must be the same but for rounding.
fn compare(ours: &[u8], peer: &[u8]) -> Result<usize> {
    let (ours, peer) = (series_of(ours)?, series_of(peer)?);
    for (labels, values) in &ours {
        let Some(others) = peer.get(labels) else {
            bail!("only ours has {labels}");
        };
        ensure!(
            values.len() == others.len(),
            "{labels}: {} samples, the peer has {}",
            values.len(),
            others.len()
        );
        for ((time, value), (other_time, other)) in values.iter().zip(others) {
            ensure!(
                time.to_bits() == other_time.to_bits() && almost_equal(*value, *other, TOLERANCE),
                "{labels}: {value} at {time}, the peer {other} at {other_time}"
            );
        }
    }
    ensure!(
        ours.len() == peer.len(),
        "{} series, the peer has {}",
        ours.len(),
        peer.len()
    );
    Ok(ours.len())
}

/// Times and values by labels.
fn series_of(body: &[u8]) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
    let answer: Value = serde_json::from_slice(body)?;
    let result = &answer["data"]["result"];
    let pair = |pair: &Value| -> Result<(f64, f64)> {
        let time = pair[0].as_f64().context("no time")?;
        let value = pair[1].as_str().context("no value")?;
        Ok((time, value.parse()?))
    };
    if answer["data"]["resultType"] == "scalar" {
        return Ok(BTreeMap::from([(String::new(), vec![pair(result)?])]));
    }
    let mut found = BTreeMap::new();
    for series in result.as_array().context("no result")? {
        let values = match series["values"].as_array() {
            Some(values) => values.iter().map(pair).collect::<Result<_>>()?,
            None => vec![pair(&series["value"])?],
        };
        let before = found.insert(series["metric"].to_string(), values);
        ensure!(before.is_none(), "{} twice", series["metric"]);
    }
    Ok(found)
}

fn section(table: &str, samples: u64, compared: &Compared) -> Result<String> {
    let Compared { answers, filled } = compared;
    Ok(format!(
        "By `cargo xtask bench promql` (needs root, `tests/peers.sh` and `cargo build --release` before it).\n\n\
         {}. The peer is Debian's Prometheus 3.5. Both hold the same {samples} samples of a host with {FILESYSTEMS}\n\
         filesystems, 7 h of what the range queries ask for, the peer in blocks on disk of up to 18 h, and\n\
         answer the same {answers} queries over HTTP, in turn. Times are from connecting to the last byte; figures are\n\
         medians with the least and the greatest. Each answer was compared: the same series, times and, but for\n\
         rounding, values; {filled} of them had any (most rules find nothing on a host that is well).\n\n\
         {table}",
        document::machine()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_differ_are_seen() {
        let answer = |value: &str, label: &str| {
            format!(
                r#"{{"data":{{"resultType":"matrix","result":[{{"metric":{{"a":"{label}"}},"values":[[1,"2"],[2,"{value}"]]}}]}}}}"#
            )
        };
        let (same, near) = (answer("3", "x"), answer("3.0000000000001", "x"));
        assert!(compare(same.as_bytes(), near.as_bytes()).is_ok());
        for other in [answer("3.1", "x"), answer("NaN", "x"), answer("3", "y")] {
            assert!(compare(same.as_bytes(), other.as_bytes()).is_err());
        }
        let none = br#"{"data":{"resultType":"matrix","result":[]}}"#;
        assert!(compare(same.as_bytes(), none).is_err());
        assert!(compare(none, same.as_bytes()).is_err());
    }
}

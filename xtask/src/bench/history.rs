//! Made-up hours of a host's series, so that both sides look back on the same samples without hours of waiting.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tidegauge_alerts::clock::Clock;
use tidegauge_alerts::store::Append;
use tidegauge_alerts::window::{Demand, Keeper, Settings, Window};
use tidegauge_model::exposition::{Event, Format, Parser};
use tidegauge_promql::{Labels, METRIC_NAME, Sample, Timestamp};

/// Between two samples.
pub const STEP: Duration = Duration::from_secs(15);

/// How a series went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It stayed.
    Constant,
    /// Bytes that become less, with noise.
    Falling,
    /// Grows all the time by so much at a step, with noise, from nothing, times a number.
    Counting {
        /// At a step.
        rate: u32,
        /// Times.
        times: u32,
    },
}

/// One series and its past.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its labels.
    pub labels: Labels,
    /// Its value at the end.
    pub value: f64,
    /// How it came there.
    pub shape: Shape,
    /// Its number of samples.
    pub samples: u32,
    /// What its noise is made of.
    seed: u64,
}

impl Past {
    /// With a shape by the metric's name.
    pub fn new(labels: Labels, value: f64, reach: Duration) -> Self {
        let seed = labels.iter().fold(0, |seed, (name, text)| {
            name.bytes()
                .chain(text.bytes())
                .fold(seed, |seed: u64, byte| mix(seed ^ u64::from(byte)))
        });
        let falls = ["_avail_bytes", "_free_bytes"];
        let shape = match falls.iter().any(|end| labels.name().ends_with(end)) {
            true => Shape::Falling,
            false => Shape::Constant,
        };
        let samples = reach.as_secs().div_ceil(STEP.as_secs());
        Self {
            labels,
            value,
            shape,
            samples: u32::try_from(samples).unwrap_or(u32::MAX),
            seed,
        }
    }

    /// What its noise is made of: another number for each series.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its value so many steps before the end.
    fn at(&self, ago: u32) -> f64 {
        let noise = mix(self.seed ^ u64::from(ago));
        match self.shape {
            Shape::Constant => self.value,
            Shape::Falling => {
                let slope = self.seed % 3;
                let more = u64::from(ago) * slope / 64 + noise % 8;
                self.value + exact(more * 1024)
            }
            Shape::Counting { rate, times } => {
                let rate = u64::from(rate.max(1));
                let steps = u64::from(self.samples.saturating_sub(ago));
                exact((steps * rate + noise % rate) * u64::from(times))
            }
        }
    }
}

/// All of these are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "made-up numbers are small")]
fn exact(number: u64) -> f64 {
    number as f64
}

/// Numbers that look random (splitmix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The series of an exposition of text 0.0.4, as a scrape of this target gives them, `up` too.
pub fn scraped(text: &str, instance: &str) -> Result<Vec<(Labels, f64)>> {
    let target = [("job", "tidegauge"), ("instance", instance)];
    let up = [(METRIC_NAME, "up")];
    let mut series = vec![(Labels::new(up.iter().chain(&target).copied()), 1.0)];
    for (_, event) in Parser::new(text.as_bytes(), Format::Text004).flatten() {
        let Event::Sample(sample) = event else {
            continue;
        };
        let name = [(METRIC_NAME, &*sample.name)];
        let own = sample
            .labels
            .iter()
            .map(|(name, value)| (&**name, &**value));
        let labels = Labels::new(name.into_iter().chain(own).chain(target));
        series.push((labels, sample.value));
    }
    Ok(series)
}

/// The past of a host.
pub struct History {
    series: Vec<Past>,
    /// The time of the last samples.
    end: Timestamp,
}

impl History {
    /// Of these series, until now.
    pub fn new(mut series: Vec<Past>, end: Timestamp) -> Self {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Self { series, end }
    }

    /// How many samples there are.
    pub fn samples(&self) -> u64 {
        self.series.iter().map(|past| u64::from(past.samples)).sum()
    }

    fn time(&self, ago: u32) -> Timestamp {
        self.end - i64::from(ago) * 1000 * i64::try_from(STEP.as_secs()).unwrap_or(15)
    }

    /// As blocks of Prometheus in its folder, by promtool.
    pub fn write_blocks(&self, promtool: &Path, scratch: &Path, data: &Path) -> Result<()> {
        let file = scratch.join("history.om");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&file)?);
        let mut head = String::new();
        for past in &self.series {
            head.clear();
            write_series(&mut head, &past.labels)?;
            for ago in (1..=past.samples).rev() {
                let time = self.time(ago);
                let (seconds, millis) = (time / 1000, time % 1000);
                writeln!(out, "{head} {} {seconds}.{millis:03}", past.at(ago))?;
            }
        }
        writeln!(out, "# EOF")?;
        out.into_inner()?;
        let output = Command::new(promtool)
            .args(["tsdb", "create-blocks-from", "--max-block-duration=18h"])
            .args(["openmetrics", "--quiet"])
            .args([&file, data])
            .output()
            .with_context(|| format!("{}; run tests/peers.sh first", promtool.display()))?;
        ensure!(
            output.status.success(),
            "promtool: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::remove_file(file)?;
        Ok(())
    }

    /// As the window that a sidecar finds in its state folder, written as it writes it itself.
    pub fn write_window(&self, folder: &Path, demands: Vec<Demand>, keep: Duration) -> Result<()> {
        let steps = self.series.iter().map(|past| past.samples).max();
        let steps = steps.context("no series")?;
        let clock = Arc::new(Told(AtomicI64::new(self.time(steps))));
        let settings = Settings {
            retention: keep,
            max_bytes: usize::MAX,
            max_series: usize::MAX,
        };
        let (window, _) = Window::open(folder, settings, demands, clock.clone());
        let window = Arc::new(window);
        let mut batch = Vec::new();
        for ago in (1..=steps).rev() {
            let time = self.time(ago);
            clock.0.store(time, Ordering::Relaxed);
            batch.clear();
            for past in self.series.iter().filter(|past| past.samples >= ago) {
                let value = past.at(ago);
                batch.push((past.labels.clone(), Sample { time, value }));
            }
            let appended = window.append(&batch);
            ensure!(
                usize::try_from(appended.added)? == batch.len(),
                "the window refused samples: {appended:?}"
            );
            window.maintain();
        }
        // Dropped, it makes all durable.
        drop(Keeper::start(window)?);
        Ok(())
    }
}

/// A clock that is told the time.
struct Told(AtomicI64);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        self.0.load(Ordering::Relaxed)
    }
}

/// As OpenMetrics has it.
fn write_series(out: &mut String, labels: &Labels) -> std::fmt::Result {
    out.push_str(labels.name());
    let mut separator = '{';
    for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
        let escaped = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        write!(out, "{separator}{name}=\"{escaped}\"")?;
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_only_grow_and_end_where_they_should() {
        let labels = Labels::new([(METRIC_NAME, "a_total"), ("device", "sda")]);
        let mut past = Past::new(labels, 0.0, Duration::from_secs(3600));
        assert_eq!(past.samples, 240);
        past.shape = Shape::Counting { rate: 7, times: 3 };
        let values: Vec<f64> = (0..240).rev().map(|ago| past.at(ago)).collect();
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(values[239] >= 240.0 * 21.0);
    }

    #[test]
    fn an_exposition_as_its_scrape() {
        let text = "# TYPE a gauge\na{b=\"x\\\"y\"} 3\n";
        let series = scraped(text, "h:1").unwrap();
        let mut out = String::new();
        write_series(&mut out, &series[1].0).unwrap();
        assert_eq!(out, "a{b=\"x\\\"y\",instance=\"h:1\",job=\"tidegauge\"}");
        assert_eq!((series.len(), series[1].1), (2, 3.0));
    }
}

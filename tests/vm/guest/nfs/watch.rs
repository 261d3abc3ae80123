//! Scrapes that are measured, and what must hold of every one of them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use tidegauge_rig::Exporter;

use super::LIMIT;

/// Between two scrapes.
const PAUSE: Duration = Duration::from_millis(100);

/// One scrape.
pub struct Scrape {
    /// By series, as written.
    pub samples: BTreeMap<String, f64>,
    took: Duration,
}

impl Scrape {
    pub fn of(exporter: &Exporter) -> Self {
        let began = Instant::now();
        let answer = exporter.get("/metrics", &[]).expect("every scrape ends");
        let took = began.elapsed();
        let samples = answer
            .text()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?)))
            .collect();
        Self { samples, took }
    }

    /// The value of the only series of this name with all of these labels.
    pub fn value(&self, name: &str, labels: &str) -> Option<f64> {
        let mut found = self.samples.iter().filter(|(series, _)| {
            let (of, rest) = series.split_once('{').unwrap_or((series, ""));
            of == name && labels.split(',').all(|label| rest.contains(label))
        });
        let value = found.next().map(|(_, value)| *value);
        assert!(found.next().is_none(), "{name} {labels} is not one series");
        value
    }

    pub fn up(&self, tier: &str) -> bool {
        self.value("tidegauge_tier_up", &format!("tier=\"{tier}\"")) == Some(1.0)
    }

    pub fn server_up(&self, server: &str) -> Option<f64> {
        self.value("tidegauge_nfs_server_up", &format!("server=\"{server}\""))
    }

    pub fn operation(&self, tier: &str, family: &str, operation: &str) -> f64 {
        let name = format!("tidegauge_nfs_operations_{family}");
        let labels = format!("tier=\"{tier}\",operation=\"{operation}\"");
        self.value(&name, &labels)
            .unwrap_or_else(|| panic!("no {name} {labels}"))
    }

    /// What it says of tiers and servers.
    fn story(&self) -> String {
        let shown = [
            "tidegauge_tier_up",
            "tidegauge_nfs_server_up",
            "tidegauge_filesystem_device_error",
        ];
        let lines = self
            .samples
            .iter()
            .filter(|(series, _)| shown.iter().any(|s| series.starts_with(s)));
        lines
            .map(|(series, value)| format!("{series} {value}\n"))
            .collect()
    }

    pub fn threads(&self) -> f64 {
        self.samples["process_threads"]
    }

    /// What holds at every moment, whatever the servers do.
    fn check(&self, bound: Duration, log: impl Fn() -> String) {
        assert!(self.took <= bound, "{:?} > {bound:?}\n{}", self.took, log());
        for tier in ["hot", "warm"] {
            assert!(self.up(tier), "{tier} is down\n{}", log());
        }
        let failed: Vec<_> = self
            .samples
            .iter()
            .filter(|(series, value)| {
                series.starts_with("tidegauge_collector_success") && **value != 1.0
            })
            .collect();
        assert!(failed.is_empty(), "{failed:?}\n{}", log());
    }
}

/// Scrapes until what is waited for is seen; every scrape on the way must hold what always holds.
pub struct Watch<'e> {
    pub exporter: &'e Exporter,
    pub bound: Duration,
    pub slowest: Duration,
    pub scrapes: u32,
    pub most_threads: f64,
}

impl Watch<'_> {
    pub fn until(&mut self, what: &str, seen: impl Fn(&Scrape) -> bool) -> Scrape {
        let began = Instant::now();
        loop {
            let scrape = Scrape::of(self.exporter);
            scrape.check(self.bound, || self.exporter.log());
            self.scrapes += 1;
            self.slowest = self.slowest.max(scrape.took);
            self.most_threads = self.most_threads.max(scrape.threads());
            if seen(&scrape) {
                return scrape;
            }
            let log = || scrape.story() + &self.exporter.log();
            assert!(began.elapsed() < LIMIT, "never: {what}\n{}", log());
            thread::sleep(PAUSE);
        }
    }
}

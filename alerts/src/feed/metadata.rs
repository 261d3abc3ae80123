//! What the exporters say of their metrics: type, help, unit.

use std::collections::HashMap;

use tidegauge_model::exposition::Kind;

/// No more metrics than this are described, for each target.
const METRICS: usize = 10_000;

/// Help and names are cut to this, in bytes.
const LONGEST: usize = 1024;

/// For how many scrapes a description stays when the metric is gone (Prometheus, `iterDone`).
const KEPT: u32 = 10;

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricMetadata {
    /// Its name, in OpenMetrics without a counter's `_total`.
    pub metric: String,
    /// Its type in Prometheus's word: `counter`, `gauge`, …, `unknown`.
    pub kind: &'static str,
    /// Its help text; empty where there is none.
    pub help: String,
    /// Its unit; empty where there is none.
    pub unit: String,
}

/// The descriptions of one target.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    metrics: HashMap<Box<str>, Described>,
    scrape: u32,
}

#[derive(Debug)]
struct Described {
    kind: &'static str,
    help: Box<str>,
    unit: Box<str>,
    seen: u32,
}

impl Metadata {
    pub fn set_kind(&mut self, metric: &str, kind: Kind) {
        if let Some(described) = self.of(metric) {
            described.kind = word(kind);
        }
    }

    pub fn set_help(&mut self, metric: &str, help: &str) {
        if let Some(described) = self.of(metric) {
            set(&mut described.help, help);
        }
    }

    pub fn set_unit(&mut self, metric: &str, unit: &str) {
        if let Some(described) = self.of(metric) {
            set(&mut described.unit, unit);
        }
    }

    fn of(&mut self, metric: &str) -> Option<&mut Described> {
        let metric = cut(metric);
        if !self.metrics.contains_key(metric) {
            if self.metrics.len() >= METRICS {
                return None;
            }
            let described = Described {
                kind: word(Kind::Unknown),
                help: Box::default(),
                unit: Box::default(),
                seen: 0,
            };
            self.metrics.insert(metric.into(), described);
        }
        let described = self.metrics.get_mut(metric)?;
        described.seen = self.scrape;
        Some(described)
    }

    /// A scrape has ended; `whole` is whether it tells that something is gone.
    pub fn end(&mut self, whole: bool) {
        let now = self.scrape;
        if whole {
            self.metrics
                .retain(|_, described| now.wrapping_sub(described.seen) <= KEPT);
        }
        self.scrape = now.wrapping_add(1);
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<MetricMetadata> {
        let mut list: Vec<MetricMetadata> = self
            .metrics
            .iter()
            .map(|(metric, described)| MetricMetadata {
                metric: metric.to_string(),
                kind: described.kind,
                help: described.help.to_string(),
                unit: described.unit.to_string(),
            })
            .collect();
        list.sort_unstable_by(|a, b| a.metric.cmp(&b.metric));
        list
    }
}

fn set(place: &mut Box<str>, text: &str) {
    let text = cut(text);
    if **place != *text {
        *place = text.into();
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        Kind::Unknown => "unknown",
        Kind::Info => "info",
        Kind::StateSet => "stateset",
        Kind::GaugeHistogram => "gaugehistogram",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_for_some_scrapes_and_bounded() {
        let mut metadata = Metadata::default();
        metadata.set_kind("a", Kind::Counter);
        metadata.set_help("a", &"é".repeat(LONGEST));
        metadata.set_unit("b", "bytes");
        let list = metadata.list();
        assert_eq!(list[0].kind, "counter");
        assert_eq!(list[0].help.len(), LONGEST);
        assert_eq!((list[1].kind, list[1].unit.as_str()), ("unknown", "bytes"));
        for _ in 0..=KEPT {
            metadata.set_help("b", "x");
            metadata.end(true);
        }
        assert_eq!(metadata.list().len(), 2);
        // What a failed scrape lacks is not gone.
        metadata.end(false);
        assert_eq!(metadata.list().len(), 2);
        metadata.set_help("b", "x");
        metadata.end(true);
        assert_eq!(metadata.list()[0].metric, "b");
        for metric in 0..2 * METRICS {
            metadata.set_help(&metric.to_string(), "x");
        }
        assert_eq!(metadata.list().len(), METRICS);
    }
}

//! What else is shown, and what of it may differ.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tidegauge_alerts::api::v1::view::{Health, Metadata, Runtime, Status, Target, Targets};
use tidegauge_promql::Labels;

/// A Prometheus that scrapes itself; no flags.
pub struct Shown;

impl Targets for Shown {
    fn targets(&self) -> Vec<Target> {
        let discovered = [
            ("__address__", "127.0.0.1:9090"),
            ("__metrics_path__", "/metrics"),
            ("__scheme__", "http"),
            ("__scrape_interval__", "1s"),
            ("__scrape_timeout__", "1s"),
            ("job", "prometheus"),
        ];
        vec![Target {
            discovered_labels: Labels::new(discovered),
            labels: Labels::new([("instance", "127.0.0.1:9090"), ("job", "prometheus")]),
            scrape_pool: "prometheus".to_owned(),
            scrape_url: "http://127.0.0.1:9090/metrics".to_owned(),
            global_url: "http://box:9090/metrics".to_owned(),
            last_error: String::new(),
            last_scrape: Some(1_700_000_000_123),
            last_scrape_duration: Duration::from_micros(1234),
            health: Health::Good,
            scrape_interval: Duration::from_secs(1),
            scrape_timeout: Duration::from_secs(1),
        }]
    }

    fn metadata(&self) -> Vec<Metadata> {
        let said = Metadata {
            metric: "go_goroutines".to_owned(),
            kind: "gauge".to_owned(),
            help: "Number of goroutines that currently exist.".to_owned(),
            unit: String::new(),
        };
        // By two targets alike.
        vec![said.clone(), said]
    }
}

impl Status for Shown {
    fn version(&self) -> String {
        "0".to_owned()
    }

    fn flags(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn config(&self) -> String {
        "global: {}\n".to_owned()
    }

    fn runtime(&self) -> Runtime {
        Runtime::default()
    }
}

/// Takes out of an answer when something was evaluated, how long that took, where files are, and in what
/// words a rule failed.
pub fn without_times(answer: &mut Value) {
    match answer {
        Value::Array(members) => members.iter_mut().for_each(without_times),
        Value::Object(fields) => {
            for key in [
                "evaluationTime",
                "lastEvaluation",
                "activeAt",
                "file",
                "groupNextToken",
                "instance",
                "__address__",
                "scrapeUrl",
                "globalUrl",
                "lastScrape",
                "lastScrapeDuration",
            ] {
                if let Some(value) = fields.get_mut(key) {
                    *value = kind_of(value).into();
                }
            }
            if let Some(error) = fields.get_mut("lastError").filter(|e| *e != "") {
                *error = "in its words".into();
            }
            fields.values_mut().for_each(without_times);
        }
        _ => {}
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.starts_with("0001-") => "never",
        Value::String(text) if text.starts_with('2') && text.contains('T') => "a time",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        _ => "something else",
    }
}

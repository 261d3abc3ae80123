//! All that Prometheus stored, as the state folder of a sidecar.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use promql_parser::parser::{Expr, parse};
use tidegauge_alerts::clock::HostClock;
use tidegauge_alerts::store::Append;
use tidegauge_alerts::window::{Settings, Window};
use tidegauge_promql::{Labels, STALE, Sample};

/// Writes samples, marks of staleness included, as a window keeps them in a state folder. Tells of how many series
/// they are.
pub fn write(state: &Path, dump: &[(String, i64, f64)]) -> usize {
    let settings = Settings {
        retention: Duration::from_secs(24 * 3600),
        ..Settings::default()
    };
    let folder = state.join("window");
    let (window, restored) = Window::open(folder, settings, vec![], Arc::new(HostClock));
    assert_eq!(restored.problems, Vec::<String>::new());
    let mut series: Vec<Vec<(Labels, Sample)>> = Vec::new();
    let mut before = None;
    for (text, time, value) in dump {
        if before != Some(text) {
            series.push(Vec::new());
            before = Some(text);
        }
        let labels = match series.last().and_then(|batch| batch.first()) {
            Some((labels, _)) => labels.clone(),
            None => labels(text),
        };
        // promtool writes any NaN alike; that there are no others is for the caller to know.
        let value = if value.is_nan() { STALE } else { *value };
        let sample = Sample { time: *time, value };
        series.last_mut().unwrap().push((labels, sample));
    }
    for batch in &series {
        let added = window.append(batch).added;
        assert_eq!(added, batch.len() as u64, "{:?}", batch[0]);
    }
    window.maintain();
    assert!(window.stats().disk.unwrap().healthy);
    series.len()
}

/// Of a series as promtool writes it, which is also a selector.
fn labels(text: &str) -> Labels {
    let Ok(Expr::VectorSelector(selector)) = parse(text) else {
        panic!("no series: {text}");
    };
    let name = selector.name.iter().map(|name| ("__name__", name.as_str()));
    let matchers = selector.matchers.matchers.iter();
    let pairs = matchers.map(|matcher| (matcher.name.as_str(), matcher.value.as_str()));
    Labels::new(name.chain(pairs).collect::<Vec<_>>())
}

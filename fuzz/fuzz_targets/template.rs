//! Templates of labels and annotations.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidegauge_alerts::template::{Scope, Template};
use tidegauge_promql::{Labels, Sample, VectorSample};

/// No alert has more to say.
const MOST: usize = 64 << 20;

fuzz_target!(|text: &str| {
    let template = match Template::parse("Fills", text) {
        Ok(template) => template,
        Err(why) => {
            assert!(text.contains("{{") && !why.is_empty(), "{why}");
            return;
        }
    };
    let ask = |expression: &str| {
        let sample = |value| VectorSample {
            labels: Labels::new([("__name__", "up"), ("instance", expression)]),
            sample: Sample { time: 0, value },
        };
        match expression.len() {
            0..4 => Ok(vec![sample(1e6), sample(f64::NAN)]),
            4..9 => Ok(vec![]),
            _ => Err(format!("no such series: {expression}")),
        }
    };
    let scope = Scope {
        at: 1_500,
        external_url: "https://watch.example.com/tide".into(),
        external_labels: Labels::new([("site", "north")]),
        ask: Arc::new(ask),
    };
    let labels = Labels::new([("instance", "a.example.com:9100"), ("tier", "hot\n<&>")]);
    for value in [1_234_567.0, f64::NAN, -0.5] {
        let expand = || {
            let expanded = template.expand(&labels, value, &scope);
            expanded.map_err(|error| error.to_string())
        };
        let expanded = expand();
        match &expanded {
            Ok(expanded) => assert!(expanded.len() <= MOST),
            Err(why) => assert!(!why.is_empty()),
        }
        if !text.contains("{{") {
            assert_eq!(expanded.as_deref(), Ok(text));
        }
        assert_eq!(expand(), expanded, "the same again");
    }
});

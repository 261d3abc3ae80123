//! Series notation, as in unit tests of rules and in Prometheus's test scripts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_promql::script::{parse_metric, parse_points, parse_series};

/// More points than any line may have.
const MOST: usize = 20_000_000;

fuzz_target!(|text: &str| {
    let columns = text.chars().count() + 1;
    match parse_series(text) {
        Ok(notation) => {
            assert!(notation.points.len() <= MOST);
            let again = parse_metric(&notation.labels.to_string());
            assert_eq!(again.as_ref(), Ok(&notation.labels));
        }
        Err(error) => assert!((1..=columns).contains(&error.column), "{error}"),
    }
    match parse_points(text) {
        Ok(points) => {
            // A series without labels has the same.
            if let Ok(notation) = parse_series(&format!("{{}} {text}")) {
                assert_eq!(format!("{:?}", notation.points), format!("{points:?}"));
            }
        }
        Err(error) => assert!((1..=columns).contains(&error.column), "{error}"),
    }
});

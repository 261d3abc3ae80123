//! No text is a panic, whatever it holds, and however deep it is.

use std::time::Duration;

use proptest::prelude::*;
use tidegauge_promql::{Error, Labels, MemoryStorage, Options, Query, Sample};

const TOKENS: &[&str] = &[
    "m",
    "rate",
    "sum",
    "by",
    "without",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "5m",
    "1",
    "0x1F",
    "1e300",
    "-",
    "+",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    ">",
    "bool",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "offset",
    "@",
    "start",
    "end",
    "inf",
    "NaN",
    "\"le\"",
    "'",
    "`x`",
    "=~",
    "=",
    "#",
    "\n",
    "a",
    "topk",
    "quantile",
    "count_values",
    "label_replace",
    "histogram_quantile",
    "time",
    "scalar",
    "vector",
    "fill",
    "fill_left",
    "atan2",
    "0x",
    "1.",
    ".5",
    "1e",
    "9999999999999d",
    "0s",
    "\\",
    "é",
    "\"\\xff\"",
    "{{",
    "}}",
    "absent_over_time",
    "1h:30s",
    "timestamp",
    "limit_ratio",
    "sort_by_label",
    "max_of",
    "<",
    "!~",
    "\"(\"",
    "info",
];

fn storage() -> MemoryStorage {
    let storage = MemoryStorage::new();
    for a in ["x", "y"] {
        let labels = Labels::new([("__name__", "m"), ("a", a), ("le", "0.5")]);
        for time in 0..20 {
            let (time, value) = (time * 15_000, time as f64);
            storage.append(&labels, Sample { time, value });
        }
    }
    storage
}

/// Asks it in every way, if it is a query.
fn try_all(text: &str) {
    let Ok(query) = Query::parse(text) else {
        return;
    };
    let storage = storage();
    let options = Options {
        max_samples: 100_000,
        ..Options::default()
    };
    for at in [0, 100_000, i64::MIN, i64::MAX, -1] {
        let _ = query.instant(&storage, at, &options);
    }
    for (from, to, step) in [
        (0, 300_000, 15),
        (i64::MIN, i64::MAX, u64::MAX),
        (i64::MAX - 5000, i64::MAX, 1),
        (i64::MIN, i64::MIN + 5000, 1),
    ] {
        let _ = query.range(&storage, from, to, Duration::from_secs(step), &options);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_in_any_order(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..14), spaced: bool) {
        try_all(&tokens.join(if spaced { " " } else { "" }));
    }

    #[test]
    fn any_characters(text in "\\PC{0,30}") {
        try_all(&text);
    }

    #[test]
    fn queries_with_something_wrong(
        text in prop::sample::select(vec![
            r#"sum by (a) (rate(m{a=~"x.*"}[5m] offset 1m))"#,
            r#"histogram_quantile(0.9, sum by (le) (m)) > bool on(a) group_left(b) m @ end()"#,
            r#"topk(2, max_over_time(m[10m:1m] @ 100 offset -5m))"#,
            r#"label_replace(m, "a", "$1", "b", "(.*)")"#,
            "m + on(a) fill_left(-1) fill_right(2) m",
        ]),
        place in 0_usize..80, cut in 0_usize..4, token in prop::sample::select(TOKENS),
    ) {
        let place = place.min(text.len());
        let end = (place + cut).min(text.len());
        try_all(&format!("{}{token}{}", &text[..place], &text[end..]));
    }
}

#[test]
fn deep_ones_fit_on_the_stack_or_are_refused() {
    for depth in [990, 1010, 100_000] {
        let nested =
            |open: &str, close: &str| format!("{}m{}", open.repeat(depth), close.repeat(depth));
        for text in [
            nested("(", ")"),
            nested("abs(", ")"),
            nested("sum(", ")"),
            nested("-", ""),
            nested("1+", ""),
            nested("", "+m"),
            nested("", " or m"),
            nested("max_over_time(", "[5m:1m])"),
            nested("", "[5m:1m]"),
            nested("(", ""),
            nested("{", ""),
            nested("", "^m"),
            nested("scalar(vector(", "))"),
        ] {
            match Query::parse(&text) {
                Ok(query) => {
                    let options = Options {
                        max_samples: 1_000_000,
                        ..Options::default()
                    };
                    let _ = query.instant(&storage(), 100_000, &options);
                }
                Err(Error::Parse(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn limits() {
    let storage = storage();
    let ask = |text: &str, options: &Options<'_>| {
        let query = Query::parse(text).unwrap();
        let range = query.range(&storage, 0, 300_000, Duration::from_secs(1), options);
        (query.instant(&storage, 100_000, options), range)
    };
    let few = Options {
        max_samples: 100,
        ..Options::default()
    };
    assert!(ask("m", &few).0.is_ok());
    for text in ["m", "sum(m)", "1", "rate(m[5m])", "vector(1)", "m @ 1"] {
        assert!(
            matches!(ask(text, &few).1, Err(Error::TooManySamples)),
            "{text}"
        );
    }
    for text in ["rate(m[5m:1s])", "absent_over_time(m[1w:1ms])"] {
        assert!(
            matches!(ask(text, &few).0, Err(Error::TooManySamples)),
            "{text}"
        );
    }
    let stop = Options {
        interrupt: &|| true,
        ..Options::default()
    };
    let (instant, range) = ask("m", &stop);
    assert!(matches!(instant, Err(Error::TimedOut)) && matches!(range, Err(Error::TimedOut)));
}

//! Matchers, names and values.

use tidegauge_promql::Query;

use super::*;

/// The matchers of a selector.
fn matchers(selector: &str) -> Vec<Matcher> {
    let query = Query::parse(selector).unwrap();
    let promql_parser::parser::Expr::VectorSelector(selector) = query.expression() else {
        panic!("{selector} is no selector");
    };
    let mut matchers = selector.matchers.matchers.clone();
    matchers.extend(
        selector
            .name
            .iter()
            .map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name)),
    );
    matchers
}

fn window() -> Window {
    let window = Window::in_memory(roomy(HOUR), vec![], TestClock::new());
    let series = [
        [("__name__", "size"), ("tier", "hot"), ("path", "/a")].as_slice(),
        &[("__name__", "size"), ("tier", "cold"), ("path", "/b")],
        &[("__name__", "free"), ("tier", "hot")],
        &[("__name__", "up")],
        &[("nameless", "yes")],
    ];
    let sample = Sample {
        time: START,
        value: 1.0,
    };
    let batch: Vec<_> = series
        .iter()
        .map(|pairs| (Labels::new(pairs.iter().copied()), sample))
        .collect();
    assert_eq!(window.append(&batch).added, 5);
    window
}

#[test]
fn as_all_matchers_say() {
    let window = window();
    let all = content(&window);
    for selector in [
        "size",
        "nothing",
        r#"{tier="hot"}"#,
        r#"size{tier!="hot"}"#,
        r#"size{tier=~"h.*|c.*"}"#,
        r#"{tier!~"h.*", __name__=~".+"}"#,
        r#"{__name__=~"s.*|free"}"#,
        r#"{__name__!="size", tier="hot"}"#,
        r#"{__name__="", nameless="yes"}"#,
        r#"{nameless="yes"}"#,
        r#"size{path!=""}"#,
        r#"{tier="", __name__=~"u.*"}"#,
        r#"{__name__="size", __name__=~"f.*"}"#,
    ] {
        let matchers = matchers(selector);
        let mut found: Vec<Labels> = window
            .select(&matchers, START, START)
            .unwrap()
            .iter()
            .map(|series| series.labels().clone())
            .collect();
        found.sort();
        let wanted = all.keys().filter(|labels| labels.matches(&matchers));
        assert!(found.iter().eq(wanted), "{selector}: {found:?}");
        assert!(
            window
                .select(&matchers, START + 1, START + 2)
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn names_values_and_series() {
    let window = window();
    let none: &[Vec<Matcher>] = &[];
    let names = |any_of: &[Vec<Matcher>], limit| window.label_names(any_of, START, START, limit);
    assert_eq!(
        names(none, 0).items,
        ["__name__", "nameless", "path", "tier"]
    );
    let two = names(none, 2);
    assert_eq!((two.items.len(), two.truncated), (2, true));
    assert_eq!(names(&[matchers("free")], 0).items, ["__name__", "tier"]);
    let values = |name: &str, any_of: &[Vec<Matcher>]| {
        window.label_values(name, any_of, START, START, 10).items
    };
    assert_eq!(values("__name__", none), ["free", "size", "up"]);
    assert_eq!(
        values("path", &[matchers("up"), matchers(r#"{tier="cold"}"#)]),
        ["/b"]
    );
    assert_eq!(values("tier", none), ["cold", "hot"]);
    let series = window.series(&[matchers("size"), matchers("up")], START, START, 2);
    assert!(series.truncated);
    assert!(series.items.is_sorted() && series.items.len() == 2);
    assert!(
        window
            .series(none, START + 1, START + 2, 0)
            .items
            .is_empty()
    );
}

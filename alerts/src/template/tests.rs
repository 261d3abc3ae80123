use std::sync::Arc;

use tidegauge_promql::{Labels, Sample, VectorSample};

use super::{Scope, Template};

fn scope() -> Scope {
    let ask = |expression: &str| match expression {
        "up" => Ok(["b", "a"]
            .map(|instance| VectorSample {
                labels: Labels::new([("__name__", "up"), ("instance", instance)]),
                sample: Sample {
                    time: 0,
                    value: 1e6,
                },
            })
            .to_vec()),
        "none" => Ok(vec![]),
        other => Err(format!("no such series: {other}")),
    };
    Scope {
        at: 1_500,
        external_url: "https://watch.example.com/tide".into(),
        external_labels: Labels::new([("site", "north")]),
        ask: Arc::new(ask),
    }
}

fn expand(text: &str) -> String {
    let labels = Labels::new([("instance", "a.example.com:9100"), ("tier", "hot")]);
    Template::parse("Fills", text)
        .unwrap()
        .expand(&labels, 1_234_567.0, &scope())
        .unwrap_or_else(|error| error.in_place_of_text())
}

#[test]
fn texts_as_prometheus_makes_them() {
    for (template, text) in [
        ("no template", "no template"),
        (
            "{{ $value }} {{ $labels.tier }}{{ .Labels.tier }}",
            "1.234567e+06 hothot",
        ),
        ("[{{ $labels.none }}]", "[]"),
        ("{{ if eq $labels.none \"\" }}empty{{ end }}", "empty"),
        ("{{ index $labels \"none\" }}.", "."),
        (
            "{{ printf \"%.1f|%s|%5s\" $value $labels.none $labels.tier }}",
            "1234567.0||  hot",
        ),
        ("{{ $labels }}", "map[instance:a.example.com:9100 tier:hot]"),
        (
            "{{ $externalLabels.site }} {{ $externalURL }}",
            "north https://watch.example.com/tide",
        ),
        (
            "{{ externalURL }} {{ pathPrefix }}",
            "https://watch.example.com/tide /tide",
        ),
        (
            "{{ $value | humanize }} {{ humanize1024 $value }}",
            "1.235M 1.177Mi",
        ),
        ("{{ \"0.25\" | humanizePercentage }}", "25%"),
        (
            "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}",
            "a=1e+06 b=1e+06 ",
        ),
        (
            "{{ with query \"up\" }}{{ . | first | label \"instance\" }}{{ end }}",
            "b",
        ),
        ("{{ with query \"none\" }}x{{ else }}y{{ end }}", "y"),
        ("{{ query \"up\" | first | value }}", "1e+06"),
        (
            "{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}",
            "a.example.com",
        ),
        ("{{ match \"^a\" $labels.instance }}", "true"),
        (
            "{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }}",
            "a.example.com a:9100",
        ),
        (
            "{{ title \"tier is full\" }} {{ toUpper \"a\" }} {{ toLower \"B\" }}",
            "Tier Is Full A b",
        ),
        (
            "{{ now }} {{ humanizeTimestamp 1.5 }}",
            "1.5 1970-01-01 00:00:01.5 +0000 UTC",
        ),
        (
            "{{ (1.5 | toTime).Year }} {{ (toTime 1.5).Format \"2006-01-02\" }}",
            "1970 1970-01-01",
        ),
        (
            "{{ toDuration 3661 }} {{ parseDuration \"-1h\" }}",
            "1h1m1s -3600",
        ),
        (
            "{{ humanizeDuration 90061 }} {{ humanizeDuration 0.0015 }}",
            "1d 1h 1m 1s 1.5ms",
        ),
        (
            "{{ graphLink \"up > 0\" }}",
            "/graph?g0.expr=up+%3E+0&g0.tab=0",
        ),
        ("{{ urlQueryEscape \"a b&c\" }}", "a+b%26c"),
        (
            "{{ define \"t\" }}<{{ .arg0 }}|{{ .arg1 }}>{{ end }}{{ template \"t\" (args $value) }}",
            "<1.234567e+06|<no value>>",
        ),
        (
            "{{ $x := 1 }}{{ range $i, $c := query \"up\" }}{{ $x = $i }}{{ end }}{{ $x }}",
            "1",
        ),
        ("{{ if gt $value 1.0 }}more{{ end }}", "more"),
        ("{{ print $value 1 \"a\" }}", "1.234567e+06 1a"),
    ] {
        assert_eq!(expand(template), text, "{template}");
    }
}

#[test]
fn numbers_that_are_none() {
    let print = |value: f64| {
        Template::parse("A", "{{ $value }} {{ printf \"%.2f\" $value }} {{ humanize $value }} {{ if lt $value 1.0 }}less{{ end }}")
            .unwrap()
            .expand(&Labels::empty(), value, &scope())
            .unwrap()
    };
    assert_eq!(print(f64::INFINITY), "+Inf +Inf +Inf ");
    assert_eq!(print(f64::NEG_INFINITY), "-Inf -Inf -Inf less");
    assert_eq!(print(f64::NAN), "NaN NaN NaN ");
}

#[test]
fn what_fails_is_shown() {
    for (template, reason) in [
        ("{{ query \"gone\" }}", "no such series: gone"),
        (
            "{{ first (query \"none\") }}",
            "first() called on vector with no elements",
        ),
        ("{{ .Nothing }}", "can't evaluate field Nothing"),
        ("{{ toUpper $value }}", "expected string; got float64"),
        ("{{ reReplaceAll \"(\" \"\" \"\" }}", "error parsing regexp"),
        ("{{ template \"none\" }}", "none"),
        ("{{ range $i := 100000000 }}x{{ end }}", "range"),
    ] {
        let text = expand(template);
        assert!(
            text.starts_with("<error expanding template: error executing template __alert_Fills: ")
                && text.contains(reason),
            "{template}: {text}"
        );
    }
}

#[test]
fn what_does_not_parse_is_told_with_its_place() {
    for (template, message) in [
        ("{{ foo }}", "function \"foo\" not defined"),
        ("{{ _show 1 }}", "function \"_show\" not defined"),
        ("{{ $nope }}", "undefined variable \"$nope\""),
        ("{{ if true }}", "unexpected EOF"),
        ("ab {{ ' }}", "line 1, column "),
        (
            "{{ define \"a\" }}{{ $labels }}{{ end }}",
            "undefined variable \"$labels\"",
        ),
        (
            "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}",
            "undefined variable \"$x\"",
        ),
    ] {
        let said = Template::parse("A", template).unwrap_err();
        assert!(said.contains(message), "{template}: {said}");
    }
}

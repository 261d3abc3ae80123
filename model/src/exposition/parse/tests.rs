use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as TheirFamily;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use proptest::prelude::*;

use super::*;
use crate::exposition::{Cursor, Exemplar, SampleLine, write_chunk};
use crate::metric::{Family, FamilySpec, Labels, Value};
use crate::snapshot::{Group, Snapshot};

const FORMATS: [Format; 2] = [Format::Text004, Format::OpenMetrics100];

fn all(input: &[u8], format: Format) -> Result<Vec<Event<'_>>, ParseError> {
    Parser::new(input, format)
        .map(|item| item.map(|(_, event)| event))
        .collect()
}

/// One line's event; in OpenMetrics with the end put after it.
fn one(line: &str, format: Format) -> Result<Event<'static>, ParseError> {
    let end = if format == Format::OpenMetrics100 {
        "\n# EOF\n"
    } else {
        "\n"
    };
    let text: &'static str = format!("{line}{end}").leak();
    all(text.as_bytes(), format).map(|events| events[0].clone())
}

fn sample(
    name: &'static str,
    labels: &[(&'static str, &'static str)],
    value: f64,
    ts: Option<i64>,
) -> Event<'static> {
    Event::Sample(SampleLine {
        name: name.into(),
        labels: labels.iter().map(|&(n, v)| (n.into(), v.into())).collect(),
        value,
        timestamp_ms: ts,
        exemplar: None,
    })
}

/// The same sample with an exemplar.
fn with_exemplar(
    event: Event<'static>,
    labels: &[(&'static str, &'static str)],
    value: f64,
    ts: Option<i64>,
) -> Event<'static> {
    let Event::Sample(mut sample) = event else {
        panic!("no sample: {event:?}");
    };
    sample.exemplar = Some(Box::new(Exemplar {
        labels: labels.iter().map(|&(n, v)| (n.into(), v.into())).collect(),
        value,
        timestamp_ms: ts,
    }));
    Event::Sample(sample)
}

#[test]
fn lines_of_text_004() {
    let ok = |line| one(line, Format::Text004).unwrap();
    assert_eq!(ok("a 1"), sample("a", &[], 1.0, None));
    assert_eq!(ok("  a\t1  5 "), sample("a", &[], 1.0, Some(5)));
    assert_eq!(ok("a:b{} 1"), sample("a:b", &[], 1.0, None));
    assert_eq!(ok("a{b=\"c\",}1"), sample("a", &[("b", "c")], 1.0, None));
    assert_eq!(
        ok(r#"a { b = "}\"\\\n\x" , d="é" } +Inf 7"#),
        sample(
            "a",
            &[("b", "}\"\\\n\\x"), ("d", "é")],
            f64::INFINITY,
            Some(7)
        )
    );
    assert_eq!(
        ok(r#"{"name.with.dots",label="x"} 1"#),
        sample("name.with.dots", &[("label", "x")], 1.0, None)
    );
    assert_eq!(
        ok(r#"{l="x","n\"m"} 1"#),
        sample("n\"m", &[("l", "x")], 1.0, None)
    );
    assert_eq!(
        ok(r#"a{"l.m"="x"} 1"#),
        sample("a", &[("l.m", "x")], 1.0, None)
    );
    let help = |text: &'static str| Event::Help {
        family: "a".into(),
        text: text.into(),
    };
    assert_eq!(
        ok("# HELP a one \\n \\\\ \" two "),
        help("one \n \\ \" two ")
    );
    assert_eq!(ok("#\tHELP  a"), help(""));
    assert_eq!(ok("# HELP \"a\" x"), help("x"));
    let kind = |kind| Event::Type {
        family: "a".into(),
        kind,
    };
    assert_eq!(ok("# TYPE a untyped"), kind(Kind::Unknown));
    assert_eq!(ok("# TYPE a histogram"), kind(Kind::Histogram));
    for comment in [
        "#HELP a x",
        "# EOF",
        "#",
        "# HELP",
        "# UNIT a bytes",
        "# hi",
    ] {
        assert_eq!(ok(comment), Event::Comment(Cow::Borrowed(&comment[1..])));
    }
    assert_eq!(all(b"\n \t\n", Format::Text004), Ok(vec![]));
}

#[test]
fn lines_of_openmetrics() {
    let ok = |line: &str| one(line, Format::OpenMetrics100).unwrap();
    assert_eq!(ok("a 1 1.5"), sample("a", &[], 1.0, Some(1500)));
    assert_eq!(
        ok("a_total 1 # {} 5"),
        with_exemplar(sample("a_total", &[], 1.0, None), &[], 5.0, None)
    );
    let bucket = sample("a_bucket", &[("le", "1.0")], 3.0, Some(2000));
    assert_eq!(
        ok(r#"a_bucket{le="1.0"} 3 2 # {trace_id="x\"",l=""} 0.5 1.5"#),
        with_exemplar(bucket, &[("trace_id", "x\""), ("l", "")], 0.5, Some(1500))
    );
    assert_eq!(
        ok("# UNIT a_bytes bytes"),
        Event::Unit {
            family: "a_bytes".into(),
            unit: "bytes"
        }
    );
    for (text, kind) in [
        ("gaugehistogram", Kind::GaugeHistogram),
        ("info", Kind::Info),
        ("stateset", Kind::StateSet),
        ("unknown", Kind::Unknown),
    ] {
        assert_eq!(
            ok(&format!("# TYPE a {text}")),
            Event::Type {
                family: "a".into(),
                kind
            }
        );
    }
    assert_eq!(all(b"# EOF", Format::OpenMetrics100), Ok(vec![Event::Eof]));
}

#[test]
fn errors_name_the_place_and_what_is_wrong() {
    let wrong = |line, format| {
        let error = one(line, format).unwrap_err();
        format!("{line:30} {error}\n")
    };
    let text: String = [
        "1a 1",
        "a",
        "a{b=\"c\"}",
        "a x",
        "a-b 1",
        "a 1\r",
        "a 1 1.5",
        "a 1 5 6",
        "a 1 # {x=\"y\"} 1",
        "a{b} 1",
        "a{b=c} 1",
        "a{b=\"c} 1",
        "a{b=\"c\\",
        "a{b=\"c\" d=\"e\"} 1",
        "a{,} 1",
        "a{1b=\"c\"} 1",
        "a{b:c=\"d\"} 1",
        "{b=\"c\"} 1",
        "{\"a\",\"b\"} 1",
        "a{\"b\"} 1",
        "{\"\"} 1",
        "\"a\" 1",
        "# TYPE a info",
        "# TYPE a",
        "# HELP a-b x",
        "# HELP ",
        "a 1 -5",
    ]
    .map(|line| wrong(line, Format::Text004))
    .concat();
    insta::assert_snapshot!(text);
    let open: String = [
        "",
        " a 1",
        "a  1",
        "a 1 ",
        "a 1 2 ",
        "a {b=\"c\"} 1",
        "a{b=\"c\"}1",
        "a{b=\"c\", d=\"e\"} 1",
        "# hello",
        "#EOF",
        "# EOF ",
        "# TYPE a untyped",
        "# HELP",
        "a 1 # 5",
        "a 1 # {\"x\"} 5",
        "a 1 # {} x",
        "a 1 # {} 1 x",
        "a 1 # {} 1 1 1",
        "# EOF\na 1",
    ]
    .map(|line| wrong(line, Format::OpenMetrics100))
    .concat();
    insta::assert_snapshot!(open);
    let cut = all(b"a 1\n", Format::OpenMetrics100).unwrap_err();
    assert_eq!((cut.line, cut.expected), (1, "'# EOF' as the last line"));
    let error = all(b"# ok\na{b=\"\xff\"} 1\n", Format::Text004).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2, column 6: found the byte 0xff, expected UTF-8 (the text must be UTF-8)"
    );
    assert_eq!(
        all(b"# \xff", Format::Text004).unwrap(),
        [Event::Comment(" \u{fffd}".into())]
    );
    assert!(all(b"# HELP a \xff\n", Format::Text004).is_err());
    assert!(all(b"# \xff\n# EOF\n", Format::OpenMetrics100).is_err());
}

#[test]
fn what_is_not_escaped_is_borrowed() {
    let input = b"# HELP a x\na{b=\"c\"} 1\n".to_vec();
    for event in all(&input, Format::Text004).unwrap() {
        match event {
            Event::Help {
                family: Cow::Borrowed(_),
                text: Cow::Borrowed(_),
            } => {}
            Event::Sample(SampleLine {
                name: Cow::Borrowed(_),
                labels,
                ..
            }) if labels
                .iter()
                .all(|label| matches!(label, (Cow::Borrowed(_), Cow::Borrowed(_)))) => {}
            other => panic!("{other:?}"),
        }
    }
}

static COUNTER: FamilySpec =
    FamilySpec::counter("t_reads_total", "Reads \"so\" far \\ \n on", &["a"]);
static GAUGE: FamilySpec = FamilySpec::gauge("t_used_ratio", "Used", &["a"]);
static INFO: FamilySpec = FamilySpec::info("t_disk_info", "Identity", &["a"]);
static SPECS: [&FamilySpec; 3] = [&COUNTER, &GAUGE, &INFO];

fn written(families: Vec<Family>, format: Format) -> Vec<u8> {
    let snapshot = Snapshot {
        taken: SystemTime::UNIX_EPOCH,
        groups: vec![Group {
            collector: "c",
            families: Arc::from(families),
        }],
    };
    let (mut out, mut cursor) = (Vec::new(), Cursor::default());
    while write_chunk(
        &snapshot,
        &|_| true,
        format,
        &mut cursor,
        &mut out,
        usize::MAX,
    ) {}
    out
}

/// What the events of a family should be.
fn expected(families: &[Family], format: Format) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let spec = family.spec;
        let (name, kind) = match (spec.name, format) {
            ("t_reads_total", Format::OpenMetrics100) => ("t_reads", Kind::Counter),
            ("t_reads_total", Format::Text004) => ("t_reads_total", Kind::Counter),
            ("t_disk_info", Format::OpenMetrics100) => ("t_disk", Kind::Info),
            (name, _) => (name, Kind::Gauge),
        };
        events.push(Event::Help {
            family: name.into(),
            text: spec.help.into(),
        });
        events.push(Event::Type {
            family: name.into(),
            kind,
        });
        for sample in &family.samples {
            let labels = sample.labels.iter();
            events.push(Event::Sample(SampleLine {
                name: spec.name.into(),
                labels: labels
                    .map(|(n, v)| (n.to_owned().into(), v.into_owned().into()))
                    .collect(),
                value: sample.value.as_f64(),
                timestamp_ms: None,
                exemplar: None,
            }));
        }
    }
    if format == Format::OpenMetrics100 {
        events.push(Event::Eof);
    }
    events
}

/// Comparable bit for bit, NaN included.
fn bits(events: Vec<Event<'_>>) -> Vec<(Event<'_>, Option<u64>)> {
    let bits = |event| match event {
        Event::Sample(mut sample) => {
            let bits = if sample.value.is_nan() {
                f64::NAN
            } else {
                sample.value
            }
            .to_bits();
            sample.value = 0.0;
            (Event::Sample(sample), Some(bits))
        }
        other => (other, None),
    };
    events.into_iter().map(bits).collect()
}

proptest! {
    #[test]
    fn any_bytes_end_without_panic(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in FORMATS {
            let lines = input.split(|&b| b == b'\n').count();
            prop_assert!(Parser::new(&input, format).count() <= lines + 1);
        }
    }

    /// Bytes that come near to an exposition get further in.
    #[test]
    fn nearly_an_exposition_ends_without_panic(
        input in r#"((# (HELP|TYPE|UNIT|EOF) |a|[{}=,"\\# \n\t.0-9é]|gauge|\{"n.m",|b="c"|NaN| 1\n){0,40})"#
    ) {
        for format in FORMATS {
            for item in Parser::new(input.as_bytes(), format) {
                if let Err(error) = item {
                    prop_assert!(error.column >= 1 && error.line >= 1);
                }
            }
        }
    }

    /// Whoever knows the series of a line reads the same sample from what follows it.
    #[test]
    fn what_follows_a_known_series_reads_as_the_line_does(
        series in r#"(a|a:b)(\{(b="[c}\\ {]?",?)?\})?|\{"n m"\}"#,
        rest in r#"[ \t]{0,2}([0-9.]{1,3}|NaN|-Inf|x|\{\})([ \t]{0,2}([0-9]{1,3}|1\.5))?( # \{t="x"\} 1)?[ ]?"#,
    ) {
        for format in FORMATS {
            let line = format!("{series}{rest}");
            if let Some(after) = after_series(&rest, format) {
                let read = read_line(line.as_bytes(), 1, format);
                if let Ok(Some(Event::Sample(sample))) = &read {
                    prop_assert_eq!(sample.value.to_bits(), after.value.to_bits());
                    prop_assert_eq!(sample.timestamp_ms, after.timestamp_ms);
                } else {
                    // Only the series may be what is wrong with it.
                    let alone = format!("{series} 1");
                    prop_assert!(read_line(alone.as_bytes(), 1, format).is_err());
                }
            }
        }
    }

    #[test]
    fn what_we_write_parses_back_bit_for_bit(
        samples in proptest::collection::vec(
            (0..SPECS.len(), "(?s).*", prop_oneof![
                any::<u64>().prop_map(Value::U64),
                any::<f64>().prop_map(Value::F64),
                proptest::num::f64::ANY.prop_map(Value::F64),
            ]),
            0..12,
        ),
    ) {
        let mut families: Vec<Family> = SPECS.into_iter().map(Family::new).collect();
        for (index, label, value) in &samples {
            families[*index].push(&Labels::new(&[("a", label), ("b", "")]), 0u64);
            families[*index].samples.last_mut().unwrap().value = *value;
        }
        for format in FORMATS {
            let text = written(families.clone(), format);
            let read = all(&text, format).unwrap();
            prop_assert_eq!(bits(read), bits(expected(&families, format)));
        }
    }
}

static PLAIN: FamilySpec = FamilySpec::counter("t_reads_total", "Reads so far", &["a"]);

#[test]
fn prometheus_client_writes_the_same() {
    let label = "a \"b\" \\ \n é";
    let mut registry = Registry::default();
    let reads = TheirFamily::<Vec<(String, String)>, Counter>::default();
    let pair = |value: &str| vec![("a".to_owned(), value.to_owned())];
    reads.get_or_create(&pair(label)).inc_by(u64::MAX);
    // They escape no help text, and end it with a full stop of their own.
    registry.register("t_reads", PLAIN.help, reads);
    let used = TheirFamily::<Vec<(String, String)>, Gauge<f64, AtomicU64>>::default();
    used.get_or_create(&pair("x")).set(1e-7);
    registry.register("t_used_ratio", "Used", used);
    registry.register("t_disk", "Identity", Info::new(pair("y")));
    let mut theirs = String::new();
    encode(&mut theirs, &registry).unwrap();

    let mut families: Vec<Family> = [&PLAIN, &GAUGE, &INFO].map(Family::new).into();
    families[0].push(&Labels::new(&[("a", label)]), u64::MAX);
    families[1].push(&Labels::new(&[("a", "x")]), 1e-7);
    families[2].push(&Labels::new(&[("a", "y")]), true);
    let ours = written(families, Format::OpenMetrics100);

    let mut from_theirs = all(theirs.as_bytes(), Format::OpenMetrics100).unwrap();
    for event in &mut from_theirs {
        if let Event::Help { text, .. } = event {
            let stopped = text.strip_suffix('.').expect("they add one").to_owned();
            *text = stopped.into();
        }
    }
    assert_eq!(all(&ours, Format::OpenMetrics100).unwrap(), from_theirs);
}

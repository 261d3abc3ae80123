use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tidegauge_model::exposition::Parser;
use tidegauge_promql::Labels;

use super::*;
use crate::feed::cycle::Options;
use crate::feed::labels::Joiner;
use crate::feed::limits::LabelLimits;
use crate::feed::testing::lines;

const FORMATS: [Format; 2] = [Format::Text004, Format::OpenMetrics100];

fn intake() -> TextIntake {
    let target = Labels::new([("job", "j"), ("instance", "i")]);
    TextIntake::new(Series::new(Joiner::new(target, false), Arc::default()))
}

fn scrape(intake: &mut TextIntake, format: Format, text: &str) -> (Outcome, Vec<String>) {
    intake.begin(1000);
    if !text.is_empty() {
        intake.text(format, text.as_bytes());
    }
    let outcome = intake.end(None);
    let lines = lines(intake.series.batch());
    (outcome, lines)
}

fn error(format: Format, text: &str) -> String {
    let (outcome, _) = scrape(&mut intake(), format, text);
    outcome
        .error
        .map_or_else(String::new, |error| error.to_string())
}

#[test]
fn text_becomes_series_of_the_target() {
    let mut intake = intake();
    let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 3\n a {job=\"x\"} 4 500\na{ job=\"y\" }5\nNaN NaN";
    for _ in 0..2 {
        let (outcome, batch) = scrape(&mut intake, Format::Text004, text);
        assert!(outcome.error.is_none(), "{outcome:?}");
        assert_eq!(
            batch,
            [
                r#"h_bucket{instance="i", job="j", le="1.0"} 1000 2"#,
                r#"h_sum{instance="i", job="j"} 1000 3"#,
                r#"a{exported_job="x", instance="i", job="j"} 500 4"#,
                r#"a{exported_job="y", instance="i", job="j"} 1000 5"#,
                r#"NaN{instance="i", job="j"} 1000 NaN"#,
            ]
        );
    }
    intake.set_honor_timestamps(false);
    let (_, batch) = scrape(&mut intake, Format::Text004, text);
    assert_eq!(
        batch[2],
        r#"a{exported_job="x", instance="i", job="j"} 1000 4"#
    );
}

#[test]
fn a_name_that_is_another_ones_beginning_is_not_taken_for_it() {
    let mut intake = intake();
    scrape(&mut intake, Format::Text004, "a 1\nab 2\na{b=\"c\"} 3\n");
    let (_, batch) = scrape(
        &mut intake,
        Format::Text004,
        "ab 2\na {b=\"c\"} 3\na 1\na{b=\"c} \"} 4\n",
    );
    assert_eq!(
        batch,
        [
            r#"ab{instance="i", job="j"} 1000 2"#,
            r#"a{b="c", instance="i", job="j"} 1000 3"#,
            r#"a{instance="i", job="j"} 1000 1"#,
            r#"a{b="c} ", instance="i", job="j"} 1000 4"#,
        ]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let text = |text| error(Format::Text004, text);
    assert_eq!(
        text("a 1\nb{\n"),
        "line 2, column 3: found the end of the line, expected a label name or '}' (a sample is 'name{label=\"value\"} 1', after it a timestamp if any)"
    );
    assert_eq!(
        text("a 1\n\n\na{b=\"\",b=\"c\"} 1\n"),
        "line 4: label name \"b\" is not unique; the exporter is to be mended"
    );
    assert!(text("a{__name__=\"b\"} 1\n").contains("\"__name__\" is not unique"));
    assert!(text("\x1f\u{8b}garbage").contains("line 1, column 1"));
    let open = |text| error(Format::OpenMetrics100, text);
    assert_eq!(open("a 1\n# EOF\n"), "");
    assert_eq!(open("a 1\n# EOF"), "");
    assert!(open("a 1\n").contains("expected '# EOF' as the last line"));
    assert!(
        open("# EOF\na 1\n")
            .contains("line 2, column 1: found \"a 1\", expected nothing after '# EOF'")
    );
    assert!(open("# UNIT a_bytes seconds\n# EOF\n").contains("unit \"seconds\" is no suffix"));
    assert_eq!(open("# UNIT a_bytes bytes\n# EOF\n"), "");
    // A line that was good the last time is none after the end.
    let mut intake = intake();
    scrape(&mut intake, Format::OpenMetrics100, "a 1\n# EOF\n");
    let (outcome, _) = scrape(&mut intake, Format::OpenMetrics100, "# EOF\na 1\n");
    assert!(outcome.error.is_some());
}

#[test]
fn counts_up_to_the_bad_line_as_prometheus_reports_them() {
    let mut intake = intake();
    scrape(&mut intake, Format::Text004, "a 1\nb 1\n");
    let (outcome, batch) = scrape(&mut intake, Format::Text004, "a 1\nc 1\n!\nb 1\n");
    assert_eq!((outcome.counts.scraped, outcome.counts.added), (2, 1));
    assert_eq!(batch, [r#"b{instance="i", job="j"} 1000 stale"#]);
}

#[test]
fn labels_beyond_the_limits_fail_the_scrape() {
    for (limits, text, expected) in [
        (
            LabelLimits {
                number: Some(3),
                ..Default::default()
            },
            "a 1\na{b=\"c\"} 1\n",
            "label_limit exceeded (metric: a, number of labels: 4, limit: 3)",
        ),
        (
            LabelLimits {
                name_length: Some(8),
                ..Default::default()
            },
            "a{bbbbbbbbb=\"c\"} 1\n",
            "label_name_length_limit exceeded (metric: a, length of the name bbbbbbbbb: 9, limit: 8)",
        ),
        (
            LabelLimits {
                value_length: Some(1),
                ..Default::default()
            },
            "a{b=\"cc\"} 1\n",
            "label_value_length_limit exceeded (metric: a, length of the value of b: 2, limit: 1)",
        ),
    ] {
        let mut intake = intake();
        intake.series.set_limits(limits, Options::default());
        let (outcome, _) = scrape(&mut intake, Format::Text004, text);
        assert_eq!(outcome.error.unwrap().to_string(), expected);
    }
}

#[test]
fn an_empty_text_is_no_failure_and_ends_all() {
    let mut intake = intake();
    scrape(&mut intake, Format::Text004, "a 1\n");
    let (outcome, batch) = scrape(&mut intake, Format::OpenMetrics100, "");
    assert!(outcome.error.is_none());
    assert_eq!(batch, [r#"a{instance="i", job="j"} 1000 stale"#]);
}

/// Texts that have a bit of everything. Only samples of `c` have times of their own, all of them.
fn expositions() -> impl Strategy<Value = String> {
    let labels = r#"(|\{\}|\{l="[xy}\\]{0,2}"\}|\{l="x",m="y",\}| \{l="x"\})"#;
    let line = prop_oneof![
        6 => (r"(a|ab|a:b)", labels, " {0,2}", r"(1|2\.5|NaN|x)")
            .prop_map(|(name, labels, blank, value)| format!("{name}{labels}{blank}{value}")),
        2 => (labels, "[1-3] 500").prop_map(|(labels, value)| format!("c{labels} {value}")),
        1 => r##"(\{"q n",l="x"\} 3|# TYPE a (histogram|summary|gauge)|# HELP a x|# hi| a 1|a\{le="1"\} 1|)"##,
    ];
    (proptest::collection::vec(line, 0..8), any::<bool>()).prop_map(|(lines, eof)| {
        let mut text = lines.join("\n");
        text.push_str(if eof { "\n# EOF\n" } else { "\n" });
        text
    })
}

/// What a text says, by the parser that reads all of it anew; `None` when it is wrong.
fn said(format: Format, text: &str) -> Option<BTreeMap<String, u64>> {
    let joiner = Joiner::new(Labels::new([("job", "j"), ("instance", "i")]), false);
    let (mut kind, mut all) = (None, BTreeMap::new());
    for event in Parser::new(text.as_bytes(), format) {
        match event.ok()?.1 {
            Event::Type { kind: told, .. } => kind = Some(told),
            Event::Sample(mut sample) => {
                normalize_bounds(kind, &mut sample.labels);
                let labels = joiner.join(&sample.name, &sample.labels).ok()?;
                let key = (labels.to_string(), sample.timestamp_ms);
                // The first one counts.
                all.entry(format!("{} {}", key.0, key.1.unwrap_or(1000)))
                    .or_insert(sample.value.to_bits());
            }
            _ => {}
        }
    }
    Some(all)
}

proptest! {
    /// However a text is cut into pieces and whatever was read before, it says what the parser reads in it.
    #[test]
    fn as_the_parser_reads_it(
        texts in proptest::collection::vec(expositions(), 1..5),
        cuts in proptest::collection::vec(1usize..30, 1..4),
    ) {
        for format in FORMATS {
            let mut intake = intake();
            for text in &texts {
                intake.begin(1000);
                let (mut rest, mut turn) = (text.as_bytes(), 0);
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(cuts[turn % cuts.len()].min(rest.len()));
                    intake.text(format, piece);
                    rest = after;
                    turn += 1;
                }
                let outcome = intake.end(None);
                let said = said(format, text);
                prop_assert_eq!(outcome.error.is_some(), said.is_none(), "{:?} {:?}", text, outcome);
                let mut read = BTreeMap::new();
                for (labels, sample) in intake.series.batch() {
                    if !tidegauge_promql::is_stale(sample.value) {
                        read.entry(format!("{labels} {}", sample.time)).or_insert(sample.value.to_bits());
                    }
                }
                prop_assert_eq!(read, said.unwrap_or_default(), "{:?}", text);
            }
        }
    }

    #[test]
    fn any_bytes_end_without_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6)) {
        for format in FORMATS {
            let mut intake = intake();
            for _ in 0..2 {
                intake.begin(1000);
                for piece in &pieces {
                    intake.text(format, piece);
                }
                intake.end(None);
            }
        }
    }
}

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::*;

#[path = "../../../../tests/fixtures/lint/table.rs"]
mod table;

fn said(findings: &[Finding]) -> Vec<String> {
    let line = |f: &Finding| format!("{} {} {}", f.line, f.metric, f.problem);
    findings.iter().map(line).collect()
}

/// promtool's findings, each once.
fn promtools(case: &table::Case) -> BTreeSet<String> {
    case.promtool.iter().cloned().collect()
}

/// The line in "text format parsing error in line 3: …".
fn refused_line(case: &table::Case) -> Option<usize> {
    let (_, after) = case.promtool.first()?.split_once("error in line ")?;
    after.split_once(':')?.0.parse().ok()
}

#[test]
fn agrees_with_promtool() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lint");
    let cases = table::cases(&folder);
    assert!(cases.len() > 150, "only {} cases", cases.len());
    let mut wrong = String::new();
    for case in &cases {
        let findings = lint(case.text.as_bytes(), Format::Text004);
        let ours: BTreeSet<String> = findings
            .iter()
            .map(|f| format!("{} {}", f.metric, f.problem))
            .collect();
        let agrees = match (&case.ours, case.exit) {
            (None, 0 | 3) => ours == promtools(case),
            (Some(listed), 0 | 3) => {
                *listed == said(&findings) && ours.is_superset(&promtools(case))
            }
            // It says only where it stopped.
            (Some(listed), 1) => {
                let refused = refused_line(case);
                *listed == said(&findings) && findings.iter().any(|f| Some(f.line) == refused)
            }
            (Some(listed), 2) => *listed == said(&findings) && !findings.is_empty(),
            _ => false,
        };
        if !agrees {
            wrong += &format!(
                "=== {}\n{}--- promtool exit {}\n{}\n--- ours\n{}\n",
                case.name,
                case.text,
                case.exit,
                case.promtool.join("\n"),
                said(&findings).join("\n"),
            );
        }
    }
    assert!(wrong.is_empty(), "other than in the table:\n{wrong}");
}

/// What is said of an OpenMetrics text, `# EOF` put at its end.
fn open(text: &str) -> Vec<String> {
    let findings = lint(format!("{text}# EOF\n").as_bytes(), Format::OpenMetrics100);
    said(&findings)
}

#[test]
fn openmetrics_that_is_well() {
    let clean = "\
# HELP a_seconds x
# TYPE a_seconds counter
# UNIT a_seconds seconds
a_seconds_total{b=\"c\"} 1 1
a_seconds_created{b=\"c\"} 1 1
a_seconds_total{b=\"c\"} 2 2
# HELP i x
# TYPE i info
i_info{v=\"1\"} 1
# HELP h x
# TYPE h histogram
h_bucket{le=\"1.0\"} 1 # {trace=\"x\"} 0.5
h_bucket{le=\"+Inf\"} 2
h_sum 1
h_count 2
# HELP g x
# TYPE g gaugehistogram
g_bucket{le=\"+Inf\"} 2
g_gcount 2
g_gsum 2
# HELP s x
# TYPE s stateset
s{s=\"on\"} 1
s{s=\"off\"} 0
";
    assert_eq!(open(clean), [""; 0]);
}

#[test]
fn openmetrics_that_is_wrong() {
    for (text, expected) in [
        ("# TYPE a gauge\na 1\n", "1 a no help text"),
        (
            "# HELP a x\n# TYPE a counter\na 1\n",
            "3 a samples of its type end in _total, _created",
        ),
        (
            "# HELP a_total x\n# TYPE a_total counter\na_total 1\n",
            "3 a_total samples of its type end in _total, _created",
        ),
        (
            "# HELP a x\n# TYPE a info\na_info 2\n",
            "3 a the value of an info is 1",
        ),
        (
            "# HELP a x\n# TYPE a stateset\na{b=\"c\"} 1\n",
            "3 a sample without its state",
        ),
        (
            "# HELP a x\n# UNIT a bytes\na 1\n",
            "2 a unit \"bytes\" is not the end of the name",
        ),
        (
            "# HELP a_b x\n# UNIT a_b b\n# UNIT a_b b\n",
            "3 a_b second UNIT line",
        ),
        (
            "# TYPE a gauge\na 1\n# HELP a x\n",
            "3 a HELP line after samples",
        ),
        (
            "# HELP a_s x\na_s 1\n# UNIT a_s s\n",
            "3 a_s UNIT line after samples",
        ),
        ("# HELP a x\na 1 1\na 1 1\n", "3 a metric not unique"),
        (
            "# HELP a x\n# TYPE a stateset\na{a=\"b\"} 2\n",
            "3 a the value of a state is 0 or 1",
        ),
        (
            "# UNIT a_bytes bytes\n# TYPE a_bytes info\na_bytes_info 1\n",
            "1 a_bytes infos and statesets have no unit",
        ),
        (
            "# TYPE a_s stateset\n# UNIT a_s s\na_s{a_s=\"b\"} 1\n",
            "2 a_s infos and statesets have no unit",
        ),
        (
            "# TYPE a counter\na_total 1\n# TYPE a_created gauge\na_created 1\n",
            "3 a_created clashes with the family a: a_created may be a sample of both",
        ),
        (
            "# TYPE a_count gauge\na_count 1\n# TYPE a summary\na_sum 1\n",
            "3 a clashes with the family a_count: a_count may be a sample of both",
        ),
        (
            "# TYPE a gauge\na 1 # {t=\"x\"} 1\n",
            "2 a exemplar on a sample that may have none",
        ),
        (
            "# TYPE a counter\na_created 1 # {} 1\n",
            "2 a exemplar on a sample that may have none",
        ),
        (
            "# HELP a_ms x\n# TYPE a_ms counter\na_ms_total 1\n",
            "1 a_ms metric names should not contain abbreviated units",
        ),
    ] {
        let said = open(text);
        assert!(said.iter().any(|line| line == expected), "{text}: {said:?}");
    }
    let exemplar = |length| {
        format!(
            "# TYPE a counter\na_total 1 # {{t=\"{}\"}} 1\n",
            "é".repeat(length)
        )
    };
    let too_long = "2 a the exemplar's labels are longer than 128 characters".to_owned();
    assert!(open(&exemplar(128)).contains(&too_long));
    assert!(!open(&exemplar(127)).contains(&too_long));
    let cut = lint(b"# HELP a x\na 1\n", Format::OpenMetrics100);
    assert_eq!(
        said(&cut),
        ["2  column 1: found the end of the text, expected '# EOF' as the last line"]
    );
    let after = lint(b"# EOF\n\n", Format::OpenMetrics100);
    assert_eq!(
        said(&after),
        ["2  column 1: found the end of the line, expected nothing after '# EOF'"]
    );
}

#[test]
fn counters_that_do_not_count_are_told_mildly() {
    let text =
        |sample, value| format!("# HELP a_total x\n# TYPE a_total counter\n{sample} {value}\n");
    let infinite = "the value of a counter is no finite number";
    let negative = "the value of a counter is negative";
    for (value, expected) in [
        ("NaN", Some(infinite)),
        ("+Inf", Some(infinite)),
        ("-Inf", Some(infinite)),
        ("-1", Some(negative)),
        ("-0", None),
        ("0", None),
    ] {
        let findings = lint(text("a_total", value).as_bytes(), Format::Text004);
        let told: Vec<_> = findings
            .iter()
            .map(|f| (f.line, f.problem.as_str(), f.severity))
            .collect();
        let wanted: Vec<_> = expected
            .map(|problem| (3, problem, Severity::Warning))
            .into_iter()
            .collect();
        assert_eq!(told, wanted, "{value}");
    }
    let gauge = "# HELP a x\n# TYPE a gauge\na NaN\na{b=\"c\"} -1\n";
    assert_eq!(lint(gauge.as_bytes(), Format::Text004), []);
    // When a counter was made may be before 1970, and is no count.
    let created = "# HELP a x\n# TYPE a counter\na_total 1\na_created -1\n";
    assert_eq!(open(created), [""; 0]);
    let open_total = "# HELP a x\n# TYPE a counter\na_total -1\n";
    assert_eq!(open(open_total), [format!("3 a {negative}")]);
}

/// promtool takes it, Prometheus 3 refuses the whole text: "invalid metric type".
#[test]
fn two_blanks_before_a_type() {
    for blanks in ["  ", "\t\t", " \t"] {
        let text = format!("# HELP a x\n# TYPE a{blanks}gauge\na 1\n");
        let findings = lint(text.as_bytes(), Format::Text004);
        let told: Vec<_> = findings.iter().map(|f| (f.line, f.severity)).collect();
        assert_eq!(told, [(2, Severity::Error)], "{text}");
    }
    let text = b"#  HELP \t a  x\n# \tTYPE\t a\tgauge\na 1\n";
    assert_eq!(lint(text, Format::Text004), []);
}

/// A line of n bytes may have n labels, and a name as long: neither time nor memory grows with the square.
#[test]
fn a_line_of_many_faults_stays_small() {
    use std::fmt::Write;

    let name = "n".repeat(300_000);
    let mut text = format!("# HELP {name} x\n# TYPE {name} gauge\n{name}{{");
    for label in 0..60_000 {
        write!(text, "xX{}=\"\",", label % 50_000).unwrap();
    }
    text += "} 1\n";
    let findings = lint(text.as_bytes(), Format::Text004);
    let repeated = findings
        .iter()
        .filter(|f| f.problem.contains("more than once"));
    assert_eq!(repeated.count(), 1);
    assert!(findings.len() >= 50_000);
    // The name is cut wherever findings come from.
    assert!(findings.iter().all(|f| f.metric.chars().count() <= 201));
    let kept: usize = findings
        .iter()
        .map(|f| f.metric.len() + f.problem.len())
        .sum();
    assert!(
        kept < 20 * text.len(),
        "{kept} bytes kept of {}",
        text.len()
    );
}

#[test]
fn broken_text_is_told_with_a_hint() {
    let findings = lint(b"# HELP a x\r\na{b=\"\xff\"} 1\na 1\r\n", Format::Text004);
    let told: Vec<_> = findings
        .iter()
        .map(|f| (f.line, f.severity, f.hint))
        .collect();
    assert_eq!(
        told,
        [
            (2, Severity::Error, "the text must be UTF-8"),
            (
                3,
                Severity::Error,
                "end lines with a newline alone, without a carriage return"
            ),
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Text004, Format::OpenMetrics100] {
            let lines = input.split(|&b| b == b'\n').count();
            for finding in lint(&input, format) {
                prop_assert!((1..=lines).contains(&finding.line), "{finding:?}");
            }
        }
    }

    /// Lines that are well by themselves, in any order.
    #[test]
    fn any_lines_are_judged_without_panic(
        lines in proptest::collection::vec(
            "(# (HELP|TYPE) a(_sum|_total)? (counter|histogram|summary|info|x))|\
             a(_sum|_total|_bucket|_info)?(\\{le=\"(1|é)\"\\})? 1",
            0..12,
        ),
    ) {
        let text = lines.join("\n");
        for format in [Format::Text004, Format::OpenMetrics100] {
            for finding in lint(text.as_bytes(), format) {
                prop_assert!((1..=lines.len().max(1)).contains(&finding.line), "{finding:?}");
            }
        }
    }
}

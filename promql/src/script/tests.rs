//! Scripts that are right, and the same ones broken: a runner that lets one of these pass tests nothing.

use super::{Failure, OutOfScope, Outcome, Script};

/// What is loaded before each evaluation.
const LOADED: &str = r#"
load 1m
    a{x="1"} 1 2 3 4 5
    a{x="2"} 10 20 30 40 50
    b_total 0+60x4
    c{x="1"} 0
    h_bucket{le="1"} 5 5 5
    h_bucket{le="2"} 4 4 4
    h_bucket{le="+Inf"} 6 6 6
    n {{sum:1 count:1}} 1

"#;

fn outcome(evaluation: &str) -> Outcome {
    let script = Script::parse(&format!("{LOADED}{evaluation}")).unwrap();
    let mut evaluations = script.run().evaluations;
    assert_eq!(evaluations.len(), 1, "{evaluation}");
    evaluations.remove(0).outcome
}

fn failure(evaluation: &str) -> Failure {
    match outcome(evaluation) {
        Outcome::Failed(failure) => failure,
        other => panic!("{evaluation}\n{other:?}"),
    }
}

#[test]
fn what_is_right_passes() {
    for evaluation in [
        "eval instant at 2m a\n a{x=\"1\"} 3\n a{x=\"2\"} 30",
        "eval instant at 2m a\n a{x=\"2\"} 30.00001\n a{x=\"1\"} 3",
        "eval instant at 2m sort(a)\n expect ordered\n a{x=\"1\"} 3\n a{x=\"2\"} 30",
        "eval_ordered instant at 2m sort_desc(a)\n a{x=\"2\"} 30\n a{x=\"1\"} 3",
        "eval instant at 2m 1 + 1\n 2",
        "eval instant at 2m a / 0 * 0 > 1",
        "eval instant at 2m vector(NaN)\n {} NaN",
        "eval instant at 2m \"text\"\n expect string 'text'",
        "eval instant at 2m time()\n 120",
        "eval instant at 4m a{x=\"1\"}[90s]\n expect range vector from 3m to 4m step 1m\n a{x=\"1\"} 4 5",
        "eval range from 0 to 2m step 1m a{x=\"1\"}\n a{x=\"1\"} 1 2 3",
        "eval range from 0 to 2m step 1m a{x=\"1\"} > 1\n a{x=\"1\"} _ 2 3",
        "eval range from 3m to 9m step 3m a{x=\"1\"}\n a{x=\"1\"} 4 5",
        "eval instant at 4m rate(a{x=\"1\"}[4m])\n expect info\n {x=\"1\"} 0.016666666",
        "eval_info instant at 4m rate(a{x=\"1\"}[4m])\n {x=\"1\"} 0.016666666",
        "eval instant at 4m rate(b_total[4m])\n expect no_info\n expect no_warn\n {} 1",
        "eval instant at 2m quantile(2, c)\n expect warn msg: PromQL warning: quantile value should be between 0 and \
         1, got 2 (1:10)\n {} +Inf",
        "eval_warn instant at 2m quantile(2, c)\n {} +Inf",
        "eval instant at 2m quantile(2, c)\n expect warn regex: quantile .* got 2 \\(\\d+:\\d+\\)\n {} +Inf",
        "eval instant at 2m a * on() c\n expect fail",
        "eval instant at 2m a * on() c\n expect fail regex: many",
        "eval instant at 2m ceil({__name__=~\"a|c\", x=\"1\"})\n expect fail msg: vector cannot contain metrics with \
         the same labelset",
        "eval_fail instant at 2m ceil({__name__=~\"a|c\", x=\"1\"})\n expected_fail_message vector cannot contain \
         metrics with the same labelset",
        "eval_fail instant at 2m ceil({__name__=~\"a|c\", x=\"1\"})\n expected_fail_regexp same label.?set",
        "eval instant at 2m a +\n expect fail",
    ] {
        assert_eq!(outcome(evaluation), Outcome::Passed, "{evaluation}");
    }
}

#[test]
fn what_is_wrong_fails() {
    for (evaluation, wanted, got) in [
        (
            "eval instant at 2m c\n c{x=\"1\"} 1",
            r#"c{x="1"} 1"#,
            r#"c{x="1"} 0"#,
        ),
        (
            "eval instant at 2m c\n c{x=\"1\"} 0\n c 1",
            "c",
            r#"c{x="1"} 0"#,
        ),
        (
            "eval instant at 2m a\n a{x=\"1\"} 3",
            r#"no a{x="2"}"#,
            "30",
        ),
        ("eval instant at 2m c", r#"no c{x="1"}"#, r#"c{x="1"} 0"#),
        ("eval instant at 2m c\n c{x=\"2\"} 0", r#"no c{x="1"}"#, "0"),
        (
            "eval instant at 2m c + 1\n c{x=\"1\"} 1",
            r#"no {x="1"}"#,
            "1",
        ),
        (
            "eval instant at 2m sort(a)\n expect ordered\n a{x=\"2\"} 30\n a{x=\"1\"} 3",
            r#"a{x="1"} in place 2"#,
            "30",
        ),
        (
            "eval_ordered instant at 2m sort_desc(a)\n a{x=\"1\"} 3\n a{x=\"2\"} 30",
            r#"a{x="2"} in place 2"#,
            "30",
        ),
        ("eval instant at 2m 1 + 1\n 3", "3", "2"),
        ("eval instant at 2m 1 + 1\n {} 2", "{}", "the number 2"),
        ("eval instant at 2m 1 + 1", "no series", "the number 2"),
        ("eval instant at 2m vector(1)\n 1", "the number 1", "{} 1"),
        ("eval instant at 2m vector(1)\n {} NaN", "{} NaN", "{} 1"),
        (
            "eval instant at 2m vector(NaN)\n {} stale",
            "{} NaN",
            "{} NaN",
        ),
        (
            "eval instant at 2m \"text\"\n expect string 'test'",
            "test",
            "text",
        ),
        ("eval instant at 2m \"text\"", "no series", "text"),
        ("eval instant at 2m c\n expect string 'c'", "the text", "c{"),
        (
            "eval instant at 2m c[3m]\n c{x=\"1\"} 0",
            "instant vector",
            "c{",
        ),
        (
            "eval instant at 4m a{x=\"1\"}[90s]\n expect range vector from 2m to 4m step 1m\n a{x=\"1\"} 3 4 5",
            "3@120000 4@180000 5@240000",
            "4@180000 5@240000",
        ),
        (
            "eval range from 0 to 2m step 1m a{x=\"1\"}\n a{x=\"1\"} 1 2 4",
            "4@120000",
            "3@120000",
        ),
        (
            "eval range from 0 to 2m step 1m a{x=\"1\"}\n a{x=\"1\"} 1 2",
            "2@60000",
            "3@120000",
        ),
        (
            "eval range from 0 to 2m step 1m a{x=\"1\"} > 1\n a{x=\"1\"} 2 3",
            "2@0 3@60000",
            "2@60000 3@120000",
        ),
        (
            "eval range from 0 to 2m step 1m a{x=\"1\"}\n a{x=\"1\"} 1 2 3 4",
            "4 points",
            "3 points",
        ),
        ("eval range from 0 to 2m step 1m c", r#"no c{x="1"}"#, "0@0"),
        (
            "eval range from 0 to 2m step 1m c > 1\n c 1",
            "c",
            "nothing",
        ),
        (
            "eval range from 0 to 2m step 1m 1\n 1",
            "the number 1",
            "{} 1@0",
        ),
        (
            "eval instant at 4m rate(b_total[4m])\n expect info\n {} 1",
            "some info",
            "no info",
        ),
        (
            "eval_info instant at 4m rate(b_total[4m])\n {} 1",
            "some info",
            "no info",
        ),
        (
            "eval instant at 4m rate(a{x=\"1\"}[4m])\n expect no_info\n {x=\"1\"} 0.016666666",
            "no info",
            "might not be a counter",
        ),
        (
            "eval instant at 2m quantile(2, c)\n expect warn msg: PromQL warning: quantile\n {} +Inf",
            "\"PromQL warning: quantile\"",
            "got 2",
        ),
        (
            "eval instant at 2m quantile(2, c)\n expect warn regex: quantile .* got 3 \\(\\d+:\\d+\\)\n {} +Inf",
            "got 3",
            "got 2",
        ),
        (
            "eval instant at 2m quantile(2, c)\n expect no_warn\n {} +Inf",
            "no warning",
            "got 2",
        ),
        (
            "eval instant at 2m c\n expect warn\n c{x=\"1\"} 0",
            "some warning",
            "no warning",
        ),
        (
            "eval_warn instant at 2m c\n c{x=\"1\"} 0",
            "some warning",
            "no warning",
        ),
        ("eval instant at 2m c\n expect fail", "an error", "0"),
        ("eval_fail instant at 2m c", "an error", "0"),
        (
            "eval instant at 2m a * on() c\n expect fail msg: many",
            "\"many\"",
            "many-to-one",
        ),
        (
            "eval instant at 2m a * on() c\n expect fail regex: ^none$",
            "^none$",
            "many-to-one",
        ),
        (
            "eval_fail instant at 2m a * on() c\n expected_fail_message many",
            "\"many\"",
            "many-to-one",
        ),
        (
            "eval_fail instant at 2m a * on() c\n expected_fail_regexp ^none$",
            "^none$",
            "many-to-one",
        ),
        ("eval instant at 2m a * on() c", "a value", "many-to-one"),
        ("eval instant at 2m a +", "a value", "error"),
        (
            "eval range from 0 to 2m step 1m a * on() c",
            "a value",
            "many-to-one",
        ),
    ] {
        let failure = failure(evaluation);
        assert!(failure.wanted.contains(wanted), "{evaluation}\n{failure}");
        assert!(failure.got.contains(got), "{evaluation}\n{failure}");
        let text = failure.to_string();
        assert!(text.contains(wanted) && text.contains(got), "{text}");
    }
}

#[test]
fn out_of_scope_is_skipped_by_name() {
    for (evaluation, reason) in [
        (
            "eval instant at 2m n\n n {{sum:1}}",
            "native histograms are expected",
        ),
        (
            "eval instant at 2m sum(n)\n {} 1",
            "selects native histograms: n",
        ),
        (
            "eval instant at 2m sum(n </ 1)",
            "selects native histograms: n",
        ),
        ("eval instant at 2m info(a)", "info()"),
        ("eval instant at 2m a[1m+1m]", "duration expression"),
        ("eval instant at 2m rate(a[1m] anchored)", "extended vector"),
    ] {
        match outcome(evaluation) {
            Outcome::Skipped(why) => assert_eq!(why.to_string(), reason),
            other => panic!("{evaluation}\n{other:?}"),
        }
    }
}

#[test]
fn start_timestamps_and_converted_histograms_are_skipped() {
    let text = "load_with_nhcb 1m\n h_bucket{le=\"1\", x=\"2\"} 1\n a_total@st -1m\n a_total 1\n\n\
                eval instant at 0 h\n\neval instant at 0 a_total\n a_total 1\n\neval instant at 0 h_bucket\n \
                h_bucket{le=\"1\", x=\"2\"} 1";
    let evaluations = Script::parse(text).unwrap().run().evaluations;
    let outcomes: Vec<_> = evaluations.iter().map(|e| &e.outcome).collect();
    assert!(matches!(
        outcomes[0],
        Outcome::Skipped(OutOfScope::SelectsHistograms(_))
    ));
    assert!(matches!(
        outcomes[1],
        Outcome::Skipped(OutOfScope::SelectsStartTimestamps(_))
    ));
    assert_eq!(*outcomes[2], Outcome::Passed);
}

#[test]
fn loads_add_up_until_cleared() {
    let text = "load 1m\n a 1 2\n a 3\nload 1m\n b 1\n\neval instant at 0 a + on() b\n {} 4\n\n# a comment\nclear\n\n\
                eval instant at 0 a\n\nload 1m\n a 1\n\nload 1m\n a 1 2\n\neval instant at 1m a\n a 2\n\n\
                load 1m\n a 7";
    // The second load lies within the block of the first and is no series.
    let error = Script::parse(text).unwrap_err();
    assert_eq!(error.line, 4);
    let text = text.replacen("\nload 1m\n b", "\n\nload 1m\n b", 1);
    let report = Script::parse(&text).unwrap().run();
    assert_eq!(report.counts(), [3, 1, 0]);
    let last = report.evaluations.last().unwrap();
    assert_eq!((last.line, last.expression.as_str()), (26, "load a"));
}

#[test]
fn what_is_no_script_has_its_line() {
    for (text, line, message) in [
        ("\nlod 1m", 2, "no command"),
        ("load 1q\n", 1, "step of load"),
        ("load 1m\n a{ 1", 2, "label"),
        ("load 1m\n a 1x", 2, "how often"),
        ("eval instant 5m a", 1, "eval instant at"),
        ("eval instant at x a", 1, "the time"),
        ("eval instant at 5m", 1, "eval instant at"),
        ("eval sometimes at 5m a", 1, "eval instant at"),
        ("eval range from 0 til 5m step 1m a", 1, "to is expected"),
        ("eval range from 0 to 5m by 1m a", 1, "step is expected"),
        ("eval range from 5m to 0 step 1m a", 1, "before"),
        ("eval range from 0 to 5m step 0 a", 1, "not 0"),
        ("eval_ordered range from 0 to 5m step 1m a", 1, "order"),
        ("eval instant at 0 a\n a 1 2", 2, "one value"),
        ("eval instant at 0 a\n a", 2, "one value"),
        ("eval instant at 0 a\n a 1\n a 2", 3, "twice"),
        ("eval instant at 0 a\n a one", 2, "number"),
        ("eval instant at 0 a\n expect all", 2, "cannot be expected"),
        (
            "eval instant at 0 a\n expect warn text: x",
            2,
            "msg: or regex:",
        ),
        (
            "eval instant at 0 a\n expect no_warn msg: x",
            2,
            "no pattern",
        ),
        ("eval instant at 0 a\n expect warn regex: (", 2, "pattern"),
        (
            "eval instant at 0 a\n expect warn\n expect no_warn",
            1,
            "both",
        ),
        (
            "eval instant at 0 a\n expect fail\n expect fail",
            3,
            "twice",
        ),
        ("eval instant at 0 a\n expect string x", 2, "quotes"),
        (
            "eval instant at 0 a\n expect range from 0 to 1m step 1m",
            2,
            "range vector",
        ),
        (
            "eval instant at 0 a\n expect range vector from 0 to 1m step 1m x",
            2,
            "nothing",
        ),
    ] {
        let error = Script::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
}

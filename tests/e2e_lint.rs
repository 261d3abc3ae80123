//! `tidegauge check metrics` and promtool agree.

use std::process::Command;

use tidegauge_rig::{Exporter, Scratch, Which, needs, promtool};

/// What promtool was recorded to say of each exposition; our own test compares ours with that.
const CASES: &str = include_str!("fixtures/lint/cases.txt");

#[test]
fn promtool_still_says_what_was_recorded() {
    needs!("prometheus3");
    for case in CASES.split("=== ").skip(1) {
        let (verdict, text) = case.split_once('\n').expect("a verdict and a text");
        let text = text.strip_suffix("<no newline>\n").unwrap_or(text);
        let said = promtool(Which::V3, &["check", "metrics"], text);
        let mut lines: Vec<String> = said
            .stderr
            .lines()
            .chain(said.stdout.lines())
            .map(str::to_owned)
            .collect();
        lines.sort();
        let kind = verdict.split(':').next().expect("a word");
        let code = match kind {
            "silent" => 0,
            "finds" => 3,
            _ => 1,
        };
        assert_eq!(said.code, Some(code), "{text}{said:?}");
        if kind == "finds" {
            assert_eq!(format!("finds: {}", lines.join(" | ")), verdict, "{text}");
        }
    }
}

#[test]
fn our_own_metrics_are_clean_and_faults_are_told() {
    needs!("binary");
    let exporter = Exporter::start(&[], "tiers: [{name: hot, paths: [/]}]\n");
    let scratch = Scratch::new("lint");
    let check = |text: &str| {
        let file = scratch.file("m.prom", text);
        let binary =
            std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
        let output = Command::new(binary)
            .args(["check", "metrics"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (
            output.status.code(),
            said.replace(file.to_str().unwrap(), "m.prom"),
        )
    };
    for accept in ["text/plain", "application/openmetrics-text"] {
        let text = exporter
            .get("/metrics", &[("Accept", accept)])
            .unwrap()
            .text()
            .to_owned();
        assert_eq!(check(&text), (Some(0), String::new()), "{accept}");
    }
    assert_eq!(
        check("a_ms 1\nb{c=1} 2\n"),
        (
            Some(1),
            "m.prom:1: a_ms: no help text (add a HELP line)\nm.prom:1: a_ms: metric names should not contain abbreviated units\nm.prom:2: a quote is missing (a scraper refuses the whole text)\n".to_owned()
        )
    );
    exporter.stop();
}

//! `test rules` says what promtool says: verdicts, alerts, annotations and samples, word for word.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use tidegauge_rig::{Which, needs, promtool};

/// What both say of these files: exit code, standard error.
fn both(files: &[PathBuf]) -> [(Option<i32>, String); 2] {
    let names: Vec<&str> = files
        .iter()
        .map(|file| file.to_str().expect("a plain name"))
        .collect();
    let arguments: Vec<&str> = ["test", "rules"].into_iter().chain(names).collect();
    let theirs = promtool(Which::V3, &arguments, "");
    let ours = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .args(&arguments)
        .output()
        .expect("it runs");
    let said = String::from_utf8(ours.stderr).expect("it is text");
    [(theirs.code, theirs.stderr), (ours.status.code(), said)]
}

/// A line without what only Go's or only our words are: where in a template it failed, and why a sample was refused.
fn plain(line: &str) -> String {
    let place =
        Regex::new(r#"template: __alert_T\d+:1:\d+: executing \\"__alert_T\d+\\" at <.*?>: "#)
            .expect("a pattern");
    let calling = Regex::new(r"(wrong type for value; |error calling \w+: )").expect("a pattern");
    let refused =
        Regex::new(r"err: (duplicate sample|out of order|\d+ of \d+ samples were refused).*")
            .expect("a pattern");
    let line = place.replace_all(line, "");
    let line = calling.replace_all(&line, "");
    refused.replace_all(&line, "err: refused").into_owned()
}

/// Lines in which they differ.
fn difference([theirs, ours]: &[(Option<i32>, String); 2]) -> String {
    let mut shown = String::new();
    if theirs.0 != ours.0 {
        writeln!(shown, "exit code {:?}, ours {:?}", theirs.0, ours.0).expect("it can be done");
    }
    let (theirs, ours) = (plain(&theirs.1), plain(&ours.1));
    let (mut theirs, mut ours) = (theirs.lines(), ours.lines());
    loop {
        match (theirs.next(), ours.next()) {
            (None, None) => return shown,
            (a, b) if a == b => {}
            (a, b) => writeln!(shown, "- {}\n+ {}", a.unwrap_or(""), b.unwrap_or(""))
                .expect("it can be done"),
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("it can be done");
    path
}

/// Templates, with a value and labels around them.
const TEMPLATES: &[&str] = &[
    "{{ $value }}",
    "{{ . }}x",
    "{{ humanize $value }}",
    "{{ humanize1024 $value }}",
    "{{ humanizeDuration $value }}",
    "{{ humanizePercentage $value }}",
    "{{ humanizeTimestamp $value }}",
    "{{ $value | printf \"%.2f %5.1f %e %g %v %6.3g|%-9.1f|%+.1f\" $value $value $value $value $value $value $value }}",
    "{{ printf \"%s %d %q %x %t %c\" $labels.n 42 $labels.n 255 true 65 }}",
    "{{ printf \"%d\" $value }}",
    "{{ print $value 1 \"a\" 2 3 }}{{ println $value \"b\" }}",
    "{{ toTime $value }} {{ (toTime $value).Year }} {{ (toTime $value).Format \"Mon Jan _2 15:04:05 2006\" }}",
    "{{ parseDuration \"1h30m\" }}",
    "{{ $labels.n }}|{{ $labels.none }}|{{ .Labels.n }}|{{ index $labels \"none\" }}",
    "{{ $labels }}",
    "{{ $externalLabels }} {{ $externalURL }}",
    "{{ if gt $value 10.0 }}big{{ else if lt $value 0.0 }}neg{{ else }}small{{ end }}",
    "{{ if eq $labels.none \"\" }}none{{ end }}{{ if $labels.none }}some{{ end }}",
    "{{ range query \"sort(v)\" }}{{ .Labels.n }}={{ .Value }};{{ end }}",
    "{{ with query \"v{n='1'}\" }}{{ . | first | value | humanize }}{{ end }}",
    "{{ query \"count(v)\" | first | value }} {{ query \"42\" | first | value }}",
    "{{ range query \"v\" | sortByLabel \"n\" }}{{ label \"n\" . }}{{ strvalue . }} {{ end }}",
    "{{ with query \"none\" }}a{{ else }}b{{ end }}",
    "{{ reReplaceAll \"(.)\" \"<$1>\" $labels.n }} {{ reReplaceAll \"[0-9]\" \"\" \"a1b2\" }}",
    "{{ match \"^[0-9]+$\" $labels.n }}",
    "{{ title \"hello wORLD of-tiers and_such it's\" }} {{ toUpper \"aé\" }} {{ toLower \"AÉ\" }}",
    "{{ stripPort \"host.example.com:9100\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"::1\" }}",
    "{{ stripDomain \"host.example.com:9100\" }} {{ stripDomain \"10.1.2.3:80\" }} {{ stripDomain \"a.b\" }}",
    "{{ graphLink \"up > 0\" }} {{ tableLink \"sum(x{a='b'})\" }}",
    "{{ urlquery \"a b&c/d?e~f*\" }}",
    "{{ html \"<a href='x'>&</a>\" }} {{ js \"it's \\\"q\\\"\" }} {{ safeHtml \"<b>\" }}",
    "{{ define \"t\" }}[{{ .arg0 }}/{{ .arg1 }}/{{ .arg2 }}]{{ end }}{{ template \"t\" (args $value $labels.n) }}",
    "{{ len $labels }} {{ len \"abc\" }} {{ slice \"abcdef\" 1 3 }}",
    "{{ $x := 1.0 }}{{ range $i, $s := query \"v\" | sortByLabel \"n\" }}{{ if eq $i 1 }}{{ $x = $s.Value }}{{ end }}{{ end }}{{ $x }}",
    "{{- $labels.n -}}   {{/* a comment */}} {{ \"}}\" }} {{ `raw` }}",
    "{{ and 1 0 }} {{ or 0 \"x\" }} {{ not true }} {{ and $labels.none \"x\" }}|",
    "{{ humanize \"1234.5\" }} {{ humanizeDuration \"90\" }} {{ humanize 3 }}",
    "{{ ge 2 1 }} {{ le \"a\" \"b\" }} {{ ne 1 1 }} {{ eq 1 2 3 1 }} {{ eq $value $value }}",
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}",
    "{{ 0x10 }} {{ 1e3 }} {{ 'a' }} {{ 1_000 }} {{ 1000000.0 }} {{ 0.00001 }} {{ -0.0 }}",
    "{{ range $i, $e := query \"v\" }}{{ if gt $i 1 }}{{ break }}{{ end }}{{ $i }}{{ end }}",
];

/// Values that templates are tried on. `@` with Prometheus's tests has no NaN in a comparison, so the alert has none.
const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.5",
    "0.1",
    "12.345",
    "99.95",
    "999.95",
    "1000",
    "1023.9",
    "1024",
    "1536",
    "12345",
    "123456",
    "1234567",
    "1e15",
    "1e21",
    "1.5e-5",
    "0.00123",
    "-0.25",
    "3599",
    "3600",
    "86399.5",
    "90061.25",
    "1700000000",
    "1700000000.123",
    "Inf",
    "-Inf",
    "NaN",
    "1e308",
    "5e-324",
    "-12345678.9",
    "2.5",
    "1e6",
    "1e-4",
    "100000",
];

#[test]
fn templates_give_the_same_text() {
    needs!("prometheus3");
    let folder = tidegauge_rig::Scratch::new("promtool-templates");
    let folder = folder.path();
    let mut rules = "groups:\n- name: g\n  rules:\n".to_owned();
    for (index, template) in TEMPLATES.iter().enumerate() {
        let quoted = template.replace('\'', "''");
        // What lists all series does so once.
        let few = template.contains("query \"v\"") || template.contains("sort(v)");
        let of = if few { "v{n=\"1\"}" } else { "v" };
        writeln!(
            rules,
            "  - alert: T{index}\n    expr: {of}\n    labels: {{l: '{quoted}'}}\n    annotations: {{a: '{quoted}'}}"
        )
        .expect("it can be done");
    }
    write(folder, "r.yml", &rules);
    let mut test = "rule_files: [r.yml]\ntests:\n- name: t\n  external_url: https://a.example.com/b\n  external_labels: {site: north}\n  input_series:\n".to_owned();
    for (index, value) in VALUES.iter().enumerate() {
        writeln!(
            test,
            "  - {{series: 'v{{n=\"{index}\"}}', values: '{value}'}}"
        )
        .expect("it can be done");
    }
    test += "  alert_rule_test:\n";
    for index in 0..TEMPLATES.len() {
        writeln!(
            test,
            "  - {{eval_time: 0s, alertname: T{index}, exp_alerts: []}}"
        )
        .expect("it can be done");
    }
    let said = both(&[write(folder, "t.test.yml", &test)]);
    assert!(said[0].1.contains("alertname: T0"), "{}", said[0].1);
    let differs = difference(&said);
    assert!(differs.is_empty(), "{differs}");
}

/// As good as random, and the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).expect("it can be done"))
            .expect("it can be done")
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const EXPRESSIONS: &[&str] = &[
    "a > 3",
    "a > bool 3",
    "sum by (t) (a) > 5",
    "rate(a[5m]) > 0",
    "a and on (t) b > 2",
    "a > 3 unless on (t) b",
    "absent(a)",
    "r0 > 2",
    "r1 or a > 4",
    "a > 8 or (a > 4 and on (t) ALERTS{alertname=\"A0\", alertstate=\"firing\"})",
    "predict_linear(a[10m], 600) > 10",
    "max_over_time(a[5m:1m]) > 5",
    "time() - ALERTS_FOR_STATE > 120",
    "count by (alertname) (ALERTS{alertstate=\"firing\"})",
    "1",
    "vector(1) > 0",
    "a / 0 > 1",
    "max(a)",
    "a offset 2m > 3",
    "changes(a[10m]) > 1",
    "a @ 120 > 2",
];

fn file_of_rules(dice: &mut Dice) -> String {
    let mut rules = String::from("groups:\n");
    for group in 0..1 + dice.roll(2) {
        writeln!(rules, "- name: g{group}\n  interval: 3m").expect("it can be done");
        if dice.roll(4) == 0 {
            rules += "  labels: {team: x, l: group}\n";
        }
        if dice.roll(6) == 0 {
            rules += "  limit: 2\n";
        }
        if dice.roll(6) == 0 {
            rules += "  query_offset: 1m\n";
        }
        rules += "  rules:\n";
        for rule in 0..2 + dice.roll(3) {
            let expression = dice.pick(EXPRESSIONS).replace('\'', "''");
            if dice.roll(3) == 0 {
                let labels = dice.pick(&["{}", "{k: v}", "{t: same}"]);
                writeln!(
                    rules,
                    "  - {{record: r{group}, expr: '{expression}', labels: {labels}}}"
                )
                .expect("it can be done");
                continue;
            }
            writeln!(rules, "  - alert: A{rule}\n    expr: '{expression}'")
                .expect("it can be done");
            writeln!(
                rules,
                "    for: {}",
                dice.pick(&["0s", "0s", "1m", "3m", "10m"])
            )
            .expect("it can be done");
            if dice.roll(2) == 0 {
                writeln!(
                    rules,
                    "    keep_firing_for: {}",
                    dice.pick(&["1m", "2m", "5m"])
                )
                .expect("it can be done");
            }
            let labels = dice.pick(&[
                "{}",
                "{l: '{{ $value }}'}",
                "{l: '{{ $labels.t }}-'}",
                "{t: ''}",
                "{t: same}",
            ]);
            writeln!(
                rules,
                "    labels: {labels}\n    annotations: {{v: '{{{{ $value }}}}', e: ''}}"
            )
            .expect("it can be done");
        }
    }
    rules
}

fn file_of_tests(dice: &mut Dice, rules: &str) -> String {
    let interval = dice.pick(&["30s", "1m", "1m", "2m"]);
    let mut tests = format!("rule_files: [{rules}]\nevaluation_interval: {interval}\n");
    // Without an order promtool's is that of a Go map.
    tests += dice.pick(&[
        "group_eval_order: [g1, g0]\n",
        "group_eval_order: [g0, g1]\n",
    ]);
    if dice.roll(4) == 0 {
        tests += "fuzzy_compare: true\n";
    }
    tests += "tests:\n";
    for test in 0..1 + dice.roll(2) {
        writeln!(
            tests,
            "- interval: {}\n  name: t{test}\n  input_series:",
            dice.pick(&["30s", "1m", "3m"])
        )
        .expect("it can be done");
        for series in [
            "a{t=\"x\"}",
            "a{t=\"y\"}",
            "a{t=\"y\", u=\"z\"}",
            "b{t=\"x\"}",
        ] {
            let mut values = String::new();
            for _ in 0..3 + dice.roll(8) {
                values += dice.pick(&[
                    "1 ", "5 ", "9 ", "_ ", "stale ", "3+1x3 ", "10-2x4 ", "_x3 ", "4x5 ", "2.5 ",
                ]);
            }
            writeln!(tests, "  - {{series: '{series}', values: '{values}'}}")
                .expect("it can be done");
        }
        tests += "  alert_rule_test:\n";
        if dice.roll(3) == 0 {
            // Right, if no rule fails.
            tests += "  - {eval_time: 9m, alertname: None, exp_alerts: []}\n  promql_expr_test:\n";
            tests += "  - {eval_time: 9m, expr: 'absent(none)', exp_samples: [{labels: '{}', value: 1}]}\n";
            continue;
        }
        for _ in 0..4 {
            let (minutes, alert) = (dice.roll(20), dice.roll(4));
            writeln!(
                tests,
                "  - {{eval_time: {minutes}m, alertname: A{alert}, exp_alerts: []}}"
            )
            .expect("it can be done");
        }
        tests += "  promql_expr_test:\n";
        for expression in [
            "r0",
            "r1",
            "ALERTS",
            "ALERTS_FOR_STATE",
            "sum(a)",
            "rate(a[5m])",
        ] {
            let minutes = dice.roll(20);
            writeln!(
                tests,
                "  - {{eval_time: {minutes}m30s, expr: '{expression}', exp_samples: []}}"
            )
            .expect("it can be done");
        }
    }
    tests
}

#[test]
fn generated_tests_end_alike() {
    needs!("prometheus3");
    let folder = tidegauge_rig::Scratch::new("promtool-generated");
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let files: Vec<PathBuf> = (0..150)
        .map(|number| {
            let rules = format!("r{number}.yml");
            write(folder.path(), &rules, &file_of_rules(&mut dice));
            let tests = file_of_tests(&mut dice, &rules);
            write(folder.path(), &format!("{number}.test.yml"), &tests)
        })
        .collect();
    let mut wrong = String::new();
    let (mut alerts, mut samples, mut passed) = (0, 0, 0);
    for files in files.chunks(1) {
        let said = both(files);
        alerts += said[0].1.matches("Labels:").count();
        samples += said[0].1.matches("got: {").count();
        passed += usize::from(said[0].0 == Some(0));
        let differs = difference(&said);
        if !differs.is_empty() {
            let rules = files[0]
                .to_str()
                .expect("it can be done")
                .replace(".test.yml", ".yml");
            let number = rules.rsplit('/').next().expect("it can be done");
            let rules = fs::read_to_string(files[0].with_file_name(format!("r{number}")))
                .expect("it can be done");
            let tests = fs::read_to_string(&files[0]).expect("it can be done");
            writeln!(wrong, "=== {differs}\n{rules}\n{tests}").expect("it can be done");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // The files are worth something: alerts fire, series are there, some tests pass.
    assert!(
        alerts > 60 && samples > 100 && passed > 10,
        "{alerts} alerts, {samples} samples, {passed} passed"
    );
}

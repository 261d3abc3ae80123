//! What must hold of the rule files that ship: each has its tests, each alert fires in one and stays silent in
//! another, has its texts and its runbook, and asks for nothing that the exporter does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use promql_parser::parser::{self, Expr};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde::Deserialize;
use tidegauge::builtin_rules::RULE_FILES;
use tidegauge_exporter::collector::COLLECTORS;
use tidegauge_exporter::sampling::self_metrics;
use tidegauge_model::metric::FamilySpec;
use tidegauge_web::stats;

#[derive(Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: Option<String>,
    record: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TestFile {
    rule_files: Vec<String>,
    tests: Vec<TestCase>,
}

#[derive(Deserialize)]
struct TestCase {
    #[serde(default)]
    alert_rule_test: Vec<AlertTest>,
}

#[derive(Deserialize)]
struct AlertTest {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<ExpectedAlert>,
}

#[derive(Deserialize)]
struct ExpectedAlert {
    exp_labels: BTreeMap<String, String>,
}

/// Labels that every scraped series has.
const OF_TARGETS: &[&str] = &["job", "instance"];
/// Labels of `ALERTS` beside those of the alert itself.
const OF_ALERTS: &[&str] = &["alertname", "alertstate", "severity"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rule files, tests left out.
fn rule_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("rules"))
        .expect("there are rules")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".yml") && !name.ends_with(".test.yml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every family that the exporter may show, with its labels.
fn families() -> BTreeMap<&'static str, &'static [&'static str]> {
    let own = [
        self_metrics::FAMILIES,
        stats::FAMILIES,
        tidegauge::reload::FAMILIES,
    ];
    COLLECTORS
        .iter()
        .flat_map(|collector| collector.families)
        .chain(own.into_iter().flatten())
        .map(|family: &&'static FamilySpec| (family.name, family.labels))
        .collect()
}

/// What an expression asks for.
#[derive(Default)]
struct Asked {
    /// Names of series, each with the labels that it is selected by.
    selected: Vec<(String, Vec<String>)>,
    /// Labels by which series are matched or put together.
    matched: BTreeSet<String>,
}

impl ExprVisitor for Asked {
    type Error = String;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
        let selector = match expr {
            Expr::VectorSelector(selector) => Some(selector),
            Expr::MatrixSelector(matrix) => Some(&matrix.vs),
            _ => None,
        };
        if let Some(selector) = selector {
            let name = selector.name.clone().ok_or("a selector without a name")?;
            let labels = selector.matchers.matchers.iter().map(|m| m.name.clone());
            let labels = labels.filter(|label| label != "__name__").collect();
            self.selected.push((name, labels));
        }
        let modifier = match expr {
            Expr::Aggregate(aggregate) => aggregate.modifier.as_ref(),
            Expr::Binary(binary) => binary.modifier.as_ref().and_then(|m| m.matching.as_ref()),
            _ => None,
        };
        let labels = modifier.map(|m| m.labels().labels.clone());
        self.matched.extend(labels.into_iter().flatten());
        Ok(true)
    }
}

/// Names of series and of labels in templates: `tidegauge_…` anywhere, `$labels.…`, `.Labels.…`, and `…=%q`.
fn named_in_template(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = |rest: &str| {
        rest.split(|c| !is_word(c) && c != ':')
            .next()
            .map(str::to_owned)
    };
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("tidegauge_") {
        let begin = text[..at].rfind(|c| !is_word(c) && c != ':');
        names.extend(word(&text[begin.map_or(0, |i| i + 1)..]));
    }
    let mut labels = BTreeSet::new();
    for mark in ["$labels.", ".Labels."] {
        let found = text.match_indices(mark);
        labels.extend(found.filter_map(|(at, _)| word(&text[at + mark.len()..])));
    }
    for (at, _) in text.match_indices("=%q") {
        let begin = text[..at].rfind(|c| !is_word(c));
        labels.insert(text[begin.map_or(0, |i| i + 1)..at].to_owned());
    }
    (names, labels)
}

/// What is wrong with one rule, by what the exporter has and what is recorded.
fn problems_of(rule: &Rule, recorded: &BTreeSet<String>) -> Vec<String> {
    let families = families();
    let mut asked = Asked::default();
    match parser::parse(&rule.expr).and_then(|expr| walk_expr(&mut asked, &expr)) {
        Ok(_) => {}
        Err(error) => return vec![error],
    }
    let mut problems = Vec::new();
    let mut there: BTreeSet<&str> = OF_TARGETS.iter().chain(OF_ALERTS).copied().collect();
    let is_known = |name: &str| recorded.contains(name) || ["up", "ALERTS"].contains(&name);
    for (name, labels) in &asked.selected {
        match families.get(name.as_str()) {
            Some(of_family) => {
                there.extend(*of_family);
                for label in labels {
                    if !of_family.contains(&label.as_str()) {
                        problems.push(format!("{name} has no label {label}"));
                    }
                }
            }
            None if is_known(name) => {}
            None => problems.push(format!("nothing has the name {name}")),
        }
    }
    for text in rule.annotations.values() {
        let (names, labels) = named_in_template(text);
        for name in &names {
            match families.get(name.as_str()) {
                Some(of_family) => there.extend(*of_family),
                None if is_known(name) => {}
                None => problems.push(format!("a text asks for {name}, which nothing has")),
            }
        }
        asked.matched.extend(labels);
    }
    for label in &asked.matched {
        if !there.contains(label.as_str()) {
            problems.push(format!("nothing that it asks for has the label {label}"));
        }
    }
    if let Some(alert) = &rule.alert {
        problems.extend(problems_of_texts(alert, rule));
    }
    problems
}

fn problems_of_texts(alert: &str, rule: &Rule) -> Vec<String> {
    let mut problems = Vec::new();
    let severity = rule.labels.get("severity").map_or("", String::as_str);
    let begins = match severity {
        "critical" => "Critical: ",
        "warning" => "Warning: ",
        "info" => "",
        other => {
            problems.push(format!("severity is {other:?}"));
            ""
        }
    };
    let texts: Vec<&str> = rule.annotations.keys().map(String::as_str).collect();
    if texts != ["description", "runbook", "summary"] {
        problems.push(format!("its annotations are {texts:?}"));
    }
    let text = |key: &str| rule.annotations.get(key).map_or("", String::as_str);
    // It is a mail's subject.
    if !text("summary").starts_with(begins) || text("summary").contains('\n') {
        problems.push(format!(
            "its summary does not read {begins:?}…, in one line"
        ));
    }
    let runbook = format!("docs/runbooks.md#{}", alert.to_lowercase());
    if text("runbook") != runbook {
        problems.push(format!("its runbook is not {runbook}"));
    }
    problems
}

/// Every rule of every file, with its file's name and its own.
fn rules() -> Vec<(String, String, Rule)> {
    let mut all = Vec::new();
    for path in rule_files() {
        let file = path
            .file_name()
            .expect("a file")
            .to_string_lossy()
            .into_owned();
        for group in parse::<RuleFile>(&path).groups {
            assert!(!group.rules.is_empty(), "{file}: {} is empty", group.name);
            for rule in group.rules {
                let name = rule.alert.as_ref().or(rule.record.as_ref());
                let name = name.unwrap_or_else(|| panic!("{file}: a rule without a name"));
                all.push((file.clone(), name.clone(), rule));
            }
        }
    }
    all
}

#[test]
fn rules_ask_for_what_the_exporter_has_and_have_their_texts() {
    let rules = rules();
    let recorded: BTreeSet<String> = rules
        .iter()
        .filter_map(|(.., r)| r.record.clone())
        .collect();
    let problems: Vec<String> = rules
        .iter()
        .flat_map(|(file, name, rule)| {
            let problems = problems_of(rule, &recorded);
            problems
                .into_iter()
                .map(move |p| format!("{file}: {name}: {p}"))
        })
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn what_is_wrong_with_a_rule_is_found() {
    let rule = |expr: &str, summary: &str| Rule {
        alert: Some("Full".into()),
        record: None,
        expr: expr.into(),
        labels: BTreeMap::from([("severity".into(), "warning".into())]),
        annotations: BTreeMap::from([
            ("summary".into(), summary.into()),
            ("description".into(), "x".into()),
            ("runbook".into(), "docs/runbooks.md#full".into()),
        ]),
    };
    let of = |expr: &str, summary: &str| problems_of(&rule(expr, summary), &BTreeSet::new());
    let fine = "Warning: {{ $labels.tier }}";
    assert_eq!(of("tidegauge_tier_up == 0", fine), [""; 0]);
    for (expr, summary, wrong) in [
        (
            "tidegauge_tier_upp == 0",
            "Warning: x",
            "nothing has the name tidegauge_tier_upp",
        ),
        (
            "tidegauge_tier_up{level=\"x\"} == 0",
            fine,
            "tidegauge_tier_up has no label level",
        ),
        (
            "min_over_time(tidegauge_tier_up{x=\"\"}[1m])",
            fine,
            "tidegauge_tier_up has no label x",
        ),
        (
            "sum by (path) (tidegauge_tier_up)",
            fine,
            "nothing that it asks for has the label path",
        ),
        (
            "up and on (path) up",
            "Warning: x",
            "nothing that it asks for has the label path",
        ),
        ("up ==", fine, "invalid promql query"),
        (
            "up == 0",
            fine,
            "nothing that it asks for has the label tier",
        ),
        (
            "up",
            "Warning: {{ query \"tidegauge_x{}\" }}",
            "a text asks for tidegauge_x, which nothing has",
        ),
        (
            "up",
            "Warning: {{ printf \"up{place=%q}\" }}",
            "nothing that it asks for has the label place",
        ),
        (
            "up",
            "it is full",
            "its summary does not read \"Warning: \"…, in one line",
        ),
    ] {
        let found = of(expr, summary);
        assert!(found.iter().any(|p| p.contains(wrong)), "{expr}: {found:?}");
    }
    let mut untold = rule("up", "Warning: x");
    untold.labels.clear();
    untold.annotations.remove("runbook");
    let found = problems_of(&untold, &BTreeSet::new());
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn each_alert_fires_in_a_test_and_stays_silent_in_one() {
    let mut problems = Vec::new();
    for path in rule_files() {
        let file = path
            .file_name()
            .expect("a file")
            .to_string_lossy()
            .into_owned();
        let tests: TestFile = parse(&path.with_extension("test.yml"));
        if !tests.rule_files.contains(&file) {
            problems.push(format!("the tests of {file} are not of it"));
        }
        let of_alerts: Vec<&AlertTest> = tests
            .tests
            .iter()
            .flat_map(|t| &t.alert_rule_test)
            .collect();
        let rules = parse::<RuleFile>(&path)
            .groups
            .into_iter()
            .flat_map(|g| g.rules);
        for rule in rules.filter(|rule| rule.alert.is_some()) {
            let alert = rule.alert.unwrap_or_default();
            let severity = rule.labels.get("severity");
            let of_this = || of_alerts.iter().filter(|test| test.alertname == alert);
            let fires = |test: &&&AlertTest| {
                let mut labels = test.exp_alerts.iter().map(|a| a.exp_labels.get("severity"));
                labels.any(|found| found == severity)
            };
            if !of_this().any(|test| fires(&test)) {
                problems.push(format!("{file}: {alert} fires in no test"));
            }
            // The watchdog always does.
            if alert != "Watchdog" && !of_this().any(|test| test.exp_alerts.is_empty()) {
                problems.push(format!("{file}: {alert} is silent in no test"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn each_alert_has_a_section_in_the_runbooks_and_each_section_an_alert() {
    let runbooks = read(&root().join("docs/runbooks.md"));
    let sections: BTreeSet<&str> = runbooks
        .lines()
        .filter_map(|l| l.strip_prefix("### "))
        .collect();
    let rules = rules();
    let alerts: BTreeSet<&str> = rules
        .iter()
        .filter_map(|(.., r)| r.alert.as_deref())
        .collect();
    assert_eq!(sections, alerts);
    let texts: Vec<&str> = runbooks.split("\n### ").skip(1).collect();
    for text in texts {
        let (name, text) = text.split_once('\n').unwrap_or((text, ""));
        assert!(
            text.trim().len() > 100,
            "{name}: what does it mean, what is to be done?"
        );
    }
}

#[test]
fn all_rule_files_are_built_in() {
    let built_in: Vec<(&str, &str)> = RULE_FILES.iter().map(|f| (f.name, f.text)).collect();
    let there: Vec<(String, String)> = rule_files()
        .iter()
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy();
            (name.into_owned(), read(path))
        })
        .collect();
    let there: Vec<(&str, &str)> = there
        .iter()
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    assert_eq!(built_in, there);
}

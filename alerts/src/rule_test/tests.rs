use std::fs;

use super::run;

const RULES: &str = r#"
groups:
- name: g
  labels: {team: storage}
  rules:
  - record: tier:used:ratio
    expr: used / size
  - alert: Fills
    expr: tier:used:ratio > 0.8
    for: 2m
    keep_firing_for: 3m
    labels: {severity: '{{ if gt $value 0.9 }}critical{{ else }}warning{{ end }}'}
    annotations:
      summary: '{{ $labels.tier }} at {{ $value | humanizePercentage }} of {{ $externalLabels.site }}'
      empty: '{{ $labels.none }}'
  - record: firing
    expr: count by (alertname) (ALERTS{alertstate="firing"})
"#;

const TESTS: &str = r#"
rule_files: [r*.yml]
evaluation_interval: 1m
tests:
- name: fills
  interval: 1m
  external_labels: {site: north}
  input_series:
  - series: used{tier="hot"}
    values: 70x2 85x2 95x1 10x10
  - {series: 'size{tier="hot"}', values: '100x20'}
  alert_rule_test:
  - {eval_time: 4m, alertname: Fills, exp_alerts: []}
  - eval_time: 5m
    alertname: Fills
    exp_alerts:
    - exp_labels: {tier: hot, severity: warning, team: storage}
      exp_annotations: {summary: 'hot at 85% of north', empty: ''}
  promql_expr_test:
  - expr: tier:used:ratio
    eval_time: 5m
    exp_samples: [{labels: 'tier:used:ratio{tier="hot", team="storage"}', value: 0.85}]
"#;

fn verdict(rules: &str, tests: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let file = folder.path().join("a.test.yml");
    fs::write(&file, tests).unwrap();
    run(&file, None).failures
}

#[test]
fn right_and_wrong_ones() {
    assert_eq!(verdict(RULES, TESTS), Vec::<String>::new());
    for (from, to, said) in [
        ("hot at 85%", "hot at 86%", "alertname: Fills, time: 5m"),
        (
            "value: 0.85",
            "value: 0.86",
            "exp: {__name__=\"tier:used:ratio\"",
        ),
        ("eval_time: 4m", "eval_time: 5m", "exp:[]"),
        ("[r*.yml]", "[s*.yml]", "alertname: Fills"),
        (
            "expr: tier:used:ratio\n",
            "expr: tier:used:ratio +\n",
            "parse error",
        ),
        ("95x1", "nonsense", "at character"),
        ("tests:", "test:", "did you mean `tests`?"),
        (
            "alertname: Fills, exp_alerts: []",
            "exp_alerts: []",
            "misses required attribute alertname",
        ),
    ] {
        assert!(TESTS.contains(from));
        let failures = verdict(RULES, &TESTS.replacen(from, to, 1)).join("\n");
        assert!(failures.contains(said), "{to}: {failures}");
    }
}

#[test]
fn a_rule_that_fails_ends_the_test() {
    let rules = RULES.replace("used / size", "used / on() size");
    let two = TESTS.replace(
        "size{tier=\"hot\"}",
        "size{tier=\"hot\"}', values: '1x9'}\n  - {series: 'size{tier=\"cold\"}",
    );
    let failures = verdict(&rules, &two);
    assert!(
        failures[0].contains("rule: tier:used:ratio, time: 0s, err: "),
        "{failures:?}"
    );
}

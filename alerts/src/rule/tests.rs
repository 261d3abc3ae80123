use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegauge_model::metric::FamilySpec;
use tidegauge_promql::{Labels, MemoryStorage, Query, STALE, Sample, Timestamp, is_stale};

use super::check::{Known, warnings};
use super::{Group, Health, World, parse};
use crate::alert::{Database, Source, SourceHealth, State};
use crate::store::Append;

fn problems(text: &str) -> String {
    let problems = parse(text).unwrap_err();
    let shown: Vec<String> = problems
        .iter()
        .map(|p| p.show(Path::new("r.yml")))
        .collect();
    shown.join("\n")
}

#[test]
fn every_mistake_is_told_with_its_place() {
    insta::assert_snapshot!(problems(
        r#"groups:
- name: a
  intervall: 1m
  interval: 5 minutes
  limit: many
  labels: {__name__: x}
  rules:
  - alert: One
    expr: up ==
    for: 1x
    labels: {severity: "{{ $value"}
    annotations: {summary: "{{ $nope }}", other: "{{ fooo 1 }}"}
  - record: b{c}
    expr: up
    for: 5m
    annotations: {a: b}
  - alert: Two
    record: two
    expr: up[5m]
  - expr: 1
  - just a text
- name: a
  rules: 5
- rules:
  - alert: Three
    alert: Four
"#
    ));
    insta::assert_snapshot!(problems("group: []\n"), @"r.yml:1:1: unknown key `group` in a rule file (did you mean `groups`?)");
    insta::assert_snapshot!(problems("groups: [\n"));
    assert!(parse("").unwrap().is_empty());
    assert!(parse("groups:\n").unwrap().is_empty());
}

static SIZE: FamilySpec = FamilySpec::gauge("tidegauge_tier_size_bytes", "Size.", &["tier"]);

#[test]
fn what_is_odd_is_told() {
    let text = r#"
groups:
- name: a
  rules:
  - record: tidegauge_tier_used
    expr: tidegauge_tier_size_byte - 1
  - alert: Old
    expr: max_over_time(tidegauge_tier_size_bytes[2d]) > tidegauge_tier_used
  - alert: Old
    expr: tidegauge_tier_size_bytes{teir="hot", job="x"} > node_anything
"#;
    let files = [(PathBuf::from("r.yml"), parse(text).unwrap())];
    let families = [&SIZE];
    let kept = Some(Duration::from_secs(6 * 3600));
    let known = Known {
        families: &families,
        kept,
    };
    let found = warnings(&files, known);
    let shown: Vec<String> = found.iter().map(|(path, p)| p.show(path)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

const RULES: &str = r#"
groups:
- name: g
  interval: 1m
  labels: {team: storage}
  rules:
  - {record: 'x:sum', expr: 'sum by (tier) (x)'}
  - alert: High
    expr: x:sum > 5
    for: 1m
    labels: {severity: page, none: '{{ $labels.none }}'}
    annotations: {text: '{{ $value }} {{ with query "count(x)" }}{{ . | first | value }}{{ end }}'}
  - {record: 'firing', expr: 'count(ALERTS{alertstate="firing"})'}
"#;

struct Bench {
    store: Arc<MemoryStorage>,
    world: World,
    group: Group,
}

impl Bench {
    fn new(rules: &str) -> Self {
        let store = Arc::new(MemoryStorage::new());
        let group = parse(rules).unwrap().remove(0);
        Self {
            world: World::of(store.clone()),
            store,
            group: Group::new("r.yml".into(), group, Duration::from_secs(60)),
        }
    }

    fn put(&self, series: &[(&str, &str)], time: Timestamp, value: f64) {
        let labels = Labels::new(series.iter().copied());
        assert!(self.store.append(&labels, Sample { time, value }));
    }

    fn ask(&self, query: &str, at: Timestamp) -> Vec<String> {
        let answer = self.world.ask(&Query::parse(query).unwrap(), at).unwrap();
        let mut shown: Vec<String> = answer
            .iter()
            .map(|s| format!("{} {}", s.labels, s.sample.value))
            .collect();
        shown.sort();
        shown
    }
}

#[test]
fn rules_write_what_prometheus_writes() {
    let mut bench = Bench::new(RULES);
    bench.put(&[("__name__", "x"), ("tier", "hot")], 0, 7.0);
    bench.put(&[("__name__", "x"), ("tier", "cold")], 0, 1.0);
    let sum = bench.group.evaluate(0, &bench.world);
    assert_eq!((sum.rules, sum.failed, sum.samples), (3, 0, 4));
    let pending = r#"ALERTS{alertname="High", alertstate="pending", none="{{ $labels.none }}", severity="page", team="storage", tier="hot"} 1"#;
    assert_eq!(bench.ask("ALERTS", 0), [pending]);
    assert_eq!(
        bench.ask("x:sum", 0),
        [
            r#"x:sum{team="storage", tier="cold"} 1"#,
            r#"x:sum{team="storage", tier="hot"} 7"#
        ]
    );
    bench.group.evaluate(60_000, &bench.world);
    assert_eq!(
        bench.ask("ALERTS", 60_000),
        [pending.replace("pending", "firing")]
    );
    assert_eq!(bench.ask("firing", 60_000), [r#"firing{team="storage"} 1"#]);
    let alert = bench.group.rules[1].active.iter().next().unwrap();
    assert_eq!(alert.annotations["text"], "7 2");
    assert_eq!(
        alert.labels.to_string(),
        r#"{alertname="High", severity="page", team="storage", tier="hot"}"#
    );
    // What vanishes is marked as ended at that evaluation.
    bench.put(&[("__name__", "x"), ("tier", "hot")], 120_000, STALE);
    bench.group.evaluate(120_000, &bench.world);
    for query in [
        "ALERTS",
        "ALERTS_FOR_STATE",
        "firing",
        "x:sum{tier=\"hot\"}",
    ] {
        assert_eq!(bench.ask(query, 120_000), [""; 0], "{query}");
    }
}

#[test]
fn a_rule_that_fails_keeps_its_alerts_and_stops_no_other() {
    let mut bench = Bench::new(
        r#"
groups:
- name: g
  limit: 2
  rules:
  - {alert: Twice, expr: 'x > 0', labels: {a: same}}
  - {record: twice, expr: x, labels: {a: same}}
  - {alert: Fine, expr: 'x > 0'}
"#,
    );
    bench.put(&[("__name__", "x"), ("a", "1")], 0, 1.0);
    let sum = bench.group.evaluate(0, &bench.world);
    assert_eq!(sum.failed, 0);
    bench.put(&[("__name__", "x"), ("a", "2")], 1_000, 1.0);
    let sum = bench.group.evaluate(1_000, &bench.world);
    assert_eq!((sum.rules, sum.failed), (3, 2));
    let said = |index: usize| bench.group.rules[index].last_error.as_str();
    assert_eq!(
        said(0),
        "vector contains metrics with the same labelset after applying alert labels"
    );
    assert_eq!(
        said(1),
        "vector contains metrics with the same labelset after applying rule labels"
    );
    assert_eq!(bench.group.rules[0].health, Health::Bad);
    assert_eq!(bench.group.rules[0].active.state(), State::Firing);
    // Failing or not, it is told again and again that it fires.
    let due = bench.group.due(61_000, Duration::from_secs(60));
    assert_eq!(due.iter().filter(|(rule, _)| *rule == 0).count(), 1);
    bench.put(&[("__name__", "x"), ("a", "3")], 2_000, 1.0);
    bench.group.evaluate(2_000, &bench.world);
    assert_eq!(
        bench.group.rules[2].last_error,
        "exceeded limit of 2 with 3 alerts"
    );
}

#[test]
fn an_alert_fires_whatever_its_templates_say() {
    let mut bench = Bench::new(
        r#"
groups:
- name: g
  rules:
  - alert: A
    expr: x
    annotations: {bad: '{{ query "x(" }}', good: '{{ $value }}'}
"#,
    );
    bench.put(&[("__name__", "x")], 0, 7.0);
    let sum = bench.group.evaluate(0, &bench.world);
    assert_eq!((sum.failed, sum.failed_templates), (0, 1));
    let rule = &bench.group.rules[0];
    assert!(rule.template_failed && rule.health == Health::Good);
    let alert = rule.active.iter().next().unwrap();
    assert_eq!(alert.state, State::Firing);
    assert_eq!(alert.annotations["good"], "7");
    let bad = &alert.annotations["bad"];
    assert!(bad.starts_with("<error expanding template:"), "{bad}");
    bench.put(&[("__name__", "x")], 1_000, STALE);
    let sum = bench.group.evaluate(1_000, &bench.world);
    assert_eq!(sum.failed_templates, 0);
    assert!(!bench.group.rules[0].template_failed);
}

#[test]
fn query_offset_and_a_rule_that_goes() {
    let rules = "groups: [{name: g, query_offset: 1m, rules: [{record: a, expr: x}, {record: b, expr: x}]}]";
    let mut bench = Bench::new(rules);
    bench.put(&[("__name__", "x")], 0, 1.0);
    bench.group.evaluate(60_000, &bench.world);
    assert_eq!(bench.ask("a", 0), ["a 1"]);
    let less = parse(&rules.replace(", {record: b, expr: x}", ""))
        .unwrap()
        .remove(0);
    let mut new = Group::new("r.yml".into(), less, Duration::from_secs(60));
    std::mem::swap(&mut bench.group, &mut new);
    bench.group.take_over(new);
    bench.group.evaluate(120_000, &bench.world);
    assert_eq!(bench.ask("a", 60_000), ["a 1"]);
    assert_eq!(bench.ask("b", 60_000), [""; 0]);
    assert_eq!(bench.ask("b", 59_000), ["b 1"]);
}

struct Down;

impl SourceHealth for Down {
    fn is_down(&self, source: Source<'_>) -> bool {
        source.labels.get("tier") == "hot"
            && source
                .selectors
                .iter()
                .any(|s| s.matchers.iter().any(|m| m.value == "x:sum"))
    }
}

#[test]
fn missing_data_is_no_recovery() {
    let mut bench = Bench::new(RULES);
    for tier in ["hot", "cold"] {
        bench.put(&[("__name__", "x"), ("tier", tier)], 0, 7.0);
    }
    bench.group.evaluate(0, &bench.world);
    bench.group.evaluate(60_000, &bench.world);
    bench.world.health = Some(Arc::new(Down));
    let later = 3_600_000;
    bench.group.evaluate(later, &bench.world);
    let fires = |bench: &Bench, at| bench.ask("ALERTS{alertstate=\"firing\"}", at).len();
    assert_eq!(fires(&bench, later), 1);
    // Back, but a rate has no two samples yet.
    bench.world.health = None;
    bench.group.evaluate(later + 60_000, &bench.world);
    assert_eq!(fires(&bench, later + 60_000), 1);
    bench.group.evaluate(later + 120_000, &bench.world);
    assert_eq!(fires(&bench, later + 120_000), 0);
}

#[test]
fn reload_keeps_the_state_of_what_did_not_change() {
    let mut bench = Bench::new(RULES);
    bench.put(&[("__name__", "x"), ("tier", "hot")], 0, 7.0);
    bench.group.evaluate(0, &bench.world);
    bench.group.evaluate(60_000, &bench.world);
    let reload = |bench: &mut Bench, rules: &str| {
        let spec = parse(rules).unwrap().remove(0);
        let mut group = Group::new("r.yml".into(), spec, Duration::from_secs(60));
        std::mem::swap(&mut bench.group, &mut group);
        bench.group.take_over(group);
        let alerts = bench.group.rules.iter().flat_map(|rule| rule.active.iter());
        alerts.map(|alert| alert.state).collect::<Vec<_>>()
    };
    assert_eq!(
        reload(&mut bench, &RULES.replace("> 5", "> 4")),
        [State::Firing]
    );
    assert_eq!(
        reload(&mut bench, &RULES.replace("for: 1m", "for: 1h")),
        [State::Pending]
    );
    assert_eq!(
        reload(
            &mut bench,
            &RULES.replace("severity: page", "severity: mail")
        ),
        []
    );
}

#[test]
fn a_restart_whatever_the_outage() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(RULES);
    bench.put(&[("__name__", "x"), ("tier", "hot")], 0, 7.0);
    bench.group.evaluate(0, &bench.world);
    let database = Database::open(folder.path(), 0);
    bench.group.save(&database, 0);
    drop(database);
    // Two days later, with an empty window at first.
    let later = 2 * 86_400_000;
    let mut bench = Bench::new(RULES);
    let database = Database::open(folder.path(), later);
    bench
        .group
        .restore(&database.load(), later, database.generation());
    bench.group.evaluate(later, &bench.world);
    let state = |bench: &Bench| bench.group.rules[1].active.state();
    assert_eq!(state(&bench), State::Pending);
    bench.put(&[("__name__", "x"), ("tier", "hot")], later + 60_000, 7.0);
    bench.group.evaluate(later + 60_000, &bench.world);
    assert_eq!(state(&bench), State::Firing);
    assert_eq!(
        bench.group.rules[1].active.iter().next().unwrap().active_at,
        0
    );
    let since = bench.ask("ALERTS_FOR_STATE", later + 60_000);
    assert!(since[0].ends_with(" 0"));
}

#[test]
fn a_series_that_another_writes_is_not_ended() {
    let store = MemoryStorage::new();
    let labels = Labels::new([("__name__", "a")]);
    let sample = |time, value| (labels.clone(), Sample { time, value });
    store.append(
        &labels,
        Sample {
            time: 5,
            value: 1.0,
        },
    );
    let refused = Append::append(&store, &[sample(5, STALE)]);
    assert_eq!(refused.added, 0);
    assert!(is_stale(STALE));
}

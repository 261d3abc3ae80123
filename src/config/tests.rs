use std::path::Path;
use std::time::Duration;

use super::*;
use tidegauge_model::units::{Bytes, Ratio};

fn problems(text: &str) -> String {
    let problems = Config::parse(text).expect_err("the text is wrong");
    problems
        .iter()
        .map(|p| p.show(Path::new("t.yml")))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn everything_that_can_be_said() {
    let config = Config::parse(
        r#"
state_dir: /var/lib/tidegauge
tiers:
  - name: hot
    paths: [/data/jts/hot/]
    devices: ["/dev/mapper/vg_jts-*"]
    directories:
      - {path: /data/jts/hot/postgresql, budget: 800GB, ages: [30d, 7d]}
  - name: warm
    paths: [/data/warm-storage]
    thresholds: {clear: 70%, warning: 0.8, critical: 95%}
  - name: cold
    paths: [/mnt/synology]
    require_mount: true
collectors: {disk: {device_exclude: "^loop", enabled: true}, pressure: {enabled: false}}
"#,
    )
    .unwrap();
    let tiers = config.tiers.unwrap();
    assert_eq!(tiers[0].paths, [Path::new("/data/jts/hot")]);
    assert_eq!(tiers[0].directories[0].budget, Bytes(800_000_000_000));
    assert_eq!(
        tiers[0].directories[0].ages,
        [
            Duration::from_secs(7 * 86400),
            Duration::from_secs(30 * 86400)
        ]
    );
    assert_eq!(tiers[1].thresholds.critical, Ratio(0.95));
    assert!(tiers[2].require_mount && !tiers[0].require_mount);
    assert_eq!(config.collectors["pressure"].enabled, Some(false));
    assert!(
        config.collectors["disk"]
            .settings
            .matches("device_exclude", "loop3", false)
    );
    assert_eq!(config.tier_lines, [4, 9, 12]);
}

#[test]
fn nothing_said_is_nothing_wrong() {
    for text in ["", "# only a comment\n\n", "collectors: {}\n"] {
        assert!(Config::parse(text).unwrap().tiers.is_none(), "{text:?}");
    }
}

#[test]
fn unknown_and_repeated_keys() {
    insta::assert_snapshot!(problems("tiers:\n  - name: hot\n    path: [/a]\n"));
    insta::assert_snapshot!(problems("tiers: []\ntiers: []\n"));
    insta::assert_snapshot!(problems("tier: []\n"));
    insta::assert_snapshot!(problems("collectors: {smrt: {}, disk: {devices: a}}"));
    insta::assert_snapshot!(problems("alerting:\n  route: {receiver: mail}\n"));
}

#[test]
fn wrong_values() {
    insta::assert_snapshot!(problems(
        r#"
state_dir: here
tiers:
  - name: hot
    paths: [data, /a/../b, /data]
    thresholds: {clear: 90%, warning: 80%}
    directories:
      - {path: /elsewhere, budget: 10GB}
      - {path: /data/x, budget: 10 gigs, ages: [7]}
      - {path: /data/y, budget: 0}
  - name: hot
    paths: [/data]
    thresholds: {critical: 120%}
  - name: ""
"#
    ));
    insta::assert_snapshot!(problems("tiers: []"));
    insta::assert_snapshot!(problems(
        "collectors: {disk: {enabled: perhaps, device_include: \"(\"}}"
    ));
    insta::assert_snapshot!(problems("tiers: {name: hot}"));
    insta::assert_snapshot!(problems("tiers: [\n"));
}

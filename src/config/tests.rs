use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use tidegauge_model::expect::{Expect, WriteCache};
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
fn what_a_tier_is_to_be_tuned_to() {
    let config = Config::parse(
        r#"
tiers:
  - name: hot
    paths: [/a]
    expect:
      scheduler: none
      read_ahead: 128KiB
      write_cache: write_back
      mount_options: [noatime, "!discard", rsize=1048576]
      trim_within: 8d
  - {name: warm, paths: [/b], expect: {}}
collectors: {setting: {sysctl: "net.core.rmem_max>=16777216, vm.dirty_ratio=10"}}
"#,
    )
    .unwrap();
    let tiers = config.tiers.unwrap();
    let expect = &tiers[0].expect;
    assert_eq!(expect.scheduler.as_deref(), Some("none"));
    assert_eq!(expect.read_ahead, Some(Bytes(131_072)));
    assert_eq!(expect.write_cache, Some(WriteCache::Back));
    assert_eq!(expect.trim_within, Some(Duration::from_secs(8 * 86_400)));
    let options: Vec<_> = expect
        .mount_options
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(options, ["noatime", "!discard", "rsize=1048576"]);
    assert_eq!(tiers[1].expect, Expect::default());
    let sysctls = config.collectors["setting"].settings.sysctls("sysctl");
    assert_eq!(sysctls.len(), 2);
}

#[test]
fn wrong_expectations() {
    insta::assert_snapshot!(problems(
        r#"
tiers:
  - name: hot
    paths: [/a]
    expect:
      scheduler: "[none]"
      read_ahead: 100kB
      write_cache: on
      mount_options: [noatime, defaults, "!noatime", "!dicsard", "a,b", noatime, rsize=]
      trim_within: 0
  - name: warm
    paths: [/b]
    expect: {read_ahead: much, trim_within: weekly, mount_options: [x-systemd.automount, ""]}
"#
    ));
    insta::assert_snapshot!(problems(
        "tiers:\n  - {name: hot, paths: [/a], expect: {schedular: none}}\n"
    ));
    insta::assert_snapshot!(problems(
        "tiers:\n  - {name: hot, paths: [/a], expect: {mount_options: noatime}}\n"
    ));
    for wrong in [
        "net.core.rmem_max",
        "../../etc/passwd=1",
        "net/core/rmem_max=1",
        "vm.dirty_ratio=10,vm.dirty_ratio=10",
        "vm.dirty_ratio>=x",
    ] {
        insta::assert_snapshot!(problems(&format!(
            "collectors:\n  setting:\n    sysctl: \"{wrong}\"\n"
        )));
    }
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

#[test]
fn control_characters_of_the_file_do_not_reach_the_terminal() {
    let shown = problems("tiers: [{name: \"a\\e[31m\\nb\"}]\n");
    assert!(shown.contains(r"tier `a\u{1b}[31m\nb`"), "{shown}");
    assert!(
        !shown.contains('\u{1b}') && shown.lines().count() == 2,
        "{shown}"
    );
}

proptest! {
    /// Made of what a configuration is made of, so that it gets beyond the first mistake.
    #[test]
    fn any_text_is_a_configuration_or_told_what_is_wrong(
        pieces in proptest::collection::vec(
            "(tiers:|collectors:|disk:|name:|paths:|thresholds:|directories:|budget:|ages:|expect:|scheduler:|\
             read_ahead:|mount_options:|trim_within:|noatime|!|[\\[\\]{},&*|>-]|\n|  |\
             hot|/a|\\.\\.|80%|7d|50GB|0|\"|'|#|é|\x1b|true|null) ?",
            0..30,
        ),
    ) {
        let text = pieces.concat();
        let lines = u64::try_from(text.split('\n').count()).unwrap();
        match Config::parse(&text) {
            Ok(config) => prop_assert_eq!(config.tiers.unwrap_or_default().len(), config.tier_lines.len()),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.line <= lines + 1, "{:?}", problem);
                    let shown = problem.show(Path::new("t.yml"));
                    prop_assert!(!shown.contains(char::is_control), "{}", shown);
                }
            }
        }
    }

    #[test]
    fn tiers_come_back_as_they_were_written(
        names in proptest::collection::btree_set("[a-z]{1,12}", 1..5),
        percents in (0u8..=33, 34u8..=66, 67u8..=100),
        gigabytes in 1u64..10_000,
        days in 1u64..1000,
    ) {
        let (clear, warning, critical) = percents;
        let tier = |name: &String| {
            format!(
                "  - name: {name}z\n    paths: [/{name}/]\n    thresholds: {{clear: {clear}%, warning: {warning}%, critical: {critical}%}}\n    \
                 directories: [{{path: /{name}/x, budget: {gigabytes}GB, ages: [{days}d]}}]\n"
            )
        };
        let text = format!("tiers:\n{}", names.iter().map(tier).collect::<String>());
        let tiers = Config::parse(&text).unwrap().tiers.unwrap();
        prop_assert_eq!(tiers.len(), names.len());
        for (tier, name) in tiers.iter().zip(&names) {
            prop_assert_eq!(&tier.name, &format!("{name}z"));
            prop_assert_eq!(&tier.paths, &[Path::new("/").join(name)]);
            prop_assert_eq!(tier.thresholds.warning, Ratio(f64::from(warning) / 100.0));
            prop_assert_eq!(tier.directories[0].budget, Bytes(gigabytes * 1_000_000_000));
            prop_assert_eq!(&tier.directories[0].ages, &[Duration::from_secs(days * 86_400)]);
        }
    }
}

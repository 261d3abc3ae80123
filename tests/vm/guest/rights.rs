//! Every collector on the three tiers as another user than root: with exactly the rights that docs/security.md names
//! each device is read, with none each that needs one is `denied`, and nothing fails.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegauge_rig::{Exporter, needs, wait_until};

use crate::three_tiers::ThreeTiers;

/// Programs under emulation take their time.
const LIMIT: Duration = Duration::from_secs(120);
const RIGHTS: &str = "+dac_read_search,+sys_ptrace,+sys_admin,+sys_rawio,+fowner";
/// Those that ask devices: each must have asked one.
const ASKING: [&str; 6] = ["btrfs_volume", "dm", "lvm", "nfs_server", "nvme", "smart"];

/// As nobody, with these capabilities only.
fn start(capabilities: &str, config: &str) -> Exporter {
    let sets = ["bounding-set", "inh-caps", "ambient-caps"].map(|set| {
        let all = if capabilities.is_empty() {
            "-all"
        } else {
            "-all,"
        };
        format!("--{set}={all}{capabilities}")
    });
    let mut by = vec![
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    by.extend(sets.iter().map(String::as_str));
    Exporter::start_by(&by, &[], config)
}

/// For each collector that asks, what it asked by the state that holds.
fn states(exporter: &Exporter) -> BTreeMap<&'static str, Vec<(String, String)>> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    let mut found = BTreeMap::new();
    for collector in ASKING {
        let start = format!("tidegauge_{collector}_reading_state{{");
        let holding = answer.text().lines().filter_map(|line| {
            let (labels, state) = line
                .strip_prefix(&start)?
                .strip_suffix("\"} 1")?
                .rsplit_once("state=\"")?;
            Some((state.to_owned(), labels.to_owned()))
        });
        found.insert(collector, holding.collect());
    }
    found
}

/// Whether each collector has run, and that none failed.
fn all_succeeded(exporter: &Exporter) -> Option<()> {
    let answer = exporter.get("/metrics", &[]).unwrap();
    let all: Vec<&str> = answer
        .text()
        .lines()
        .filter(|line| line.starts_with("tidegauge_collector_success{"))
        .collect();
    assert!(
        all.iter().all(|line| line.ends_with(" 1")),
        "{all:?}\n{}",
        exporter.log()
    );
    ASKING
        .iter()
        .chain(&["hazard", "setting"])
        .all(|name| all.iter().any(|line| line.contains(&format!("\"{name}\""))))
        .then_some(())
}

#[test]
fn with_the_rights_of_the_document_all_is_read_and_with_none_it_is_denied() {
    needs!(
        "root",
        "binary",
        "lvs",
        "smartctl",
        "mkfs.btrfs",
        "mkfs.ext4",
        "exportfs",
        "rpcbind",
        "mount.nfs",
        "wipefs",
        "setpriv"
    );
    let tiers = ThreeTiers::new();

    let exporter = start(RIGHTS, &tiers.config());
    wait_until(LIMIT, || all_succeeded(&exporter)).expect("every collector reads");
    for (collector, asked) in states(&exporter) {
        assert!(
            asked.iter().any(|(state, _)| state == "ok"),
            "{collector}: {asked:?}\n{}",
            exporter.log()
        );
        let wrong: Vec<_> = asked
            .iter()
            .filter(|(state, _)| !["ok", "unsupported"].contains(&state.as_str()))
            .collect();
        assert!(
            wrong.is_empty(),
            "{collector}: {wrong:?}\n{}",
            exporter.log()
        );
    }
    exporter.stop();

    let exporter = start("", &tiers.config());
    wait_until(LIMIT, || all_succeeded(&exporter)).expect("every collector reads");
    let found = states(&exporter);
    for (collector, asked) in &found {
        let wrong: Vec<_> = asked
            .iter()
            .filter(|(state, _)| !["ok", "unsupported", "denied"].contains(&state.as_str()))
            .collect();
        assert!(
            wrong.is_empty(),
            "{collector}: {wrong:?}\n{}",
            exporter.log()
        );
    }
    for collector in ["dm", "lvm", "nvme", "smart"] {
        let asked = &found[collector];
        assert!(
            asked.iter().any(|(state, _)| state == "denied"),
            "{collector}: {asked:?}\n{}",
            exporter.log()
        );
    }
    for collector in ["btrfs_volume", "nfs_server"] {
        let asked = &found[collector];
        assert!(
            asked.iter().any(|(state, _)| state == "ok"),
            "{collector}: {asked:?}\n{}",
            exporter.log()
        );
    }
    exporter.stop();
}

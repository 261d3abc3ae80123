//! `tidegauge run`: exporter and sidecar in one process, with the rules that ship.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tidegauge_rig::{Exposition, FsKind, LoopFs, Scratch, Sidecar, get, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// All rules, as the API shows them, each with the interval of its group in seconds.
fn rules(sidecar: &Sidecar) -> Vec<(f64, Value)> {
    let answer = sidecar.api("/api/v1/rules");
    let groups = answer["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| {
        let interval = group["interval"].as_f64().unwrap();
        let rules = group["rules"].as_array().unwrap();
        rules.iter().map(move |rule| (interval, rule.clone()))
    });
    rules.collect()
}

fn values(sidecar: &Sidecar, expression: &str) -> Vec<(Value, f64)> {
    let answer = sidecar.query(expression);
    let result = answer.as_array().unwrap();
    let one = |series: &Value| {
        let value = series["value"][1].as_str().unwrap().parse().unwrap();
        (series["metric"].clone(), value)
    };
    result.iter().map(one).collect()
}

#[test]
fn the_rules_that_ship_run_over_the_own_exporter_and_others() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 64);
    let state = Scratch::new("run-state");
    let other = Exposition::start("other_total 7\n");
    let config = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\n\
         tiers: [{{name: hot, paths: [{:?}]}}]\n\
         feeds: [{{job_name: other, static_configs: [{{targets: [{:?}]}}]}}]\n",
        fs.mountpoint(),
        other.address()
    );
    let sidecar = Sidecar::start_with_exporter(&state.folder("state"), &config, &[]);

    // What a Prometheus that scrapes the two would add is there, and the values are those of the host.
    let found = wait_until(LIMIT, || {
        let up = values(&sidecar, "up");
        (up.len() == 2 && up.iter().all(|(_, value)| *value == 1.0)).then_some(())
    });
    assert!(found.is_some(), "{}", sidecar.log());
    let host = Command::new("uname").arg("-n").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let tier = values(&sidecar, "tidegauge_tier_size_bytes");
    assert_eq!(tier.len(), 1, "{tier:?}");
    let (labels, size) = &tier[0];
    assert_eq!(labels["job"], "tidegauge");
    assert_eq!(labels["instance"], format!("{}:10733", host.trim()));
    assert_eq!(labels["tier"], "hot");
    let df = Command::new("df")
        .args(["--block-size=1", "--output=size"])
        .arg(fs.mountpoint())
        .output()
        .unwrap();
    let df = String::from_utf8(df.stdout).unwrap();
    assert_eq!(df.lines().nth(1).unwrap().trim(), size.to_string());
    assert_eq!(values(&sidecar, "other_total")[0].1, 7.0);

    // Every rule was evaluated without a mistake (those of groups with a longer interval of their own may be due later),
    // and the watchdog barks.
    let all = wait_until(LIMIT, || {
        let all = rules(&sidecar);
        let is_well = |(interval, rule): &(f64, Value)| {
            rule["health"] == "ok" || (*interval > 1.0 && rule["health"] == "unknown")
        };
        all.iter().all(is_well).then_some(all)
    });
    let all = all.unwrap_or_else(|| panic!("{:#?}\n{}", rules(&sidecar), sidecar.log()));
    let evaluated = all.iter().filter(|(_, rule)| rule["health"] == "ok");
    assert!(evaluated.count() > 60);
    assert!(all.len() > 70, "{}", all.len());
    let watchdog = r#"ALERTS{alertname="Watchdog",alertstate="firing"}"#;
    let barks = wait_until(LIMIT, || {
        (values(&sidecar, watchdog).len() == 1).then_some(())
    });
    assert!(barks.is_some(), "{}", sidecar.log());

    // A level that is passed is pending at once: `for` is in minutes.
    fs::write(fs.mountpoint().join("fill"), vec![1; 48 << 20]).unwrap();
    let pending = r#"ALERTS{alertname=~"Tier.*",tier="hot",alertstate="pending"}"#;
    let raised = wait_until(LIMIT, || {
        (!values(&sidecar, pending).is_empty()).then_some(())
    });
    assert!(
        raised.is_some(),
        "{:?}\n{}",
        values(&sidecar, "tidegauge_tier_used_ratio"),
        sidecar.log()
    );

    // What the sidecar tells of itself.
    let metrics = get(sidecar.address(), "/metrics", &[]).unwrap();
    let metrics = metrics.text();
    assert!(
        metrics.contains("tidegauge_rule_evaluations_total"),
        "{metrics}"
    );
    assert!(metrics.contains("tidegauge_feed_targets"), "{metrics}");
    assert!(!sidecar.log().contains("level=error"), "{}", sidecar.log());
}

fn started(state: &std::path::Path, config: &str, scratch: &Scratch) -> Output {
    let binary =
        std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
    Command::new(binary)
        .args(["alerts", "--web.listen-address=127.0.0.1:0", "--config"])
        .arg(scratch.file("tidegauge.yml", config))
        .arg("--state-dir")
        .arg(state)
        .output()
        .unwrap()
}

#[test]
fn what_is_wrong_starts_nothing() {
    needs!("binary");
    let scratch = Scratch::new("wrong");
    let state = scratch.folder("state");
    let running = Sidecar::start(&state, "", &[]);

    // A state folder is one sidecar's.
    let second = started(&state, "", &scratch);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(
        said.contains("another tidegauge keeps its state in"),
        "{said}"
    );
    drop(running);

    // Rules that are wrong are told with file, line and name.
    let rules = "groups:\n- name: g\n  rules:\n  - alert: Broken\n    expr: sum(\n";
    let rules = scratch.file("rules.yml", rules);
    let wrong = started(&state, &format!("rules: [{rules:?}]\n"), &scratch);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    let place = format!("{}:5:", rules.display());
    assert!(said.contains(&place) && said.contains("Broken"), "{said}");
}

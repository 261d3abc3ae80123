//! Whatever is wrong, the sidecar goes on: the rest of the rules are evaluated, a metric and the log say what it is, and
//! when it is over all is as before.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tidegauge_rig::{
    Answer, Exposition, FsKind, HangFs, LoopFs, Operations, Scratch, Sidecar, get, needs,
    post_form, wait_until,
};

const LIMIT: Duration = Duration::from_secs(30);

/// A sidecar that scrapes one exporter and has rules of its own.
struct Faulty {
    exporter: Exposition,
    scratch: Scratch,
    sidecar: Sidecar,
}

/// Fires while the exporter shows `fine 1`.
const FINE: &str = "- name: fine\n  rules:\n  - {alert: Fine, expr: 'fine > 0'}\n";

impl Faulty {
    fn start(name: &str, exposed: &str, rules: &str, arguments: &[&str]) -> Self {
        let scratch = Scratch::new(name);
        let state = scratch.folder("state");
        Self::start_in(scratch, &state, exposed, rules, "", arguments)
    }

    /// With a state folder and more of a configuration.
    fn start_in(
        scratch: Scratch,
        state: &Path,
        exposed: &str,
        rules: &str,
        more: &str,
        arguments: &[&str],
    ) -> Self {
        let exporter = Exposition::start(&format!("fine 0\n{exposed}"));
        let rules = scratch.file("rules.yml", &format!("groups:\n{FINE}{rules}"));
        let config = config(&rules, exporter.address(), more);
        let sidecar = Sidecar::start(state, &config, arguments);
        Self {
            exporter,
            scratch,
            sidecar,
        }
    }

    fn rules(&self) -> PathBuf {
        self.scratch.path().join("rules.yml")
    }

    /// The other rules are evaluated, with samples of now: one fires and resolves.
    fn goes_on(&self, exposed: &str) {
        for (value, state) in [(1, Some("firing")), (0, None)] {
            self.exporter.set(Some(&format!("fine {value}\n{exposed}")));
            let reached = wait_until(LIMIT, || {
                (state_of(&self.sidecar, "Fine").as_deref() == state).then_some(())
            });
            assert!(reached.is_some(), "Fine {value}\n{}", self.sidecar.log());
        }
    }

    /// Waits for a metric of the sidecar's own to pass.
    fn metric(&self, series: &str, passes: impl Fn(f64) -> bool) -> f64 {
        let seen = || metric(&self.sidecar, series).filter(|value| passes(*value));
        wait_until(LIMIT, seen)
            .unwrap_or_else(|| panic!("{series}\n{}\n{}", own(&self.sidecar), self.sidecar.log()))
    }

    /// Waits for a line of the log with all of these; how many there are.
    fn logs(&self, parts: &[&str]) -> usize {
        let count = || {
            let log = self.sidecar.log();
            let lines = log
                .lines()
                .filter(|line| parts.iter().all(|part| line.contains(part)));
            Some(lines.count()).filter(|count| *count > 0)
        };
        wait_until(LIMIT, count).unwrap_or_else(|| panic!("{parts:?}\n{}", self.sidecar.log()))
    }
}

fn config(rules: &Path, exporter: &str, more: &str) -> String {
    format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n\
         rules: [{rules:?}]\n\
         feeds:\n- {{job_name: probe, static_configs: [{{targets: [{exporter:?}]}}]}}\n{more}"
    )
}

fn own(sidecar: &Sidecar) -> String {
    let response = get(sidecar.address(), "/metrics", &[]).unwrap();
    response.text().to_owned()
}

fn metric(sidecar: &Sidecar, series: &str) -> Option<f64> {
    let text = own(sidecar);
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Evaluations of rules since its start.
fn evaluated(sidecar: &Sidecar) -> f64 {
    let text = own(sidecar);
    let lines = text
        .lines()
        .filter(|line| line.starts_with("tidegauge_rule_evaluations_total{"));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// All alerts of a name.
fn alerts(sidecar: &Sidecar, name: &str) -> Vec<Value> {
    let answer = sidecar.api("/api/v1/alerts");
    let all = answer["alerts"].as_array().unwrap();
    let named = all
        .iter()
        .filter(|alert| alert["labels"]["alertname"] == name);
    named.cloned().collect()
}

fn state_of(sidecar: &Sidecar, name: &str) -> Option<String> {
    let alert = alerts(sidecar, name).pop()?;
    Some(alert["state"].as_str().unwrap().to_owned())
}

/// Health and last error of a rule.
fn rule(sidecar: &Sidecar, name: &str) -> (String, String) {
    let answer = sidecar.api("/api/v1/rules");
    let groups = answer["groups"].as_array().unwrap().iter();
    let mut rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let rule = rules.find(|rule| rule["name"] == name).unwrap();
    let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
    (text("health"), text("lastError"))
}

fn series_of(family: &str, group: &str, rules: &Path) -> String {
    format!("{family}{{rule_group=\"{};{group}\"}}", rules.display())
}

const FAILING: &str = r#"- name: twins
  rules:
  - {alert: Twins, expr: 'twin > 0', labels: {number: same}}
- name: recorded
  rules:
  - {record: twins, expr: twin, labels: {number: same}}
- name: template
  rules:
  - {alert: BadText, expr: 'twin{number="1"} > 0', annotations: {text: '{{ query "twin(" }}'}}
- name: many
  limit: 1
  rules:
  - {alert: Many, expr: 'twin > 0'}
- name: large
  rules:
  - {record: large, expr: 'count_over_time(twin[5m:1ms])'}
- name: slow
  rules:
  - {record: slow, expr: 'max_over_time(max_over_time(quantile_over_time(0.5, sin(vector(time()) * time())[1h:1s])[1h:1s])[1h:1s])'}
"#;

#[test]
fn rules_that_fail_stop_no_other() {
    needs!("binary");
    let one = "twin{number=\"1\"} 1\n";
    let two = "twin{number=\"1\"} 1\ntwin{number=\"2\"} 1\n";
    let limits = ["--query.max-samples=20000", "--query.timeout=100ms"];
    let faulty = Faulty::start("failing", one, FAILING, &limits);
    let (sidecar, rules) = (&faulty.sidecar, faulty.rules());
    let fires = || (state_of(sidecar, "Twins").as_deref() == Some("firing")).then_some(());
    wait_until(LIMIT, fires).unwrap_or_else(|| panic!("{}", sidecar.log()));

    faulty.goes_on(two);
    let failures =
        |group: &str| series_of("tidegauge_rule_evaluation_failures_total", group, &rules);
    for (group, name, error, hint) in [
        (
            "twins",
            "Twins",
            "same labelset after applying alert labels",
            "aggregate",
        ),
        (
            "recorded",
            "twins",
            "same labelset after applying rule labels",
            "aggregate",
        ),
        ("many", "Many", "exceeded limit of 1 with 2 alerts", "limit"),
        ("large", "large", "too many samples", "--query.max-samples"),
        ("slow", "slow", "timed out", "--query.timeout"),
    ] {
        let before = faulty.metric(&failures(group), |count| count > 0.0);
        // It goes on failing, and the log has told it once, with the place and what to do.
        faulty.metric(&failures(group), |count| count > before + 3.0);
        let (health, said) = rule(sidecar, name);
        assert_eq!(health, "err", "{name}: {said}");
        assert!(said.contains(error), "{name}: {said}");
        let file = rules.display().to_string();
        let told = [file.as_str(), "line=", name, error, hint, "a rule failed"];
        assert_eq!(faulty.logs(&told), 1, "{name}\n{}", sidecar.log());
    }
    assert_eq!(metric(sidecar, &failures("fine")), Some(0.0));
    // That nothing is known of it does not resolve it.
    assert_eq!(state_of(sidecar, "Twins").as_deref(), Some("firing"));

    // A template that fails: the alert fires, and says so in its text.
    let alert = alerts(sidecar, "BadText").remove(0);
    assert_eq!(alert["state"], "firing");
    let text = alert["annotations"]["text"].as_str().unwrap();
    assert!(text.starts_with("<error expanding template:"), "{text}");
    let templates = series_of("tidegauge_rule_template_failures_total", "template", &rules);
    let before = faulty.metric(&templates, |count| count > 0.0);
    faulty.metric(&templates, |count| count > before + 3.0);
    assert_eq!(faulty.logs(&["BadText", "line=", "a template failed"]), 1);

    // The fault goes.
    faulty.exporter.set(Some("fine 0\ntwin{number=\"2\"} 1\n"));
    for name in ["Twins", "Many"] {
        let well = || (rule(sidecar, name).0 == "ok").then_some(());
        wait_until(LIMIT, well).unwrap_or_else(|| panic!("{name}\n{}", sidecar.log()));
        assert_eq!(faulty.logs(&[name, "can be evaluated again"]), 1);
    }
    assert_eq!(faulty.logs(&["BadText", "templates work again"]), 1);
}

#[test]
fn an_exporter_that_sends_garbage_harms_only_itself() {
    needs!("binary");
    let scratch = Scratch::new("garbage");
    let state = scratch.folder("state");
    let garbage = Exposition::start("other 1\n");
    let more = format!(
        "- {{job_name: garbage, static_configs: [{{targets: [{:?}]}}]}}\n",
        garbage.address()
    );
    let rules = "- name: other\n  rules:\n  - {alert: Other, expr: 'other > 0'}\n";
    let faulty = Faulty::start_in(scratch, &state, "", rules, &more, &[]);
    let sidecar = &faulty.sidecar;
    let fires = || (state_of(sidecar, "Other").as_deref() == Some("firing")).then_some(());
    wait_until(LIMIT, fires).unwrap_or_else(|| panic!("{}", sidecar.log()));

    garbage.set(Some("<html>\u{1}{{{ no exposition\nother 1\n"));
    let down = "tidegauge_feed_targets{job=\"garbage\",health=\"down\"}";
    faulty.metric(down, |count| count == 1.0);
    let failures = "tidegauge_feed_scrape_failures_total{job=\"garbage\"}";
    let before = faulty.metric(failures, |count| count > 0.0);
    faulty.metric(failures, |count| count > before + 3.0);
    faulty.goes_on("");
    let told = ["feed is down", "job=garbage", garbage.address(), "line 1"];
    assert_eq!(faulty.logs(&told), 1, "{}", sidecar.log());
    let targets = sidecar.api("/api/v1/targets");
    let error = targets["activeTargets"].as_array().unwrap().iter();
    let mut error = error.filter(|target| target["labels"]["job"] == "garbage");
    let error = error.next().unwrap()["lastError"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(error.contains("line 1"), "{error}");
    // Nobody could look: it holds.
    assert_eq!(state_of(sidecar, "Other").as_deref(), Some("firing"));

    garbage.set(Some("other 0\n"));
    let resolved = || state_of(sidecar, "Other").is_none().then_some(());
    wait_until(LIMIT, resolved).unwrap_or_else(|| panic!("{}", sidecar.log()));
    assert_eq!(faulty.logs(&["feed is up again", "job=garbage"]), 1);
    assert_eq!(metric(sidecar, down), Some(0.0));
}

#[test]
fn more_series_than_allowed_leave_the_known_ones_alone() {
    needs!("binary");
    let scratch = Scratch::new("series");
    let state = scratch.folder("state");
    let limit = |count: usize| format!("window: {{max_series: {count}}}\n");
    let faulty = Faulty::start_in(scratch, &state, "", "", &limit(50), &[]);
    let sidecar = &faulty.sidecar;
    faulty.goes_on("");
    let many: String = (0..500).map(|n| format!("wild{{n=\"{n}\"}} 1\n")).collect();
    faulty.goes_on(&many);
    let refused = "tidegauge_window_refused_samples_total{reason=\"over_limit\"}";
    let before = faulty.metric(refused, |count| count > 0.0);
    faulty.metric(refused, |count| count > before + 1_000.0);
    faulty.metric("tidegauge_window_series", |count| count == 50.0);
    let no_room = "tidegauge_feed_refused_samples_total{job=\"probe\",reason=\"no_room\"}";
    faulty.metric(no_room, |count| count > 0.0);
    let told = [
        "samples of a feed are refused",
        "job=probe",
        "no_room=",
        "window.max_series",
    ];
    assert_eq!(faulty.logs(&told), 1, "{}", sidecar.log());

    // More are allowed.
    let config = config(&faulty.rules(), faulty.exporter.address(), &limit(1_000));
    fs::write(sidecar.config_file(), config).unwrap();
    let reloaded = post_form(sidecar.address(), "/-/reload", "").unwrap();
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    faulty.metric("tidegauge_window_series", |count| count > 500.0);
    assert_eq!(faulty.logs(&["samples of a feed are taken in again"]), 1);
}

/// Fills a filesystem to the last byte.
fn fill(folder: &Path) -> PathBuf {
    let ballast = folder.join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    ballast
}

#[test]
fn a_full_disk_under_the_state_folder() {
    needs!("root", "loop", "binary");
    let disk = LoopFs::new(FsKind::Ext4, 16);
    let state = disk.mountpoint().join("state");
    let rules = "- name: other\n  rules:\n  - {alert: Other, expr: 'other > 0'}\n";
    let scratch = Scratch::new("full");
    let faulty = Faulty::start_in(scratch, &state, "", rules, "", &[]);
    let sidecar = &faulty.sidecar;
    faulty.goes_on("");
    let (window, alerts_saved) = (
        "tidegauge_window_persistence_healthy",
        "tidegauge_rule_state_persistence_healthy",
    );
    faulty.metric(window, |healthy| healthy == 1.0);
    faulty.metric(alerts_saved, |healthy| healthy == 1.0);

    let ballast = fill(disk.mountpoint());
    // States that change many times, and ever new series: both have to write.
    for round in 0..200 {
        let new: String = (0..200)
            .map(|n| format!("new{{n=\"{round}-{n}\"}} 1\n"))
            .collect();
        faulty.goes_on(&new);
        if metric(sidecar, window) == Some(0.0) && metric(sidecar, alerts_saved) == Some(0.0) {
            break;
        }
    }
    faulty.metric(window, |healthy| healthy == 0.0);
    faulty.metric(alerts_saved, |healthy| healthy == 0.0);
    faulty.metric("tidegauge_window_persistence_failures_total", |count| {
        count > 0.0
    });
    faulty.metric("tidegauge_rule_state_failures_total", |count| count > 3.0);
    faulty.goes_on("other 1\n");
    assert_eq!(
        faulty.logs(&["alerts are not saved", "space"]),
        1,
        "{}",
        sidecar.log()
    );
    let told = ["the window cannot be kept on disk", "No space left"];
    assert_eq!(faulty.logs(&told), 1, "{}", sidecar.log());
    assert_eq!(state_of(sidecar, "Other").as_deref(), Some("firing"));
    let since = alerts(sidecar, "Other").remove(0)["activeAt"].clone();

    // There is room again: what changed meanwhile is saved.
    fs::remove_file(&ballast).unwrap();
    faulty.metric(alerts_saved, |healthy| healthy == 1.0);
    assert_eq!(faulty.logs(&["alerts are saved again"]), 1);
    let kept = || (metric(sidecar, window) == Some(1.0)).then_some(());
    // It is tried every half a minute.
    wait_until(2 * LIMIT, kept).unwrap_or_else(|| panic!("{}", sidecar.log()));
    assert_eq!(faulty.logs(&["the window is kept on disk again"]), 1);
    let config = fs::read_to_string(sidecar.config_file()).unwrap();
    let Faulty {
        sidecar, exporter, ..
    } = faulty;
    sidecar.kill();
    exporter.set(None);
    let sidecar = Sidecar::start(&state, &config, &[]);
    let restored = alerts(&sidecar, "Other").remove(0);
    assert_eq!(
        (&restored["state"], &restored["activeAt"]),
        (&"firing".into(), &since)
    );
}

#[test]
fn broken_state_is_set_aside() {
    needs!("binary");
    let scratch = Scratch::new("broken");
    let state = scratch.folder("state");
    let faulty = Faulty::start_in(scratch, &state, "", "", "", &[]);
    faulty.goes_on("");
    faulty.metric("tidegauge_window_last_snapshot_timestamp_seconds", |time| {
        time > 0.0
    });
    let Faulty {
        sidecar,
        exporter,
        scratch,
    } = faulty;
    let config = fs::read_to_string(sidecar.config_file()).unwrap();
    sidecar.kill();
    let broken = |name: &str| {
        let all = fs::read_dir(&state)
            .unwrap()
            .chain(fs::read_dir(state.join("window")).unwrap());
        let paths = all.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.to_string_lossy().contains(name))
            .collect::<Vec<_>>()
    };
    for path in [broken("alerts.db"), broken("window/")].concat() {
        if path.is_file() && !path.ends_with("lock") {
            fs::write(
                &path,
                b"no state of ours, and longer than any header of it would be".repeat(99),
            )
            .unwrap();
        }
    }
    let sidecar = Sidecar::start(&state, &config, &[]);
    let faulty = Faulty {
        sidecar,
        exporter,
        scratch,
    };
    faulty.goes_on("");
    faulty.metric("tidegauge_window_corrupt_files", |count| count > 0.0);
    faulty.metric("tidegauge_rule_state_corruptions_total", |count| {
        count == 1.0
    });
    faulty.metric("tidegauge_window_persistence_healthy", |healthy| {
        healthy == 1.0
    });
    faulty.metric("tidegauge_rule_state_persistence_healthy", |healthy| {
        healthy == 1.0
    });
    let runtime = faulty.sidecar.api("/api/v1/status/runtimeinfo");
    assert!(
        runtime["corruptionCount"].as_u64().unwrap() > 1,
        "{runtime:#}"
    );
    faulty.logs(&["alerts.db", "set aside and a new one begun"]);
    faulty.logs(&["the window was not restored whole", "set aside"]);
    assert!(!broken("corrupt").is_empty());
}

#[test]
fn a_reload_takes_all_or_nothing() {
    needs!("binary");
    let rules = "- name: slow\n  interval: 1h\n  rules:\n  - {alert: Hourly, expr: vector(1)}\n";
    let site = "  rules:\n  - {alert: Fine, expr: 'fine > 0', annotations: {site: '{{ $externalLabels.site }}'}}\n";
    let faulty = Faulty::start("reload", "", rules, &[]);
    let sidecar = &faulty.sidecar;
    let path = faulty.rules();
    let reload = || post_form(sidecar.address(), "/-/reload", "").unwrap();
    let info = || sidecar.api("/api/v1/status/runtimeinfo");
    let started = info()["lastConfigTime"].clone();
    let successful = "tidegauge_config_last_reload_successful";
    assert_eq!(metric(sidecar, successful), Some(1.0));
    faulty.exporter.set(Some("fine 1\n"));
    let fires = || (state_of(sidecar, "Fine").as_deref() == Some("firing")).then_some(());
    wait_until(LIMIT, fires).unwrap_or_else(|| panic!("{}", sidecar.log()));
    let since = alerts(sidecar, "Fine").remove(0)["activeAt"].clone();

    // Rules that are wrong: the answer and the log have file, line, rule and hint; the old ones go on.
    let right = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        format!("{right}- name: broken\n  rules:\n  - alert: Broken\n    expr: sum(\n"),
    )
    .unwrap();
    let line = right.lines().count() + 4;
    let refused = reload();
    assert_eq!(refused.status, 500);
    let place = format!("{}:{line}:", path.display());
    for said in [refused.text().to_owned(), sidecar.log()] {
        assert!(said.contains(&place) && said.contains("Broken"), "{said}");
    }
    assert_eq!(metric(sidecar, successful), Some(0.0));
    assert_eq!(info()["reloadConfigSuccess"], false);
    assert_eq!(info()["lastConfigTime"], started);
    faulty.goes_on("");
    faulty.exporter.set(Some("fine 1\n"));
    wait_until(LIMIT, fires).unwrap();
    let again = alerts(sidecar, "Fine").remove(0)["activeAt"].clone();
    assert_ne!(again, since, "it resolved and fired anew");

    // A configuration that is wrong, by the signal.
    fs::write(&path, &right).unwrap();
    let config = fs::read_to_string(sidecar.config_file()).unwrap();
    fs::write(sidecar.config_file(), format!("{config}wimdow: {{}}\n")).unwrap();
    sidecar.signal(Signal::HUP);
    let line = config.lines().count() + 1;
    let place = format!("tidegauge.yml:{line}:");
    faulty.logs(&[&place, "wimdow", "window"]);

    // All of it is replaced, and the answer comes when it is.
    let labelled = config.replace(
        "evaluation_interval: 200ms",
        "evaluation_interval: 1s, external_labels: {site: north}",
    );
    fs::write(sidecar.config_file(), labelled).unwrap();
    fs::write(
        &path,
        right.replace("  rules:\n  - {alert: Fine, expr: 'fine > 0'}\n", site),
    )
    .unwrap();
    let taken = reload();
    assert_eq!(taken.status, 200, "{}", taken.text());
    assert_eq!(metric(sidecar, successful), Some(1.0));
    assert_ne!(info()["lastConfigTime"], started);
    assert_eq!(info()["reloadConfigSuccess"], true);
    let interval = series_of("tidegauge_rule_group_interval_seconds", "fine", &path);
    faulty.metric(&interval, |seconds| seconds == 1.0);
    let named = || {
        let alert = alerts(sidecar, "Fine").pop()?;
        (alert["annotations"]["site"] == "north").then_some(alert)
    };
    let alert = wait_until(LIMIT, named).unwrap_or_else(|| panic!("{}", sidecar.log()));
    assert_eq!(
        (&alert["state"], &alert["activeAt"]),
        (&"firing".into(), &again)
    );
    let shown = sidecar.api("/api/v1/status/config");
    let shown = shown["yaml"].as_str().unwrap();
    assert!(
        shown.contains("evaluation_interval: 1s") && shown.contains("north"),
        "{shown}"
    );
    assert!(shown.contains(faulty.exporter.address()), "{shown}");
    let tsdb = sidecar.api("/api/v1/status/tsdb");
    assert!(
        tsdb["headStats"]["numSeries"].as_u64().unwrap() > 5,
        "{tsdb:#}"
    );
    let absent = get(sidecar.address(), "/api/v1/status/walreplay", &[]).unwrap();
    assert_eq!(absent.status, 404);
    assert!(
        absent.text().contains("\"errorType\":\"not_found\""),
        "{}",
        absent.text()
    );
}

#[test]
fn an_alert_of_a_tier_holds_while_its_mount_hangs() {
    needs!("root", "loop", "fuse", "setpriv", "binary");
    let healthy = LoopFs::new(FsKind::Ext4, 64);
    let hung = HangFs::new();
    let scratch = Scratch::new("hang");
    // Three quarters of the hanging one are used, and nothing of the other.
    let rules = "groups:\n- name: g\n  rules:\n\
                 \x20 - {alert: Full, expr: 'tidegauge_tier_used_ratio > 0.7'}\n\
                 \x20 - {alert: Mount, expr: 'tidegauge_filesystem_used_ratio > 0.7'}\n\
                 \x20 - {record: 'tier:used', expr: 'max by (tier) (tidegauge_tier_used_ratio)'}\n\
                 \x20 - {alert: Recorded, expr: 'tier:used > 0.7'}\n\
                 \x20 - {alert: Down, expr: 'tidegauge_tier_up == 0'}\n";
    let rules = scratch.file("rules.yml", rules);
    let config = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\n\
         rules: [{rules:?}]\n\
         tiers:\n- {{name: hot, paths: [{:?}]}}\n- {{name: cold, paths: [{:?}]}}\n",
        healthy.mountpoint(),
        hung.mountpoint()
    );
    let state = scratch.folder("state");
    let start = || Sidecar::start_with_exporter(&state, &config, &[]);
    let sidecar = start();
    let held = ["Full", "Mount", "Recorded"];
    let states = || held.map(|name| state_of(&sidecar, name));
    let all_fire = || {
        states()
            .iter()
            .all(|state| state.as_deref() == Some("firing"))
    };
    wait_until(LIMIT, || all_fire().then_some(()))
        .unwrap_or_else(|| panic!("{:?}\n{}", states(), sidecar.log()));

    hung.set(Operations::All, Answer::Hang);
    // The last reading is shown for 30 s; then there is none.
    let gone = || {
        let found = sidecar.query("tidegauge_tier_used_ratio{tier=\"cold\"}");
        found.as_array().unwrap().is_empty().then_some(())
    };
    wait_until(2 * LIMIT, gone).unwrap_or_else(|| panic!("{}", sidecar.log()));
    let down = || (state_of(&sidecar, "Down").as_deref() == Some("firing")).then_some(());
    wait_until(LIMIT, down).unwrap_or_else(|| panic!("{}", sidecar.log()));
    let before = evaluated(&sidecar);
    let later = || (evaluated(&sidecar) > before + 50.0).then_some(());
    wait_until(LIMIT, later).unwrap();
    assert!(all_fire(), "{:?}\n{}", states(), sidecar.log());

    // So does one that starts while it hangs. (Whoever is killed while he waits for the mount stays until it answers.)
    hung.set(Operations::All, Answer::Normal);
    sidecar.kill();
    hung.set(Operations::All, Answer::Hang);
    let sidecar = start();
    let states = || held.map(|name| state_of(&sidecar, name));
    let all_fire = || {
        states()
            .iter()
            .all(|state| state.as_deref() == Some("firing"))
    };
    assert!(all_fire(), "{:?}\n{}", states(), sidecar.log());
    wait_until(LIMIT, || (evaluated(&sidecar) > 50.0).then_some(())).unwrap();
    assert!(all_fire(), "{:?}\n{}", states(), sidecar.log());
    assert_eq!(state_of(&sidecar, "Down").as_deref(), Some("firing"));

    // Somebody can look again.
    hung.set(Operations::All, Answer::Normal);
    let up = || state_of(&sidecar, "Down").is_none().then_some(());
    wait_until(LIMIT, up).unwrap_or_else(|| panic!("{}", sidecar.log()));
    assert!(all_fire(), "{:?}\n{}", states(), sidecar.log());
}

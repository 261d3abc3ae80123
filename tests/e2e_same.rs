//! Our sidecar and Prometheus 3.5 side by side: the same verdicts by the same rules, the ones that ship.
//!
//! Live: both scrape the same exporter, evaluate all rules (whose waiting is shortened to seconds) and are asked for all
//! expressions. Between them and the exporter stands a relay that gives each sample the time at which it was read
//! and goes on only when both have it. So both hold the same samples, and expressions over them must have the same
//! answers to the last digit, instant and over the whole run. What each makes itself, at times of its own (`ALERTS`,
//! recorded series, `up`), must have the same series whenever the relay stands still. So must the states of all rules.
//!
//! Exact: afterwards all that Prometheus stored, `ALERTS`, recorded series and marks of staleness included, is put into the
//! window of a fresh sidecar: then every expression must have the same answer at every second of the run.
//!
//! `TIDEGAUGE_SAME_SECONDS` has the relay run for longer than the half a minute in all that it does by itself.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidegauge::builtin_rules::RULE_FILES;
use tidegauge_rig::{
    Exporter, Exposition, FsKind, Job, LoopFs, Prometheus, Scratch, Sidecar, Which, needs,
    wait_until,
};

#[path = "same/answers.rs"]
mod answers;
#[path = "same/expressions.rs"]
mod expressions;
#[path = "same/stored.rs"]
mod stored;

use answers::{Asked, Differences};

const LIMIT: Duration = Duration::from_secs(60);

/// The paths by which the relay tells who asks.
const THEIRS: &str = "/theirs";
const OURS: &str = "/ours";

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// Both servers, and what they scrape.
struct Pair {
    exporter: Exporter,
    relay: Exposition,
    theirs: Prometheus,
    ours: Sidecar,
    began: i64,
    /// Mount points and loop devices, as in labels.
    known: Vec<String>,
    _state: Scratch,
}

impl Pair {
    fn start(config: &str, known: Vec<String>) -> Self {
        let state = Scratch::new("same");
        let rules: Vec<_> = RULE_FILES
            .iter()
            .map(|file| state.file(file.name, &expressions::hurried(file.text)))
            .collect();
        let exporter = Exporter::start(&[], config);
        let relay = Exposition::start("");
        let targets = [relay.address()];
        let job = Job {
            name: "tidegauge",
            targets: &targets,
            settings: json!({ "metrics_path": THEIRS, "track_timestamps_staleness": true }),
        };
        let began = now();
        let theirs = Prometheus::start_jobs_with_rules(Which::V3, &[job], &rules);
        let config = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
            "rules": rules,
            "feeds": [{
                "job_name": "tidegauge",
                "metrics_path": OURS,
                "track_timestamps_staleness": true,
                "static_configs": [{ "targets": targets }],
            }],
        });
        let ours = Sidecar::start(&state.folder("state"), &config.to_string(), &[]);
        Self {
            exporter,
            relay,
            theirs,
            ours,
            began,
            known,
            _state: state,
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            theirs: self.theirs.address(),
            ours: self.ours.address(),
        }
    }

    /// Serves what the exporter says now until both have it.
    fn relay(&self) {
        let read = self.exporter.get("/metrics", &[]).unwrap();
        let time = now();
        let mut text = String::new();
        for line in read.text().lines().filter(|line| !self.is_foreign(line)) {
            text.push_str(line);
            if !line.starts_with('#') {
                text.push_str(&format!(" {time}"));
            }
            text.push('\n');
        }
        self.serve(Some(&text));
    }

    /// Whether a line tells of a loop device, a mount or a hazard of one that is not of this test: others come and go,
    /// by hundreds at times.
    fn is_foreign(&self, line: &str) -> bool {
        let is_ours = || self.known.iter().any(|name| line.contains(name.as_str()));
        let is_named = ["mountpoint=", "device=\"loop", "target="]
            .iter()
            .any(|label| line.contains(label));
        !line.starts_with('#') && is_named && !is_ours()
    }

    /// The second time that somebody asks, he has stored what he was told the first time.
    fn serve(&self, text: Option<&str>) {
        self.relay.set(text);
        let both = wait_until(LIMIT, || {
            let twice = |path| self.relay.asked(path) >= 2;
            (twice(THEIRS) && twice(OURS)).then_some(())
        });
        assert!(both.is_some(), "both scrape\n{}", self.ours.log());
    }

    /// Relays until both know of these alerts, by name, in that state, and nothing else changes.
    fn relay_until(&self, firing: &[&str], silent: &[&str]) {
        let said = || {
            [
                &self.theirs.api("/api/v1/alerts"),
                &self.ours.api("/api/v1/alerts"),
            ]
            .map(names)
        };
        let settled = (0..40).any(|_| {
            self.relay();
            said().iter().all(|said| {
                let is = |name: &&str, state: &str| said.contains(&format!("{name} {state}"));
                firing.iter().all(|name| is(name, "firing"))
                    && silent
                        .iter()
                        .all(|name| !is(name, "firing") && !is(name, "pending"))
            })
        });
        let [theirs, ours] = said();
        assert!(
            settled,
            "{firing:?} fire and {silent:?} do not:\n  Prometheus: {theirs:?}\n  ours: {ours:?}\n{}",
            self.ours.log()
        );
        // What waits for three seconds is over, and nothing has moved since.
        let scrapes = self.relay.asked(OURS);
        let still = wait_until(LIMIT, || {
            (self.relay.asked(OURS) >= scrapes + 7).then_some(())
        });
        assert!(still.is_some(), "{}", self.ours.log());
    }

    /// Compares what both say now, while the relay stands still.
    fn compare_now(&self, when: &str) {
        let time = now();
        let mut differences = Differences::default();
        for expression in expressions::all() {
            let mut said = self.asked().instant(&expression, time);
            if expressions::is_own(&expression) {
                said = said.map(|answer| labels_only(&answer));
            }
            differences.compare(&expression, &said[0], &said[1]);
        }
        let [theirs, ours] = [
            &self.theirs.api("/api/v1/rules"),
            &self.ours.api("/api/v1/rules"),
        ]
        .map(states);
        assert!(theirs.len() > 70, "{}", theirs.len());
        assert_eq!(theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(&ours) {
            differences.compare("/api/v1/rules", theirs, ours);
        }
        differences.assert_none(when);
        assert!(differences.filled > 100, "{when}: {}", differences.filled);
    }
}

/// The alerts as `name state`.
fn names(answer: &Value) -> BTreeSet<String> {
    let alerts = answer["alerts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    alerts
        .map(|alert| text(&alert["labels"]["alertname"]) + " " + &text(&alert["state"]))
        .collect()
}

/// Of an answer the labels.
fn labels_only(answer: &Value) -> Value {
    let Some(series) = answer["result"].as_array() else {
        return answer.clone();
    };
    let labels = series.iter().map(|series| series["metric"].clone());
    Value::Array(labels.collect())
}

/// Of each rule: its name, kind, health and state, and its alerts with their texts, in the order of their labels.
fn states(answer: &Value) -> Vec<Value> {
    let groups = answer["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| {
        let rules = group["rules"].as_array().unwrap();
        rules.iter().map(move |rule| (&group["name"], rule))
    });
    let mut all: Vec<Value> = rules
        .map(|(group, rule)| {
            let alerts = rule["alerts"].as_array().cloned().unwrap_or_default();
            let mut alerts: Vec<Value> = alerts
                .into_iter()
                .map(|alert| {
                    json!({
                        "labels": alert["labels"],
                        "state": alert["state"],
                        "annotations": alert["annotations"],
                        "value": alert["value"],
                    })
                })
                .collect();
            alerts.sort_by_key(|alert| alert["labels"].to_string());
            let wrong = rule["lastError"].as_str().unwrap_or_default();
            json!({
                "group": group, "name": rule["name"], "type": rule["type"], "health": rule["health"],
                "state": rule["state"], "alerts": alerts, "lastError": wrong, "labels": rule["labels"],
            })
        })
        .collect();
    // Some have the same name in the same group; the sort keeps their order.
    all.sort_by_key(|rule| rule["group"].to_string());
    all
}

/// Takes all the room that there is but some.
fn fill(at: &Path, leave: u64) -> std::path::PathBuf {
    let room = rustix::fs::statvfs(at).unwrap();
    let mut rest = (room.f_bavail * room.f_frsize).saturating_sub(leave);
    let path = at.join("ballast");
    let mut file = File::create(&path).unwrap();
    while rest > 0 {
        let size = rest.min(1 << 16);
        file.write_all(&vec![7; usize::try_from(size).unwrap()])
            .unwrap();
        rest -= size;
    }
    file.sync_all().unwrap();
    path
}

#[test]
fn the_rules_that_ship_have_the_same_answers_and_verdicts() {
    needs!("root", "loop", "mkfs.ext4", "binary", "prometheus3");
    let [hot, warm, second, gone] = [(); 4].map(|()| LoopFs::new(FsKind::Ext4, 32));
    let paths = |all: &[&LoopFs]| -> Vec<String> {
        let names = all.iter().map(|fs| fs.mountpoint().display().to_string());
        names.collect()
    };
    let config = json!({
        "tiers": [
            { "name": "hot", "paths": paths(&[&hot]) },
            { "name": "warm", "paths": paths(&[&warm, &second]) },
            { "name": "cold", "paths": paths(&[&gone]), "require_mount": true },
        ]
    });
    let known = [&hot, &warm, &second, &gone].map(|fs| {
        let device = fs.device().file_name().unwrap().to_str().unwrap();
        let mount = fs.mountpoint().display();
        [format!("device=\"{device}\""), format!("=\"{mount}\"")]
    });
    let pair = Pair::start(&config.to_string(), known.concat());
    let filling = ["TierFillingUp", "TierAlmostFull", "FilesystemFillingUp"];
    pair.relay_until(&["Watchdog"], &filling);
    let more = env::var("TIDEGAUGE_SAME_SECONDS").map_or(0, |n| n.parse().unwrap());
    for _ in 0..more {
        pair.relay();
    }
    pair.compare_now("at first");

    let ballast = [
        fill(hot.mountpoint(), 1 << 18),
        fill(second.mountpoint(), 1 << 20),
    ];
    pair.relay_until(&filling, &["TierDown"]);
    pair.compare_now("full");

    // A mount goes, then the exporter, and comes again. Marks of staleness have the time of each one's own scrape: the
    // moments between are left out.
    let mut calm = vec![(pair.began, now())];
    drop(gone);
    pair.relay_until(&["TierDown", "TierFillingUp"], &[]);
    let since = now();
    pair.compare_now("a tier down");
    calm.push((since, now()));
    pair.serve(None);
    pair.serve(None);
    pair.serve(None);
    for file in ballast {
        fs::remove_file(file).unwrap();
    }
    pair.relay_until(&["TierDown"], &[&filling[..], &["TidegaugeDown"]].concat());
    let since = now();
    pair.compare_now("in the end");
    let (began, ended) = (pair.began, now());
    calm.push((since, ended));

    // The relayed samples are the same in both.
    let mut live = Differences::default();
    for expression in expressions::all() {
        if expressions::is_own(&expression) {
            continue;
        }
        for (from, to) in &calm {
            let [theirs, ours] = pair.asked().range(&expression, *from, *to);
            live.compare(&expression, &theirs, &ours);
        }
    }
    live.assert_none("over the run, live");

    // And all that Prometheus stored, ALERTS and marks included, is answered exactly.
    let raw = r#"{__name__!="",job!="prometheus"}"#.to_owned();
    let dump = pair.theirs.dump(&raw);
    let state = Scratch::new("same-stored");
    let folder = state.folder("state");
    let series = stored::write(&folder, &dump);
    let quiet = r#"{"rules": [], "window": {"retention": "6h"}}"#;
    let replayed = Sidecar::start(&folder, quiet, &[]);
    let asked = Asked {
        theirs: pair.theirs.address(),
        ours: replayed.address(),
    };
    let mut exact = Differences::default();
    let all = expressions::all();
    for expression in all.iter().chain([&raw]) {
        let [theirs, ours] = asked.range(expression, began, ended);
        if *expression == raw {
            assert!(
                !theirs.to_string().contains("\"NaN\""),
                "only marks are NaN"
            );
        }
        exact.compare(expression, &theirs, &ours);
        for third in 1..=3 {
            let time = began + (ended - began) * third / 3;
            let [theirs, ours] = asked.instant(expression, time);
            exact.compare(expression, &theirs, &ours);
        }
    }
    exact.assert_none("exact");
    println!(
        "{} expressions; live over {} s: {} ranges ({} not empty); exact: {} answers ({} not empty) over {} samples of {series} series",
        all.len(),
        (ended - began) / 1000,
        live.compared,
        live.filled,
        exact.compared,
        exact.filled,
        dump.len(),
    );
    assert!(
        live.filled > 100 && exact.filled > 400,
        "too little was asked"
    );
}

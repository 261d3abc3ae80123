//! kill -9 of the sidecar at any moment: what it last showed of its alerts is there again.
//!
//! Four alerts stay as they are, one in each state. Of others one changes in each round, and the kill comes before, while
//! or after the sidecar learns of it: what it had shown by then must be what it begins with.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tidegauge_rig::{Exposition, Scratch, Sidecar, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const KILLS: u32 = 200;

const RULES: &str = "
groups:
  - name: crash
    interval: 50ms
    rules:
      - {alert: Pending, expr: 'probe{case=\"pending\"} > 0', for: 1d}
      - {alert: Firing, expr: 'probe{case=\"firing\"} > 0'}
      - {alert: FiringSince, expr: 'probe{case=\"since\"} > 0', for: 200ms}
      - {alert: Keeping, expr: 'probe{case=\"keeping\"} > 0', keep_firing_for: 1d}
      - {alert: Comes, expr: 'changing > 0', for: 1d}
      - {alert: Returns, expr: 'changing > 0', keep_firing_for: 1d}
";

/// Series that change.
const CHANGING: u64 = 6;

fn exposition(keeping: u8, firing: u8, changing: &[bool]) -> String {
    let mut text = format!(
        "probe{{case=\"pending\"}} 1\nprobe{{case=\"firing\"}} {firing}\nprobe{{case=\"since\"}} 1\nprobe{{case=\"keeping\"}} {keeping}\n"
    );
    for (n, on) in changing.iter().enumerate() {
        text.push_str(&format!("changing{{n=\"{n}\"}} {}\n", u8::from(*on)));
    }
    text
}

/// State, active since, kept firing since.
type Shown = (String, String, Option<String>);

/// By name, with the number of what changes.
type Alerts = BTreeMap<String, Shown>;

fn alerts(sidecar: &Sidecar) -> Alerts {
    let answer = sidecar.api("/api/v1/alerts");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |alert: &Value| {
        let name = text(&alert["labels"]["alertname"])?;
        let name = name + &text(&alert["labels"]["n"]).unwrap_or_default();
        Some((
            name,
            (
                text(&alert["state"])?,
                text(&alert["activeAt"])?,
                text(&alert["keepFiringSince"]),
            ),
        ))
    };
    let list = answer["alerts"].as_array().unwrap();
    let all: Option<Alerts> = list.iter().map(one).collect();
    all.unwrap_or_else(|| panic!("{answer:#}"))
}

/// Numbers that look random and are the same in each run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Whether what is shown of an alert on a series that is on or off is what it comes to.
fn is_settled(name: &str, shown: Option<&Shown>, on: bool) -> bool {
    match (name.starts_with("Comes"), shown) {
        (true, shown) => shown.is_some() == on,
        // Once it has fired it is kept.
        (false, Some((_, _, kept_since))) => kept_since.is_none() == on,
        (false, None) => !on,
    }
}

/// Whether all that stands on a series that changes is settled.
fn has_settled(alerts: &Alerts, n: usize, on: bool) -> bool {
    let names = ["Comes", "Returns"].map(|name| format!("{name}{n}"));
    names
        .iter()
        .all(|name| is_settled(name, alerts.get(name), on))
}

/// What was shown before a kill must be there after it; but what was still to change may have.
fn compare(before: &Alerts, after: &Alerts, changing: &[bool]) -> Result<(), String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        let n = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let on = n.parse().ok().and_then(|n: usize| changing.get(n));
        let may_change =
            on.is_some_and(|on| !is_settled(name, was, *on) && is_settled(name, is, *on));
        // How long it has been active is not forgotten over that.
        let is_same = was.is_none() || is.is_none() || was.map(|w| &w.1) == is.map(|i| &i.1);
        if was != is && !(may_change && is_same) {
            return Err(format!("{name} was {was:?} and is {is:?}"));
        }
    }
    Ok(())
}

#[test]
fn no_alert_is_forgotten_over_kills_at_random() {
    needs!("binary");
    let state = Scratch::new("crash");
    let rules = state.file("rules.yml", RULES);
    let mut changing = [false; CHANGING as usize];
    let exporter = Exposition::start(&exposition(1, 1, &changing));
    let config = format!(
        "rules: [{rules:?}]\nfeeds: [{{job_name: probe, scrape_interval: 50ms, scrape_timeout: 50ms, static_configs: [{{targets: [{:?}]}}]}}]\n",
        exporter.address()
    );
    let folder = state.folder("state");
    let start = || Sidecar::start(&folder, &config, &[]);

    // Once all four are what they are to stay.
    let sidecar = start();
    let firing = |alerts: &Alerts, name: &str| alerts.get(name).is_some_and(|a| a.0 == "firing");
    wait_until(LIMIT, || firing(&alerts(&sidecar), "Keeping").then_some(())).unwrap();
    exporter.set(Some(&exposition(0, 1, &changing)));
    let known = wait_until(LIMIT, || {
        let now = alerts(&sidecar);
        let kept = now.get("Keeping").is_some_and(|alert| alert.2.is_some());
        (now.len() == 4 && kept && firing(&now, "FiringSince")).then_some(now)
    })
    .unwrap_or_else(|| panic!("{:?}\n{}", alerts(&sidecar), sidecar.log()));
    assert_eq!(known["Pending"].0, "pending");
    sidecar.kill();

    let mut random = Random(0x7469_6465);
    let mut before = known.clone();
    let mut seen = 0;
    for kill in 1..=KILLS {
        let sidecar = start();
        let restored = alerts(&sidecar);
        if let Err(lost) = compare(&before, &restored, &changing) {
            panic!("after kill {}: {lost}\n{}", kill - 1, sidecar.log());
        }
        // Scrapes and evaluations every 50 ms, commits and snapshots of the window are hit at any instant.
        thread::sleep(Duration::from_micros(random.below(80_000)));
        let now = alerts(&sidecar);
        let first = random.below(CHANGING) as usize;
        let order = (0..changing.len()).map(|n| (first + n) % changing.len());
        // Only one that is known as it is: of another nobody could say what is to come of it.
        let changed = order
            .into_iter()
            .find(|n| has_settled(&now, *n, changing[*n]));
        if let Some(n) = changed {
            changing[n] = !changing[n];
            exporter.set(Some(&exposition(0, 1, &changing)));
        }
        thread::sleep(Duration::from_micros(random.below(160_000)));
        before = alerts(&sidecar);
        sidecar.kill();
        seen += u32::from(changed.is_some_and(|n| has_settled(&before, n, changing[n])));
        for (name, alert) in &known {
            assert_eq!(before.get(name), Some(alert), "before kill {kill}");
        }
    }
    // Kills before the change was seen, and after.
    assert!((1..KILLS).contains(&seen), "{seen} of {KILLS}");

    // It was no frozen picture: what is over resolves, what is pending stays.
    let sidecar = start();
    exporter.set(Some(&exposition(0, 0, &changing)));
    let resolved = wait_until(LIMIT, || {
        (!alerts(&sidecar).contains_key("Firing")).then_some(())
    });
    assert!(resolved.is_some(), "{}", sidecar.log());
    let now = alerts(&sidecar);
    assert_eq!(
        (&now["Pending"], &now["Keeping"]),
        (&known["Pending"], &known["Keeping"])
    );
}

//! kill -9 of the sidecar at any moment: what it knew of its alerts is there again.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
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
";

fn exposition(keeping: u8, firing: u8) -> String {
    format!(
        "probe{{case=\"pending\"}} 1\nprobe{{case=\"firing\"}} {firing}\nprobe{{case=\"since\"}} 1\nprobe{{case=\"keeping\"}} {keeping}\n"
    )
}

/// By name: state, active since, kept firing since.
type Alerts = BTreeMap<String, (String, String, Option<String>)>;

fn alerts(sidecar: &Sidecar) -> Alerts {
    let answer = sidecar.api("/api/v1/alerts");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |alert: &Value| {
        let name = text(&alert["labels"]["alertname"])?;
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

#[test]
fn no_alert_is_forgotten_over_kills_at_random() {
    needs!("binary");
    let state = Scratch::new("crash");
    let rules = state.file("rules.yml", RULES);
    let exporter = Exposition::start(&exposition(1, 1));
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
    exporter.set(Some(&exposition(0, 1)));
    let known = wait_until(LIMIT, || {
        let now = alerts(&sidecar);
        let kept = now.get("Keeping").is_some_and(|alert| alert.2.is_some());
        (now.len() == 4 && kept && firing(&now, "FiringSince")).then_some(now)
    })
    .unwrap_or_else(|| panic!("{:?}\n{}", alerts(&sidecar), sidecar.log()));
    assert_eq!(known["Pending"].0, "pending");
    sidecar.kill();

    let mut random = Random(0x7469_6465);
    for kill in 1..=KILLS {
        let sidecar = start();
        let restored = alerts(&sidecar);
        assert_eq!(restored, known, "after kill {kill}\n{}", sidecar.log());
        // Evaluations, scrapes, snapshots and commits of these 50 ms intervals are hit at any instant.
        thread::sleep(Duration::from_micros(random.below(120_000)));
        let evaluated = alerts(&sidecar);
        assert_eq!(
            evaluated,
            known,
            "before kill {}\n{}",
            kill + 1,
            sidecar.log()
        );
        sidecar.kill();
    }

    // It was no frozen picture: what is over resolves, what is pending stays.
    let sidecar = start();
    exporter.set(Some(&exposition(0, 0)));
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

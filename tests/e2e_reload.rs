//! Reading the configuration again, by SIGHUP: all of it or nothing.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tidegauge_rig::{Exporter, FsKind, LoopFs, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

fn scrape(exporter: &Exporter) -> String {
    exporter.get("/metrics", &[]).unwrap().text().to_owned()
}

fn value(exporter: &Exporter, series: &str) -> Option<f64> {
    let text = scrape(exporter);
    let series = format!("{series} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

fn successful(exporter: &Exporter) -> Option<f64> {
    value(exporter, "tidegauge_config_last_reload_successful")
}

fn config(tier: &str, path: &Path, directory: &Path) -> String {
    format!(
        "tiers:\n  - name: {tier}\n    paths: [{path:?}]\n    directories: [{{path: {directory:?}, budget: 1GB, ages: [1d]}}]\n"
    )
}

#[test]
fn the_new_replaces_the_old_or_the_old_goes_on() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let data = fs.mountpoint().join("data");
    fs::create_dir(&data).unwrap();
    let exporter = Exporter::start(&[], &config("hot", fs.mountpoint(), &data));
    let started = "tidegauge_config_last_reload_success_timestamp_seconds";
    let first = value(&exporter, started).unwrap();
    assert_eq!(successful(&exporter), Some(1.0));
    let used = |tier: &str| {
        let path = data.display();
        value(
            &exporter,
            &format!("tidegauge_directory_used_bytes{{tier=\"{tier}\",path=\"{path}\"}}"),
        )
    };
    wait_until(LIMIT, || used("hot")).expect("the first walk");

    // Wrong: a key that is not known, with its line, and nothing changes.
    fs::write(
        exporter.config_file(),
        "tiers:\n  - name: warm\n    pats: [/]\n",
    )
    .unwrap();
    exporter.signal(Signal::HUP);
    wait_until(LIMIT, || (successful(&exporter) == Some(0.0)).then_some(())).expect("it is told");
    let log = exporter.log();
    assert!(
        log.contains("tidegauge.yml:3:") && log.contains("pats"),
        "{log}"
    );
    assert!(used("hot").is_some());
    assert_eq!(value(&exporter, started), Some(first));

    // Gone altogether.
    let file = exporter.config_file();
    fs::rename(&file, file.with_extension("away")).unwrap();
    exporter.signal(Signal::HUP);
    let told = || exporter.log().contains("cannot read").then_some(());
    wait_until(LIMIT, told).expect("it is told");
    assert!(used("hot").is_some());

    // Right: another name for the tier. What the walk found stays: the directory is the same.
    fs::write(&file, config("warm", fs.mountpoint(), &data)).unwrap();
    exporter.signal(Signal::HUP);
    wait_until(LIMIT, || (successful(&exporter) == Some(1.0)).then_some(())).expect("it is taken");
    assert!(
        used("warm").is_some() && used("hot").is_none(),
        "{}",
        scrape(&exporter)
    );
    assert!(value(&exporter, started).unwrap() > first);
    exporter.stop();
}

/// Status and body of a request by curl.
fn curl(exporter: &Exporter, arguments: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args([
            "-s",
            "-w",
            "\n%{http_code}",
            &format!("{}/-/reload", exporter.url()),
        ])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.to_owned(), body.to_owned())
}

#[test]
fn over_http_from_this_host() {
    needs!("root", "loop", "binary", "curl");
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let exporter = Exporter::start(&[], &config("hot", fs.mountpoint(), fs.mountpoint()));
    fs::write(
        exporter.config_file(),
        config("warm", fs.mountpoint(), fs.mountpoint()),
    )
    .unwrap();
    assert_eq!(curl(&exporter, &[]).0, "405");
    assert_eq!(
        curl(
            &exporter,
            &["-X", "POST", "-H", "Origin: http://elsewhere.example"]
        )
        .0,
        "403"
    );
    assert!(scrape(&exporter).contains("tidegauge_tier_up{tier=\"hot\"} 1"));
    let (code, body) = curl(&exporter, &["-X", "POST"]);
    assert_eq!(
        (code.as_str(), body.as_str()),
        ("200", "the configuration was read again and is in use\n")
    );
    // The answer comes when it is done.
    assert!(scrape(&exporter).contains("tidegauge_tier_up{tier=\"warm\"} 1"));
    fs::write(exporter.config_file(), "tiers: []\n").unwrap();
    let (code, body) = curl(&exporter, &["-X", "PUT"]);
    assert_eq!(code, "500");
    assert!(
        body.contains("tidegauge.yml:1:8: `tiers` is empty"),
        "{body}"
    );
    assert!(scrape(&exporter).contains("tidegauge_tier_up{tier=\"warm\"} 1"));
    assert_eq!(successful(&exporter), Some(0.0));
    exporter.stop();
}

/// Ends the scraping when it is dropped, by a failure too.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn scrapes_go_on_and_nothing_piles_up() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let data = fs.mountpoint().join("data");
    fs::create_dir(&data).unwrap();
    let exporter = Exporter::start(&[], &config("hot", fs.mountpoint(), &data));
    let count = |what: &str| {
        fs::read_dir(format!("/proc/{}/{what}", exporter.pid()))
            .unwrap()
            .count()
    };
    let taken = || {
        exporter
            .log()
            .matches("was read again and is in use")
            .count()
    };
    let done = AtomicBool::new(false);
    let settled = || {
        let before = taken();
        exporter.signal(Signal::HUP);
        wait_until(LIMIT, || (taken() > before).then_some(())).expect("a reload");
    };
    settled();
    let (threads, descriptors) = (count("task"), count("fd"));
    std::thread::scope(|scope| {
        let scrapes = scope.spawn(|| {
            let mut scrapes = 0;
            while !done.load(Ordering::Relaxed) {
                let text = scrape(&exporter);
                assert!(text.contains("tidegauge_tier_up{tier=\"hot\"} 1"), "{text}");
                assert!(
                    text.contains("tidegauge_collector_success{collector=\"disk\"} 1"),
                    "{text}"
                );
                scrapes += 1;
            }
            scrapes
        });
        let stopper = Stop(&done);
        for _ in 0..50 {
            settled();
        }
        drop(stopper);
        assert!(scrapes.join().unwrap() > 10);
    });
    let back = || (count("task") <= threads && count("fd") <= descriptors).then_some(());
    wait_until(LIMIT, back).unwrap_or_else(|| {
        panic!(
            "threads {threads} then {}, descriptors {descriptors} then {}",
            count("task"),
            count("fd")
        )
    });
    exporter.stop();
}

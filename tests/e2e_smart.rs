//! smartctl that hangs, prints anything but an answer, or is not there: one bad disk delays only itself.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tidegauge_rig::{Answer, Exporter, HangFs, Operations, Scratch, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
const FLAGS: [&str; 2] = ["--collector.disable-defaults", "--collector.smart"];
const GOOD: &str = r#"{"smartctl":{"version":[7,3],"exit_status":0},"device":{"name":"/dev/x","type":"sat","protocol":"ATA"},"model_name":"M","serial_number":"SAME","smart_status":{"passed":true},"temperature":{"current":31},"power_on_time":{"hours":2},"power_cycle_count":3}"#;

/// A smartctl that does for each device, named last, what `cases` (of a shell's `case`) say.
fn command(scratch: &Scratch, cases: &str) -> PathBuf {
    let script = format!(
        "#!/bin/sh\ncase $* in *--scan*) echo '{{\"devices\":[]}}'; exit 0 ;; esac\nfor node in \"$@\"; do :; done\ncase $node in\n{cases}\n*) echo '{GOOD}' ;;\nesac\n"
    );
    // Whole at once: a running exporter may start it meanwhile.
    let new = scratch.file("smartctl.new", &script);
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    let command = scratch.path().join("smartctl");
    fs::rename(new, &command).unwrap();
    command
}

fn config(command: &Path, names: &[String], more: &str) -> String {
    let words: Vec<String> = names
        .iter()
        .map(|name| format!("/dev/{name}:sat"))
        .collect();
    format!(
        "collectors:\n  smart: {{interval: 1s, command: {command:?}, devices: {:?}{more}}}\n",
        words.join(",")
    )
}

fn names(start: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{start}{n}")).collect()
}

fn scrape(exporter: &Exporter) -> String {
    let answer = exporter.get("/metrics", &[]).unwrap();
    answer.text().to_owned()
}

fn value(text: &str, series: &str) -> Option<f64> {
    let lines = text.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = values.next()?.parse().ok();
    assert!(values.next().is_none(), "{series} twice");
    value
}

fn state(text: &str, device: &str) -> Option<String> {
    let start = format!("tidegauge_smart_reading_state{{tier=\"\",device=\"{device}\",state=\"");
    let holding = text
        .lines()
        .find(|l| l.starts_with(&start) && l.ends_with(" 1"))?;
    Some(holding[start.len()..].split('"').next()?.to_owned())
}

fn failures(text: &str, device: &str, state: &str) -> f64 {
    let series = format!(
        "tidegauge_smart_reading_failures_total{{tier=\"\",device=\"{device}\",state=\"{state}\"}}"
    );
    value(text, &series).unwrap_or_default()
}

fn temperature(text: &str, device: &str) -> Option<f64> {
    let series = format!("tidegauge_smart_temperature_celsius{{tier=\"\",device=\"{device}\"}}");
    value(text, &series)
}

/// Processes that the exporter has started and that are still there.
fn children(exporter: &Exporter) -> usize {
    let pid = exporter.pid();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default())
        .map(|children| children.split_whitespace().count())
        .sum()
}

#[test]
fn whatever_smartctl_does_only_that_disk_is_not_read() {
    needs!("binary", "sleep", "head", "tr");
    let scratch = Scratch::new("smart");
    let cases = r#"
/dev/hung*) sleep 1000 & wait ;;
/dev/garbage) head -c 2000 /dev/urandom ;;
/dev/huge) head -c 10000000 /dev/zero | tr '\0' '[' ;;
/dev/nothing) ;;
/dev/signal) kill -SEGV $$ ;;
/dev/shape) echo '{"smartctl":{"exit_status":0},"temperature":{"current":1e400},"power_on_time":{"hours":"-1"},"smart_status":[]}' ;;
/dev/cut) echo '{"smartctl":{"exit_status":0},"temperature":{"current":31' ;;
/dev/asleep) echo '{"smartctl":{"version":[7,3],"messages":[{"string":"Device is in STANDBY mode, exit(3)","severity":"information"}],"exit_status":3}}'; exit 3 ;;
/dev/message) echo '{"smartctl":{"messages":[{"string":"Read SMART Error Log failed","severity":"error"}],"exit_status":4},"temperature":{"current":29}}'; exit 4 ;;
"#;
    let command = command(&scratch, cases);
    let mut all = names("good", 24);
    all.push("hung0".to_owned());
    let odd = [
        "garbage", "huge", "nothing", "signal", "shape", "cut", "asleep", "message",
    ];
    all.extend(odd.map(str::to_owned));
    let config = config(&command, &all, ", timeout: 3s");
    let exporter = Exporter::start(&FLAGS, &config);
    let mut slowest = Duration::ZERO;
    let text = wait_until(LIMIT, || {
        let began = Instant::now();
        let text = scrape(&exporter);
        slowest = slowest.max(began.elapsed());
        // Asked again at the next reading, it hangs again.
        (failures(&text, "hung0", "late") >= 2.0).then_some(text)
    });
    let text = text.unwrap_or_else(|| panic!("it is not told of\n{}", exporter.log()));
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    for name in names("good", 24) {
        assert_eq!(state(&text, &name).as_deref(), Some("ok"), "{name}");
        assert_eq!(temperature(&text, &name), Some(31.0), "{name}");
    }
    assert_eq!(state(&text, "hung0").as_deref(), Some("late"));
    for name in ["garbage", "huge", "nothing", "signal", "shape", "cut"] {
        assert_eq!(state(&text, name).as_deref(), Some("failed"), "{name}");
        assert!(failures(&text, name, "failed") >= 1.0, "{name}");
        assert!(!text.contains(&format!("smart_healthy{{tier=\"\",device=\"{name}\"")));
    }
    assert_eq!(state(&text, "asleep").as_deref(), Some("standby"));
    assert_eq!(failures(&text, "asleep", "failed"), 0.0);
    for name in [
        "garbage", "huge", "nothing", "signal", "shape", "cut", "hung0", "asleep",
    ] {
        assert_eq!(temperature(&text, name), None, "{name}");
    }
    assert_eq!(temperature(&text, "message"), Some(29.0));
    let log = exporter.stop().log;
    for name in ["garbage", "hung0"] {
        let lines = log
            .lines()
            .filter(|line| line.contains(&format!("device={name} ")));
        assert_eq!(lines.count(), 1, "{name} is told of once\n{log}");
    }
}

#[test]
fn a_disk_that_falls_asleep_or_hangs_shows_no_old_value() {
    needs!("binary", "sleep");
    let scratch = Scratch::new("smart");
    let command_file = command(&scratch, "");
    let exporter = Exporter::start(
        &FLAGS,
        &config(&command_file, &names("x", 1), ", timeout: 2s"),
    );
    let last = "tidegauge_smart_last_reading_timestamp_seconds{tier=\"\",device=\"x0\"}";
    let until = |wanted: &str| {
        let text = wait_until(LIMIT, || {
            let text = scrape(&exporter);
            (state(&text, "x0").as_deref() == Some(wanted)).then_some(text)
        });
        text.unwrap_or_else(|| panic!("never {wanted}\n{}", exporter.log()))
    };
    let text = until("ok");
    assert_eq!(temperature(&text, "x0"), Some(31.0));
    assert!(value(&text, last).is_some());
    command(
        &scratch,
        "*) echo '{\"smartctl\":{\"exit_status\":3}}'; exit 3 ;;",
    );
    let asleep = until("standby");
    assert_eq!(temperature(&asleep, "x0"), None);
    let read = value(&asleep, last).expect("the time of the last reading stays");
    command(&scratch, "*) sleep 1000 & wait ;;");
    let late = until("late");
    assert_eq!(
        (temperature(&late, "x0"), value(&late, last)),
        (None, Some(read))
    );
    command(&scratch, "");
    let back = until("ok");
    assert_eq!(temperature(&back, "x0"), Some(31.0));
    assert!(value(&back, last).unwrap() > read);
    exporter.stop();
}

#[test]
fn many_that_hang_in_the_kernel_do_not_pile_up() {
    needs!("root", "fuse", "binary", "cat");
    let hung = HangFs::new();
    let scratch = Scratch::new("smart");
    // Nothing ends a process whose question a filesystem has taken and does not answer.
    let cases = format!("/dev/stuck*) exec cat {:?} ;;", hung.mountpoint().join("x"));
    let command = command(&scratch, &cases);
    let mut all = names("good", 4);
    all.extend(names("stuck", 6));
    hung.set(Operations::All, Answer::Hang);
    let more = ", timeout: 1s, parallel: 2";
    let exporter = Exporter::start(&FLAGS, &config(&command, &all, more));
    let text = wait_until(LIMIT, || {
        let text = scrape(&exporter);
        let all = names("stuck", 6);
        let mut late = all.iter().map(|name| failures(&text, name, "late"));
        late.all(|count| count >= 3.0).then_some(text)
    });
    let processes = children(&exporter);
    hung.set(Operations::All, Answer::Normal);
    let text = text.unwrap_or_else(|| panic!("they are not told of\n{}", exporter.log()));
    for name in names("good", 4) {
        assert_eq!(temperature(&text, &name), Some(31.0), "{name}");
    }
    assert!(
        processes <= 6 + 3,
        "one process for each of six: {processes}"
    );
    exporter.stop();
}

#[test]
fn without_smartctl_or_with_an_old_one_each_disk_says_so() {
    needs!("binary");
    let scratch = Scratch::new("smart");
    let missing = scratch.path().join("not-there");
    let exporter = Exporter::start(&FLAGS, &config(&missing, &names("x", 1), ""));
    let seen = wait_until(LIMIT, || state(&scrape(&exporter), "x0"));
    assert_eq!(seen.as_deref(), Some("tool_missing"));
    let text = scrape(&exporter);
    let success = "tidegauge_collector_success{collector=\"smart\"}";
    assert_eq!(value(&text, success), Some(1.0), "not a failure");
    let log = exporter.stop().log;
    assert!(log.contains("install it"), "{log}");

    let old = "#!/bin/sh\necho 'smartctl 6.6 2017-11-05 r4594 [x86_64-linux]'\necho '=======> UNRECOGNIZED OPTION: json=c'\nexit 1\n";
    let old = scratch.file("old", old);
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let exporter = Exporter::start(&FLAGS, &config(&old, &names("x", 1), ""));
    let seen = wait_until(LIMIT, || state(&scrape(&exporter), "x0"));
    assert_eq!(seen.as_deref(), Some("tool_missing"));
    let log = exporter.stop().log;
    assert!(log.contains("too old"), "{log}");
}

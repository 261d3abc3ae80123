//! NVMe drives beside nvme-cli: TG0001, whose second namespace is written to, and TG0002, whose two controllers
//! share a namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tidegauge_rig::{Exporter, Scratch, needs, wait_until};

use crate::monitor::Monitor;
use crate::three_tiers::namespace;

/// Looks are counted, and each takes a scrape and often a program: some minutes under emulation.
const LIMIT: Duration = Duration::from_secs(4);
const FLAGS: [&str; 3] = [
    "--collector.disable-defaults",
    "--collector.nvme",
    "--collector.nvme.interval=1s",
];

/// Kernel names of the controllers with this serial number, in order.
fn controllers(serial: &str) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir("/sys/class/nvme")
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            let known = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
            known.trim() == serial
        })
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    found
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A filesystem on the second namespace of TG0001; unmounted and wiped when dropped.
struct Mounted {
    device: String,
    scratch: Scratch,
}

impl Mounted {
    fn new() -> Self {
        let mounted = Self {
            device: namespace("TG0001", 2),
            scratch: Scratch::new("nvme"),
        };
        run("mkfs.ext4", &["-qF", &mounted.device]);
        let at = mounted.scratch.path().to_str().unwrap();
        run("mount", &[&mounted.device, at]);
        mounted
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// TG0002's namespace belongs to a tier by its name: nothing of it is mounted.
    fn config(&self) -> String {
        let shared = namespace("TG0002", 1);
        let shared = shared.trim_start_matches("/dev/");
        format!(
            "tiers:\n  - {{name: hot, paths: [{:?}], require_mount: true}}\n  - {{name: shared, devices: [{shared}]}}\n",
            self.path()
        )
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for command in [
            format!("umount {}", self.path().display()),
            format!("wipefs -qa {}", self.device),
        ] {
            let _ = Command::new("sh").args(["-c", &command]).output();
        }
    }
}

fn metrics(exporter: &Exporter) -> String {
    exporter.get("/metrics", &[]).unwrap().text().to_owned()
}

/// A sample by the end of its family's name and its labels.
fn sample(text: &str, family: &str, labels: &str) -> Option<f64> {
    let series = format!("tidegauge_nvme_{family}{{{labels}}} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

fn labels(tier: &str, device: &str) -> String {
    format!("tier=\"{tier}\",device=\"{device}\"")
}

fn state(text: &str, labels: &str) -> Option<String> {
    ["ok", "denied", "unsupported", "late", "gone", "failed"]
        .into_iter()
        .find(|state| {
            sample(
                text,
                "reading_state",
                &format!("{labels},state=\"{state}\""),
            ) == Some(1.0)
        })
        .map(str::to_owned)
}

/// A number of nvme-cli's JSON, which writes great ones as text.
fn number(json: &Value, key: &str) -> f64 {
    let value = &json[key];
    value
        .as_f64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or_else(|| panic!("{key} in {json}"))
}

fn by_cli(command: &str, device: &str) -> Value {
    let node = format!("/dev/{device}");
    let text = run("nvme", &[command, &node, "-o", "json"]);
    serde_json::from_str(&text).unwrap()
}

/// What nvme-cli tells of the SMART page, by our names; `None` is what we leave out.
fn smart_by_cli(device: &str) -> Vec<(String, Option<f64>)> {
    let json = by_cli("smart-log", device);
    let n = |key: &str| number(&json, key);
    let mut all: Vec<(String, Option<f64>)> = [
        ("temperature_celsius", n("temperature") - 273.0),
        ("available_spare_ratio", n("avail_spare") / 100.0),
        ("available_spare_threshold_ratio", n("spare_thresh") / 100.0),
        ("percentage_used_ratio", n("percent_used") / 100.0),
        ("read_bytes_total", n("data_units_read") * 512_000.0),
        ("written_bytes_total", n("data_units_written") * 512_000.0),
        ("host_read_commands_total", n("host_read_commands")),
        ("host_write_commands_total", n("host_write_commands")),
        (
            "controller_busy_time_seconds_total",
            n("controller_busy_time") * 60.0,
        ),
        ("power_cycles_total", n("power_cycles")),
        ("power_on_seconds_total", n("power_on_hours") * 3600.0),
        ("unsafe_shutdowns_total", n("unsafe_shutdowns")),
        ("media_errors_total", n("media_errors")),
        ("num_err_log_entries_total", n("num_err_log_entries")),
        (
            "warning_temperature_time_seconds_total",
            n("warning_temp_time") * 60.0,
        ),
        (
            "critical_temperature_time_seconds_total",
            n("critical_comp_time") * 60.0,
        ),
    ]
    .map(|(name, value)| (name.to_owned(), Some(value)))
    .into();
    let warnings = [
        "available_spare",
        "temperature",
        "reliability",
        "read_only",
        "volatile_memory_backup",
        "persistent_memory",
    ];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a byte"
    )]
    let given = n("critical_warning") as u8;
    for (bit, warning) in warnings.iter().enumerate() {
        let is_given = f64::from(given >> bit & 1);
        all.push((
            format!("critical_warning/warning/{warning}"),
            Some(is_given),
        ));
    }
    for level in ["1", "2"] {
        let of = |what: &str| Some(n(&format!("thm_temp{level}_{what}")));
        all.push((
            format!("thermal_management_transitions_total/level/{level}"),
            of("trans_count"),
        ));
        all.push((
            format!("thermal_management_time_seconds_total/level/{level}"),
            of("total_time"),
        ));
    }
    for sensor in 1..=8 {
        let kelvin = json
            .get(format!("temperature_sensor_{sensor}"))
            .and_then(Value::as_f64);
        all.push((
            format!("sensor_temperature_celsius/sensor/{sensor}"),
            kelvin.map(|kelvin| kelvin - 273.0),
        ));
    }
    all
}

/// Ours, where it differs from that.
fn differences(
    text: &str,
    of_device: &str,
    theirs: &[(String, Option<f64>)],
) -> Vec<(String, Option<f64>, Option<f64>)> {
    theirs
        .iter()
        .filter_map(|(name, theirs)| {
            let words: Vec<&str> = name.split('/').collect();
            let labels = match words.as_slice() {
                [_, label, value] => format!("{of_device},{label}=\"{value}\""),
                _ => of_device.to_owned(),
            };
            let ours = sample(text, words[0], &labels);
            (ours != *theirs).then(|| (name.clone(), *theirs, ours))
        })
        .collect()
}

/// Until both tell the same, which they do once nothing is written any more.
fn assert_smart_agrees(exporter: &Exporter, tier: &str, device: &str) {
    let mut last = Vec::new();
    let agree = wait_until(LIMIT, || {
        last = differences(
            &metrics(exporter),
            &labels(tier, device),
            &smart_by_cli(device),
        );
        last.is_empty().then_some(())
    });
    assert!(agree.is_some(), "{device}: {last:?}\n{}", exporter.log());
}

fn assert_identity_agrees(text: &str, tier: &str, device: &str) {
    let json = by_cli("id-ctrl", device);
    let of_device = labels(tier, device);
    let said = |key: &str| json[key].as_str().unwrap().trim().to_owned();
    let info = format!(
        "tidegauge_nvme_info{{{of_device},model=\"{}\",serial=\"{}\",firmware_revision=\"{}\",cntlid=\"{}\",subsysnqn=\"{}\",transport=\"pcie\",",
        said("mn"),
        said("sn"),
        said("fr"),
        number(&json, "cntlid"),
        said("subnqn"),
    );
    assert!(text.contains(&info), "{info}\n{text}");
    let kelvin = |key: &str| {
        Some(number(&json, key))
            .filter(|k| *k != 0.0)
            .map(|k| k - 273.0)
    };
    let threshold = |level: &str| {
        sample(
            text,
            "temperature_threshold_celsius",
            &format!("{of_device},level=\"{level}\""),
        )
    };
    assert_eq!(threshold("warning"), kelvin("wctemp"));
    assert_eq!(threshold("critical"), kelvin("cctemp"));
    let capacity = Some(number(&json, "tnvmcap")).filter(|bytes| *bytes != 0.0);
    assert_eq!(sample(text, "capacity_bytes", &of_device), capacity);
    let has_cache = f64::from(number(&json, "vwc") % 2.0 == 1.0);
    assert_eq!(
        sample(text, "volatile_write_cache", &of_device),
        Some(has_cache)
    );
}

/// Takes back what a test set of a drive's warnings.
struct Warnings(Monitor);

impl Warnings {
    fn set(&mut self, bits: u8) {
        self.0.set("nvme0", "smart_critical_warning", &json!(bits));
    }
}

impl Drop for Warnings {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[test]
fn every_field_is_as_nvme_cli_tells_it() {
    needs!("root", "binary", "nvme", "mkfs.ext4", "wipefs");
    let mounted = Mounted::new();
    let exporter = Exporter::start(&FLAGS, &mounted.config());
    let [device] = controllers("TG0001").try_into().unwrap();
    let pair = controllers("TG0002");
    assert_eq!(pair.len(), 2);
    assert_smart_agrees(&exporter, "hot", &device);
    for device in &pair {
        assert_smart_agrees(&exporter, "shared", device);
    }
    let text = metrics(&exporter);
    assert_identity_agrees(&text, "hot", &device);
    for device in &pair {
        assert_identity_agrees(&text, "shared", device);
        let shared = namespace("TG0002", 1);
        let path = format!(
            "tidegauge_nvme_namespace_info{{{},nsid=\"1\",controller=\"{device}\"",
            labels("shared", shared.trim_start_matches("/dev/"))
        );
        assert!(text.contains(&path), "{path}\n{text}");
    }
    // The error log of this drive is empty, and so are the families about its newest entry.
    assert_eq!(
        sample(&text, "last_error_number", &labels("hot", &device)),
        None
    );
    let second = namespace("TG0001", 2);
    let of_second = labels("hot", second.trim_start_matches("/dev/"));
    assert_eq!(
        sample(&text, "namespace_size_bytes", &of_second),
        run("blockdev", &["--getsize64", &second])
            .trim()
            .parse()
            .ok()
    );

    // It follows what is written …
    let written = |text: &str| sample(text, "written_bytes_total", &labels("hot", &device));
    let before = written(&text).unwrap();
    fs::write(mounted.path().join("file"), vec![7; 20 << 20]).unwrap();
    run("sync", &[]);
    let grown = || (written(&metrics(&exporter))? >= before + 20e6).then_some(());
    wait_until(LIMIT, grown).expect("it grows");
    assert_smart_agrees(&exporter, "hot", &device);

    // … and what the drive warns of.
    let mut warnings = Warnings(Monitor::open());
    for bits in [0b1, 0b1_0110, 0b1000] {
        warnings.set(bits);
        assert_smart_agrees(&exporter, "hot", &device);
        let given = f64::from(bits & 1);
        let spare = format!("{},warning=\"available_spare\"", labels("hot", &device));
        assert_eq!(
            sample(&metrics(&exporter), "critical_warning", &spare),
            Some(given)
        );
    }
    drop(warnings);
    assert_smart_agrees(&exporter, "hot", &device);
    exporter.stop();
}

/// The kernel's log of commands to controllers; as it was when dropped.
struct Trace(PathBuf);

impl Trace {
    fn start() -> Self {
        let root = PathBuf::from("/sys/kernel/tracing");
        if !root.join("trace").exists() {
            run(
                "mount",
                &["-t", "tracefs", "tracefs", root.to_str().unwrap()],
            );
        }
        let trace = Self(root);
        trace.write("trace", "");
        trace.write("events/nvme/nvme_complete_rq/enable", "1");
        trace.write("events/nvme/nvme_setup_cmd/enable", "1");
        trace
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("trace")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Admin commands that a controller refused.
    fn refused(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| {
            line.contains("nvme_complete_rq")
                && line.contains("qid=0,")
                && !line.contains("status=0x0")
        });
        lines
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.write("events/nvme/enable", "0");
    }
}

#[test]
fn no_controller_refuses_what_it_is_asked_for() {
    needs!("root", "binary", "nvme", "mkfs.ext4", "wipefs");
    let mounted = Mounted::new();
    let [device] = controllers("TG0001").try_into().unwrap();
    let entries = || number(&by_cli("smart-log", &device), "num_err_log_entries");
    let before = entries();
    let trace = Trace::start();
    let exporter = Exporter::start(&FLAGS, &mounted.config());
    let last = || {
        sample(
            &metrics(&exporter),
            "last_reading_timestamp_seconds",
            &labels("hot", &device),
        )
    };
    let mut times = vec![wait_until(LIMIT, last).expect("it is read")];
    while times.len() < 4 {
        let next = wait_until(LIMIT, || last().filter(|time| !times.contains(time)));
        times.push(next.expect("it is read again"));
    }
    let lines = trace.lines();
    let asked = lines
        .iter()
        .filter(|line| line.contains("nvme_setup_cmd") && line.contains("nvme_admin_get_log_page"));
    assert!(asked.count() >= 4 * 2 * 3, "{}", lines.join("\n"));
    assert_eq!(trace.refused(), [""; 0]);
    assert_eq!(entries(), before);
    exporter.stop();

    // One that is told to ask for OCP's page does it once, for all of its life.
    let pattern = "--collector.nvme.ocp_models=QEMU".replace('_', "-");
    let mut flags = FLAGS.to_vec();
    flags.push(&pattern);
    let exporter = Exporter::start(&flags, &mounted.config());
    let last = || {
        sample(
            &metrics(&exporter),
            "last_reading_timestamp_seconds",
            &labels("hot", &device),
        )
    };
    let mut times = vec![wait_until(LIMIT, last).expect("it is read")];
    while times.len() < 4 {
        if times.len() == 2 {
            exporter.signal(rustix::process::Signal::HUP);
        }
        let next = wait_until(LIMIT, || last().filter(|time| !times.contains(time)));
        times.push(next.expect("it is read again"));
    }
    let refused = trace.refused();
    assert_eq!(
        refused.len(),
        3,
        "once for each controller: {}",
        refused.join("\n")
    );
    assert_eq!(
        state(&metrics(&exporter), &labels("hot", &device)).as_deref(),
        Some("ok")
    );
    exporter.stop();
}

#[test]
fn without_the_right_it_says_so_and_tells_what_anybody_may_know() {
    needs!("root", "binary", "nvme", "setpriv", "mkfs.ext4", "wipefs");
    let mounted = Mounted::new();
    let by = [
        "setpriv",
        "--bounding-set=-sys_admin",
        "--inh-caps=-sys_admin",
    ];
    let exporter = Exporter::start_by(&by, &FLAGS, &mounted.config());
    let [device] = controllers("TG0001").try_into().unwrap();
    let of_device = labels("hot", &device);
    let found = || state(&metrics(&exporter), &of_device);
    assert_eq!(
        wait_until(LIMIT, found).as_deref(),
        Some("denied"),
        "{}",
        exporter.log()
    );
    let text = metrics(&exporter);
    let info =
        format!("tidegauge_nvme_info{{{of_device},model=\"QEMU NVMe Ctrl\",serial=\"TG0001\",");
    assert!(text.contains(&info), "{text}");
    // From Linux 6.2 on, who may open the node may ask who the controller is.
    let release = run("uname", &["-r"]);
    let mut numbers = release.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    if (numbers.next(), numbers.next()) >= (Some(6), Some(2)) {
        assert_identity_agrees(&text, "hot", &device);
    } else {
        assert_eq!(sample(&text, "volatile_write_cache", &of_device), None);
    }
    let live = format!("{of_device},state=\"live\"");
    assert_eq!(sample(&text, "controller_state", &live), Some(1.0));
    assert_eq!(sample(&text, "temperature_celsius", &of_device), None);
    assert_eq!(
        sample(&text, "last_reading_timestamp_seconds", &of_device),
        None
    );
    assert!(
        text.contains("tidegauge_collector_success{collector=\"nvme\"} 1"),
        "{text}"
    );
    let failures = format!("{of_device},state=\"failed\"");
    assert_eq!(
        sample(&text, "reading_failures_total", &failures),
        Some(0.0)
    );
    assert!(
        exporter.log().contains("CAP_SYS_ADMIN"),
        "{}",
        exporter.log()
    );
    exporter.stop();
}

/// Brings back the PCI devices that a test took away.
struct Rescan;

impl Drop for Rescan {
    fn drop(&mut self) {
        let _ = fs::write("/sys/bus/pci/rescan", "1");
        let back = || (controllers("TG0002").len() == 2).then_some(());
        let _ = wait_until(LIMIT, back);
    }
}

#[test]
fn a_controller_that_goes_is_gone_and_comes_back() {
    needs!("root", "binary", "nvme", "mkfs.ext4", "wipefs");
    let mounted = Mounted::new();
    let exporter = Exporter::start(&FLAGS, &mounted.config());
    let pair = controllers("TG0002");
    let [stays, goes] = [0, 1].map(|i| labels("shared", &pair[i]));
    let is = |labels: &str, wanted: &str| {
        let found = || state(&metrics(&exporter), labels).filter(|state| state == wanted);
        assert!(
            wait_until(LIMIT, found).is_some(),
            "{labels} is not {wanted}\n{}\n{}",
            metrics(&exporter),
            exporter.log()
        );
    };
    is(&stays, "ok");
    is(&goes, "ok");
    let rescan = Rescan;
    fs::write(format!("/sys/class/nvme/{}/device/remove", pair[1]), "1").unwrap();
    is(&goes, "gone");
    let last = |labels: &str| {
        sample(
            &metrics(&exporter),
            "last_reading_timestamp_seconds",
            labels,
        )
    };
    let then = last(&goes).expect("the time of the last reading");
    let now = last(&stays).unwrap();
    wait_until(LIMIT, || last(&stays).filter(|time| *time > now)).expect("the other is read on");
    is(&stays, "ok");
    assert_eq!(last(&goes), Some(then));
    let text = metrics(&exporter);
    assert_eq!(
        sample(&text, "temperature_celsius", &goes),
        None,
        "nothing old is shown"
    );
    assert!(sample(&text, "temperature_celsius", &stays).is_some());
    drop(rescan);
    // By another name, when somebody still held the old one.
    let back = controllers("TG0002")
        .into_iter()
        .find(|name| *name != pair[0]);
    let back = labels("shared", &back.expect("it is back"));
    is(&back, "ok");
    assert!(last(&back).unwrap() > then);
    assert!(back == goes || last(&goes).is_none(), "told once");
    exporter.stop();
}

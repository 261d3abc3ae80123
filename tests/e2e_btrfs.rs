//! btrfs collectors on real filesystems over loop devices, beside what btrfs-progs says of them.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tidegauge_rig::{BtrfsPair, Exporter, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
const STATUS: &str = "/var/lib/btrfs";
const COLLECTORS: [&str; 4] = [
    "--collector.disable-defaults",
    "--collector.btrfs",
    "--collector.btrfs_volume",
    "--collector.btrfs_volume.interval=1s",
];

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn exporter(pair: &BtrfsPair) -> Exporter {
    exporter_by(pair, &[])
}

fn exporter_by(pair: &BtrfsPair, by: &[&str]) -> Exporter {
    let tier = format!("tiers:\n  - {{name: warm, paths: [{:?}]}}\n", pair.at());
    let exporter = Exporter::start_by(by, &COLLECTORS, &tier);
    let read = || {
        Metrics::of(&exporter, pair)
            .has("device_missing")
            .then_some(())
    };
    wait_until(LIMIT, read).expect("a first reading");
    exporter
}

/// One answer of the exporter, of which only this filesystem counts.
struct Metrics(Vec<String>);

impl Metrics {
    fn of(exporter: &Exporter, pair: &BtrfsPair) -> Self {
        let answer = exporter.get("/metrics", &[]).unwrap();
        let prefix = format!("{{tier=\"warm\",uuid=\"{}\"", pair.uuid());
        let text = answer.text();
        let lines = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("tidegauge_btrfs_")?.split_once(&prefix)?;
            Some(format!("{name}{}", rest.trim_start_matches(',')))
        });
        Self(lines.collect())
    }

    /// The value of a series by its name and its labels after `tier` and `uuid`.
    fn get(&self, name: &str, labels: &str) -> Option<f64> {
        let series = format!("{name}{labels}}} ");
        let line = self.0.iter().find_map(|line| line.strip_prefix(&series));
        line.map(|value| value.parse().unwrap())
    }

    fn has(&self, start: &str) -> bool {
        self.0.iter().any(|line| line.starts_with(start))
    }

    fn holding(&self, name: &str, labels: &str) -> Option<String> {
        let end = "\"} 1";
        let series = format!("{name}{labels}=\"");
        let mut lines = self.0.iter();
        lines.find_map(|line| Some(line.strip_prefix(&series)?.strip_suffix(end)?.to_owned()))
    }

    fn part(&self, part: &str) -> Option<String> {
        self.holding("volume_reading_state", &format!("part=\"{part}\",state"))
    }
}

/// Numbers in a text behind `key`.
fn after(text: &str, key: &str) -> f64 {
    let rest = &text[text.find(key).unwrap_or_else(|| panic!("{key}: {text}")) + key.len()..];
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

fn of_device(pair: &BtrfsPair, index: usize) -> String {
    let name = pair.devices()[index].trim_start_matches("/dev/");
    format!("devid=\"{}\",device=\"{name}\"", index + 1)
}

#[test]
fn space_devices_snapshots_and_quotas_are_as_the_tools_have_them() {
    needs!("root", "loop", "mkfs.btrfs", "blkid", "binary");
    let pair = BtrfsPair::new("-d raid1 -m raid1");
    pair.btrfs("subvolume create @/daily");
    pair.btrfs("subvolume snapshot -r @/daily @/daily-1");
    fs::create_dir(pair.at().join("snaps")).unwrap();
    pair.btrfs("subvolume snapshot @/daily @/snaps/2");
    pair.btrfs("quota enable @");
    pair.btrfs("qgroup limit 500M @/daily");
    fs::write(pair.at().join("daily/data"), vec![7; 20 << 20]).unwrap();
    let second = pair.folder("second");
    // Mounted a second time, the subvolume alone.
    let at = second.display();
    sh(&format!("mount -o subvol=daily {} {at}", pair.devices()[0]));
    let _again = scopeguard(format!("umount {at}"));
    pair.btrfs("filesystem sync @");
    let exporter = exporter(&pair);

    let agrees = || {
        let found = Metrics::of(&exporter, &pair);
        let usage = pair.btrfs("filesystem usage -b @");
        for (kind, title) in [
            ("data", "Data"),
            ("metadata", "Metadata"),
            ("system", "System"),
        ] {
            let labels = format!("block_group_type=\"{kind}\",mode=\"raid1\"");
            let told =
                |key: &str| after(&usage[usage.find(&format!("\n{title},RAID1:"))?..], key).into();
            let same = found.get("size_bytes", &labels) == told("Size:")
                && found.get("used_bytes", &labels) == told("Used:");
            if !same {
                return None;
            }
        }
        let unused =
            |n: usize| after(&usage[usage.find("Unallocated:")?..], &pair.devices()[n]).into();
        let same = found.get("unallocated_bytes", "") == Some(after(&usage, "Device unallocated:"))
            && (0..2).all(|n| found.get("device_unused_bytes", &of_device(&pair, n)) == unused(n))
            && found.get("global_rsv_size_bytes", "") == Some(after(&usage, "Global reserve:"));
        let free = after(&usage, "Free (statfs, df):");
        let data = "block_group_type=\"data\"";
        let mode = format!("{data},mode=\"raid1\"");
        let left = found.get("size_bytes", &mode)? - found.get("used_bytes", &mode)?;
        (same && found.get("allocatable_bytes", data) == Some(free - left)).then_some(found)
    };
    let found = wait_until(LIMIT, agrees).unwrap_or_else(|| {
        let usage = pair.btrfs("filesystem usage -b @");
        panic!("{usage}\n{}", Metrics::of(&exporter, &pair).0.join("\n"))
    });
    let infos = found.0.iter().filter(|line| line.starts_with("info"));
    assert_eq!(infos.count(), 1, "once, however often it is mounted");
    assert_eq!(
        found.get("info", "label=\"warm\",checksum=\"crc32c\""),
        Some(1.0)
    );
    assert_eq!(found.get("devices", ""), Some(2.0));
    assert_eq!(found.get("missing_devices", ""), Some(0.0));
    assert_eq!(
        found.holding("exclusive_operation", "operation").as_deref(),
        Some("none")
    );
    assert_eq!(
        found.holding("balance_state", "state").as_deref(),
        Some("none")
    );
    assert_eq!(
        found.holding("scrub_state", "state").as_deref(),
        Some("never")
    );
    for part in ["devices", "subvolumes", "scrub", "scrub_status", "balance"] {
        assert_eq!(found.part(part).as_deref(), Some("ok"), "{part}");
    }

    let listed = pair.btrfs("subvolume list @").lines().count();
    let snapshots = pair.btrfs("subvolume list -s @").lines().count();
    assert_eq!(found.get("subvolumes", ""), Some(listed as f64));
    assert_eq!(found.get("snapshots", ""), Some(snapshots as f64));
    let made = |path: &str| {
        let shown = pair.btrfs(&format!("subvolume show @/{path}"));
        let line = shown
            .lines()
            .find_map(|l| l.trim().strip_prefix("Creation time:"))
            .unwrap();
        sh(&format!("date -d '{}' +%s", line.trim()))
            .trim()
            .parse::<f64>()
            .unwrap()
    };
    let daily = "subvolume=\"/daily\"";
    assert_eq!(found.get("subvolume_snapshots", daily), Some(2.0));
    assert_eq!(
        found.get("oldest_snapshot_timestamp_seconds", daily),
        Some(made("daily-1"))
    );
    assert_eq!(
        found.get("newest_snapshot_timestamp_seconds", daily),
        Some(made("snaps/2"))
    );

    let groups = pair.btrfs("qgroup show --raw -re @");
    let rows: Vec<Vec<&str>> = groups
        .lines()
        .filter(|line| line.starts_with("0/"))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(found.get("qgroups", ""), Some(rows.len() as f64));
    assert_eq!(found.get("qgroups_inconsistent", ""), Some(0.0));
    for row in rows {
        let labels = format!("qgroup=\"{}\"", row[0]);
        let names = ["referenced", "exclusive", "max_referenced", "max_exclusive"];
        for (name, value) in names.iter().zip(&row[1..5]) {
            let found = found.get(&format!("qgroup_{name}_bytes"), &labels);
            assert_eq!(found, value.parse().ok(), "{name} {row:?}");
        }
    }

    // A new snapshot of another subvolume, and quotas off.
    pair.btrfs("subvolume create @/logs");
    pair.btrfs("subvolume snapshot -r @/logs @/snaps/logs");
    pair.btrfs("quota disable @");
    let follows = || {
        let found = Metrics::of(&exporter, &pair);
        let logs = found.get("newest_snapshot_timestamp_seconds", "subvolume=\"/logs\"")?;
        (logs == made("snaps/logs") && !found.has("qgroup")).then_some(())
    };
    wait_until(LIMIT, follows).expect("it follows");
    // What goes is no failure.
    drop(_again);
    pair.unmount();
    let gone = || {
        let found = Metrics::of(&exporter, &pair);
        (found.part("devices").as_deref() == Some("gone") && !found.has("size_bytes")).then_some(())
    };
    wait_until(LIMIT, gone).expect("it is told as gone");
    let text = exporter.get("/metrics", &[]).unwrap().text().to_owned();
    for collector in ["btrfs", "btrfs_volume"] {
        let line = format!("tidegauge_collector_success{{collector=\"{collector}\"}} 1\n");
        assert!(text.contains(&line), "{collector}");
    }
    exporter.stop();
}

/// Runs a script when dropped.
struct Guard(String);

fn scopeguard(script: String) -> Guard {
    Guard(script)
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = Command::new("sh").args(["-c", &self.0]).output();
    }
}

/// Damages one copy of a file's block, found on the device by its content. Tells how many blocks.
fn damage(image: &Path, content: &[u8]) -> u64 {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(image)
        .unwrap();
    let mut buffer = vec![0; 4096];
    let mut found = 0;
    for block in 0..file.metadata().unwrap().len() / 4096 {
        file.read_exact_at(&mut buffer, block * 4096).unwrap();
        if buffer == content {
            file.write_all_at(&[0xAA; 4096], block * 4096).unwrap();
            found += 1;
        }
    }
    file.sync_all().unwrap();
    found
}

#[test]
fn a_scrub_is_followed_and_its_errors_are_told() {
    needs!("root", "loop", "mkfs.btrfs", "blkid", "touch", "binary");
    let pair = BtrfsPair::new("-d raid1 -m raid1");
    let block: Vec<u8> = (0..4096_u32).map(|n| (n * 7 + n / 256) as u8).collect();
    fs::write(pair.at().join("precious"), &block).unwrap();
    sh(&format!(
        "head -c 64M /dev/urandom > {0}/bulk; sync -f {0}",
        pair.at().display()
    ));
    let exporter = exporter(&pair);
    let metrics = || Metrics::of(&exporter, &pair);
    let stands = |state: &str| {
        let stands = || {
            let found = metrics();
            (found.holding("scrub_state", "state").as_deref() == Some(state)).then_some(found)
        };
        wait_until(LIMIT, stands).unwrap_or_else(|| panic!("{state}: {}", metrics().0.join("\n")))
    };
    stands("never");
    assert_eq!(damage(&pair.images()[1], &block), 1);

    pair.btrfs("scrub start -B @");
    let found = stands("finished");
    let told = pair.btrfs("scrub status -R -d @");
    let per_device: Vec<&str> = told.split("Scrub device ").skip(1).collect();
    assert_eq!(per_device.len(), 2, "{told}");
    let stats = pair.btrfs("device stats @");
    for (index, told) in per_device.into_iter().enumerate() {
        let labels = of_device(&pair, index);
        for (name, key) in [
            ("scrub_corrected_errors", "corrected_errors:"),
            ("scrub_uncorrectable_errors", "uncorrectable_errors:"),
            ("scrub_unverified_errors", "unverified_errors:"),
        ] {
            let key = format!("\t{key}");
            assert_eq!(found.get(name, &labels), Some(after(told, &key)), "{told}");
        }
        for kind in ["read", "csum", "verify", "super"] {
            let key = format!("\t{kind}_errors:");
            let labels = format!("{labels},kind=\"{kind}\"");
            assert_eq!(
                found.get("scrub_errors", &labels),
                Some(after(told, &key)),
                "{told}"
            );
        }
        let bytes = after(told, "data_bytes_scrubbed:") + after(told, "tree_bytes_scrubbed:");
        assert_eq!(found.get("scrub_scrubbed_bytes", &labels), Some(bytes));
        assert!(
            found
                .get("scrub_finished_timestamp_seconds", &labels)
                .unwrap()
                > 1.7e9
        );
        for kind in ["write", "read", "flush", "corruption", "generation"] {
            let device = &pair.devices()[index];
            let io = if matches!(kind, "write" | "read" | "flush") {
                "_io"
            } else {
                ""
            };
            let key = format!("[{device}].{kind}{io}_errs");
            let labels = format!("{labels},kind=\"{kind}\"");
            let agrees = || {
                (metrics().get("device_errors_total", &labels) == Some(after(&stats, &key)))
                    .then_some(())
            };
            wait_until(LIMIT, agrees).unwrap_or_else(|| panic!("{key}: {stats}"));
        }
    }
    let second = of_device(&pair, 1);
    assert_eq!(found.get("scrub_corrected_errors", &second), Some(1.0));
    assert_eq!(
        found.get("scrub_errors", &format!("{second},kind=\"csum\"")),
        Some(1.0)
    );
    let first = of_device(&pair, 0);
    assert_eq!(found.get("scrub_corrected_errors", &first), Some(0.0));
    let corruption = format!("{second},kind=\"corruption\"");
    assert_eq!(metrics().get("device_errors_total", &corruption), Some(1.0));
    assert_eq!(fs::read(pair.at().join("precious")).unwrap(), block);

    // So slow that it is seen to run.
    for id in [1, 2] {
        fs::write(pair.sysfs(&format!("devinfo/{id}/scrub_speed_max")), "1m").unwrap();
    }
    // What goes on in the background keeps no pipe open that is waited for.
    pair.btrfs("scrub start @ > /dev/null 2>&1");
    let found = stands("running");
    assert_eq!(found.get("scrub_finished_timestamp_seconds", &first), None);
    let moves = || {
        let found = metrics();
        let scrubbed = found.get("scrub_scrubbed_bytes", &first)?;
        (scrubbed > 0.0 && scrubbed < 64e6).then_some(())
    };
    wait_until(LIMIT, moves).unwrap_or_else(|| {
        panic!(
            "{}\n{}",
            pair.btrfs("scrub status -R -d @"),
            metrics().0.join("\n")
        )
    });
    pair.btrfs("scrub cancel @");
    stands("aborted");

    // Its program dies: neither cancelled nor finished, and nobody writes the file any more.
    let at = pair.at();
    let mut scrub = Command::new("btrfs")
        .args(["scrub", "start", "-B"])
        .arg(&at)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    stands("running");
    let file = format!("{STATUS}/scrub.status.{}", pair.uuid());
    let written = || {
        let text = fs::read_to_string(&file).ok()?;
        (text.contains("finished:0") && !text.contains("canceled:1")).then_some(())
    };
    let is_written = wait_until(LIMIT, written);
    scrub.kill().unwrap();
    scrub.wait().unwrap();
    is_written.expect("the tool writes while it runs");
    sh(&format!("touch -d '1 hour ago' {file}"));
    stands("interrupted");
    // A file of something else is told as such, and hides nothing.
    fs::write(&file, "rubbish\n").unwrap();
    let failed = || (metrics().part("scrub_status").as_deref() == Some("failed")).then_some(());
    wait_until(LIMIT, failed).expect("it is told");
    assert!(!metrics().has("scrub_state"), "nothing is known of it");
    assert_eq!(metrics().part("devices").as_deref(), Some("ok"));
    exporter.stop();
}

#[test]
fn a_balance_is_followed() {
    needs!("root", "loop", "mkfs.btrfs", "blkid", "binary");
    let pair = BtrfsPair::new("-d raid1 -m raid1");
    let at = pair.at().display().to_string();
    sh(&format!(
        "head -c 200M /dev/urandom > {at}/bulk; sync -f {at}"
    ));
    let exporter = exporter(&pair);
    // Caught while it runs, sooner or later.
    let paused = (0..50).any(|_| {
        let script = format!("btrfs balance start --full-balance {at} >&2 & sleep 0.05; btrfs balance pause {at} >&2; wait");
        let _ = Command::new("sh").args(["-c", &script]).output();
        fs::read_to_string(pair.sysfs("exclusive_operation")).unwrap() == "balance paused\n"
    });
    assert!(paused, "no balance could be paused");
    let told = Command::new("btrfs")
        .args(["balance", "status", &at])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let completed: f64 = told
        .lines()
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let agrees = || {
        let found = Metrics::of(&exporter, &pair);
        let state = found.holding("balance_state", "state")?;
        let operation = found.holding("exclusive_operation", "operation")?;
        let same = found.get("balance_completed_chunks", "") == Some(completed)
            && found.get("balance_expected_chunks", "") == Some(after(&told, "out of about"))
            && found.get("balance_considered_chunks", "") == Some(after(&told, "balanced ("));
        (state == "paused" && operation == "balance_paused" && same).then_some(())
    };
    wait_until(LIMIT, agrees)
        .unwrap_or_else(|| panic!("{told}\n{}", Metrics::of(&exporter, &pair).0.join("\n")));
    pair.btrfs("balance cancel @");
    let none = || {
        let found = Metrics::of(&exporter, &pair);
        let state = found.holding("balance_state", "state")?;
        (state == "none" && !found.has("balance_expected")).then_some(())
    };
    wait_until(LIMIT, none).expect("it is over");
    exporter.stop();
}

#[test]
fn a_missing_device_is_told_and_what_is_written_then_has_one_copy() {
    needs!("root", "loop", "mkfs.btrfs", "blkid", "binary");
    let mut pair = BtrfsPair::new("-d raid1 -m raid1");
    fs::write(pair.at().join("data"), vec![3; 1 << 20]).unwrap();
    pair.unmount();
    pair.lose(1);
    pair.mount(0, "degraded");
    let exporter = exporter(&pair);
    let found = Metrics::of(&exporter, &pair);
    assert_eq!(found.get("devices", ""), Some(2.0));
    assert_eq!(found.get("missing_devices", ""), Some(1.0));
    let gone = "devid=\"2\",device=\"\"";
    assert_eq!(
        found.get("device_missing", gone),
        Some(1.0),
        "{}",
        found.0.join("\n")
    );
    assert_eq!(found.get("device_writeable", gone), Some(0.0));
    assert_eq!(found.get("device_missing", &of_device(&pair, 0)), Some(0.0));
    // A mirror is not possible: the kernel makes block groups of one copy.
    let free = found
        .get("device_unused_bytes", &of_device(&pair, 0))
        .unwrap();
    assert_eq!(found.get("unallocated_bytes", ""), Some(free));
    let metadata = "block_group_type=\"metadata\"";
    let allocatable = found.get("allocatable_bytes", metadata).unwrap();
    assert!(
        free - allocatable <= f64::from((1 << 20) + (64 << 10)),
        "{free} {allocatable}"
    );
    exporter.stop();
}

/// As nobody, without any right.
const NOBODY: [&str; 6] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
];

#[test]
fn an_ordinary_user_reads_all_but_what_needs_a_right() {
    needs!("root", "loop", "mkfs.btrfs", "blkid", "setpriv", "binary");
    let pair = BtrfsPair::new("-d single -m raid1");
    pair.btrfs("subvolume create @/daily");
    fs::create_dir(pair.at().join("closed")).unwrap();
    pair.btrfs("subvolume snapshot -r @/daily @/daily-1");
    pair.btrfs("quota enable @");
    pair.btrfs("scrub start -B @");
    pair.btrfs("filesystem sync @");
    let mut folder: Option<PathBuf> = Some(pair.at());
    // Only what the tests made themselves.
    while let Some(at) = folder.filter(|at| at.components().any(|c| c.as_os_str() == "rig")) {
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        folder = at.parent().map(Path::to_owned);
    }
    let [root, user] = [exporter(&pair), exporter_by(&pair, &NOBODY)];
    let with_right = ["scrub_", "volume_", "balance_"];
    let shared = |exporter: &Exporter| -> Vec<String> {
        let mut lines = Metrics::of(exporter, &pair).0;
        lines.retain(|line| !with_right.iter().any(|start| line.starts_with(start)));
        lines
    };
    let same = || (shared(&root) == shared(&user)).then_some(());
    wait_until(LIMIT, same).unwrap_or_else(|| panic!("{:#?}\n{:#?}", shared(&root), shared(&user)));
    let found = Metrics::of(&user, &pair);
    assert!(found.has("qgroup_referenced_bytes") && found.has("allocatable_bytes"));
    assert_eq!(found.get("subvolume_list_complete", ""), Some(1.0));
    assert_eq!(
        found.get("subvolume_snapshots", "subvolume=\"/daily\""),
        Some(1.0)
    );
    for (part, state) in [
        ("devices", "ok"),
        ("subvolumes", "ok"),
        ("scrub", "denied"),
        ("scrub_status", "denied"),
        ("balance", "denied"),
    ] {
        assert_eq!(found.part(part).as_deref(), Some(state), "{part}");
    }
    assert!(!found.has("scrub_"), "nothing is known of it");
    assert_eq!(
        found.holding("balance_state", "state").as_deref(),
        Some("none")
    );
    assert!(Metrics::of(&root, &pair).has("scrub_state"));

    // What is closed to it makes its list incomplete, and root's not.
    pair.btrfs("subvolume create @/closed/hidden");
    fs::set_permissions(pair.at().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    pair.btrfs("filesystem sync @");
    let denied = || {
        let (found, all) = (Metrics::of(&user, &pair), Metrics::of(&root, &pair));
        let is = found.part("subvolumes").as_deref() == Some("denied")
            && found.get("subvolume_list_complete", "") == Some(0.0)
            && found.get("subvolumes", "").is_none()
            && all.get("subvolumes", "") == Some(3.0);
        is.then_some(())
    };
    wait_until(LIMIT, denied).unwrap_or_else(|| panic!("{:#?}", Metrics::of(&user, &pair).0));
    let log = user.log();
    assert!(log.contains("CAP_SYS_ADMIN"), "{log}");
    root.stop();
    user.stop();
}

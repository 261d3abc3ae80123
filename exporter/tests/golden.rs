//! The whole exposition over a fixture of a host, in both formats. `INSTA_UPDATE=always cargo nextest
//! run -p tidegauge-exporter --test golden` writes the goldens anew (`cargo xtask golden` does it).

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod recorded {
    pub mod btrfs;
    pub mod dm;
    pub mod hazard;
    pub mod nfs;
    pub mod nvme;
}

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegauge_exporter::collector::hazard::Looks;
use tidegauge_exporter::collector::{Access, COLLECTORS, CollectorSpec, Context, Memory, Schedule};
use tidegauge_exporter::device::block::BlockSource;
use tidegauge_exporter::device::dm;
use tidegauge_exporter::device::nfs_probe::Asker;
use tidegauge_exporter::device::probe::{Question, Timing};
use tidegauge_exporter::device::statfs::Space;
use tidegauge_exporter::host::storage::Storage;
use tidegauge_exporter::http::{Scrape, Wanted};
use tidegauge_exporter::sampling::Sampler;
use tidegauge_exporter::settings::Settings;
use tidegauge_model::expect::{Expect, WriteCache};
use tidegauge_model::exposition::{Cursor, Format, write_chunk};
use tidegauge_model::mount_option::MountOption;
use tidegauge_model::reading::Why;
use tidegauge_model::tier::{Budget, Thresholds, Tier};
use tidegauge_model::units::Bytes;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/host")
        .join(name)
}

/// Answers as the fixture's `statfs` says: numbers, an errno, `denied`, or never.
fn ask() -> impl Fn(&Question<'_>) -> Result<Space, Why> {
    let answers: HashMap<PathBuf, String> = std::fs::read_to_string(fixture("statfs"))
        .unwrap()
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(path, answer)| (path.into(), answer.to_owned()))
        .collect();
    move |question| {
        let answer = answers.get(&question.key.path).map_or("5", String::as_str);
        let words: Vec<&str> = answer.split(' ').collect();
        match words.as_slice() {
            ["hang"] => loop {
                std::thread::park();
            },
            ["denied"] => Err(Why::Denied),
            [errno] => Err(Why::Errno(errno.parse().unwrap())),
            numbers => {
                let n: Vec<u64> = numbers.iter().map(|n| n.parse().unwrap()).collect();
                Ok(Space {
                    size: n[0],
                    free: n[1],
                    avail: n[2],
                    files: n[3],
                    files_free: n[4],
                })
            }
        }
    }
}

fn tier(name: &str, paths: &[&str], require_mount: bool) -> Tier {
    Tier {
        name: name.into(),
        paths: paths.iter().map(PathBuf::from).collect(),
        devices: if name == "spare" {
            vec!["sdb".into()]
        } else {
            vec![]
        },
        thresholds: Thresholds::default(),
        require_mount,
        directories: if name == "gone" {
            let budget = Bytes(10_000_000_000);
            vec![Budget {
                path: "/mnt/nothing/a".into(),
                budget,
                ages: vec![],
            }]
        } else {
            vec![]
        },
        expect: expect(name),
    }
}

fn expect(tier: &str) -> Expect {
    let options = |options: &[&str]| {
        let parse = |option: &&str| MountOption::parse(option).unwrap();
        options.iter().map(parse).collect()
    };
    match tier {
        "hot" => Expect {
            scheduler: Some("none".into()),
            read_ahead: Some(Bytes(128 << 10)),
            write_cache: Some(WriteCache::Back),
            mount_options: options(&["relatime", "!discard", "data=ordered"]),
            // The stamp in the fixture is as old as the checkout.
            trim_within: Some(Duration::from_secs(36_500 * 86_400)),
        },
        "warm" => Expect {
            write_cache: Some(WriteCache::Back),
            mount_options: options(&["noatime", "compress=zstd"]),
            ..Expect::default()
        },
        "cold" => Expect {
            // On no disk of this host.
            scheduler: Some("none".into()),
            mount_options: options(&["hard", "rsize=1m"]),
            ..Expect::default()
        },
        _ => Expect::default(),
    }
}

/// Fields whose values are of the moment.
fn settle(text: &str) -> String {
    let moment = [
        "_duration_seconds",
        "_timestamp_seconds",
        "tidegauge_build_info",
    ];
    text.lines()
        .filter(|line| !line.contains("process_"))
        .map(|line| match line.rsplit_once(' ') {
            Some((series, _))
                if !line.starts_with('#') && moment.iter().any(|m| series.contains(m)) =>
            {
                format!("{series} MOMENT\n")
            }
            _ => format!("{line}\n"),
        })
        .collect()
}

/// The defaults, but for what has no family then; a collector that runs a program runs the script of its name in
/// the fixture's `tools`.
fn settings(spec: &'static CollectorSpec) -> Settings {
    let mut settings = Settings::defaults(spec.settings);
    for setting in spec.settings {
        let value = match (spec.name, setting.key) {
            (name, "command") => fixture("tools").join(name).display().to_string(),
            ("smart", "device_exclude") => String::new(),
            ("setting", "sysctl") => "net.core.rmem_max>=16777216,vm.dirty_ratio=20,\
                                      net.ipv4.tcp_rmem=4096 131072 6291456,vm.no_such=1"
                .into(),
            _ => continue,
        };
        settings.set(setting, &value).unwrap();
    }
    settings
}

fn has_read(sampler: &Sampler, spec: &CollectorSpec) -> bool {
    let snapshot = sampler.snapshot(Wanted::only(&[spec.name]));
    let snapshot = snapshot.blocking_recv().unwrap();
    let has = |family: &str, label: &str| {
        snapshot
            .families()
            .filter(|found| found.spec.name == family)
            .flat_map(|found| &found.samples)
            .any(|sample| sample.labels.rendered().contains(label))
    };
    match spec.schedule {
        Schedule::AtScrape => true,
        Schedule::Interval => has(
            "tidegauge_collector_duration_seconds",
            &format!("collector=\"{}\"", spec.name),
        ),
        Schedule::OwnTimers => has("tidegauge_directory_up", ""),
    }
}

fn expose(format: Format) -> String {
    let tiers: Arc<[Tier]> = Arc::from([
        tier("hot", &["/var/lib/postgresql", "/var/lib/kafka"], true),
        tier("warm", &["/data/warm-storage"], true),
        tier("cold", &["/mnt/synology/jts"], true),
        tier("old", &["/mnt/synology/hung"], false),
        tier("gone", &["/mnt/nothing"], true),
        tier("spare", &[], false),
    ]);
    let context = Context {
        procfs: fixture("proc"),
        sysfs: fixture("sys"),
        udev: fixture("udev"),
        rootfs: fixture("root"),
        tiers: Arc::clone(&tiers),
        memory: Memory::new(&fixture("proc")),
        access: Access {
            btrfs: Arc::new(recorded::btrfs::Recorded { host: fixture("") }),
            dm: dm::Control(Arc::new(recorded::dm::Recorded)),
            hazard: Looks(Arc::new(recorded::hazard::Recorded)),
            nfs: Asker(Arc::new(recorded::nfs::Recorded)),
            nvme: Arc::new(recorded::nvme::Recorded(fixture("nvme"))),
        },
    };
    let chosen: Vec<_> = COLLECTORS
        .iter()
        .map(|spec| (*spec, settings(spec)))
        .collect();
    let selection = Settings::defaults(tidegauge_exporter::collector::filesystem::SPEC.settings);
    let blocks = BlockSource {
        sysfs: context.sysfs.clone(),
        udev: context.udev.clone(),
    };
    let roots = [context.procfs.as_path(), Path::new("/")];
    // As patient as a busy machine needs; the hung mount is waited for once.
    let (patience, limit) = (Duration::from_secs(1), Duration::from_secs(20));
    let timing = Timing {
        patience,
        limit,
        late: patience / 2,
        ..Timing::default()
    };
    let storage = Storage::new(tiers, selection, blocks, roots, timing, Box::new(ask()));
    let sampler = Sampler::start(
        &context,
        Arc::new(storage),
        &chosen,
        "0.0.0",
        Arc::new(Vec::new),
    )
    .unwrap();
    // Those on timers of their own read as soon as they start.
    for spec in COLLECTORS {
        while !has_read(&sampler, spec) {
            std::thread::yield_now();
        }
    }
    let snapshot = sampler.snapshot(Wanted::all()).blocking_recv().unwrap();
    let mut text = Vec::new();
    let more = write_chunk(
        &snapshot,
        &|_| true,
        format,
        &mut Cursor::default(),
        &mut text,
        usize::MAX,
    );
    assert!(!more);
    settle(&String::from_utf8(text).unwrap())
}

#[test]
fn text_004() {
    insta::assert_snapshot!("text_004", expose(Format::Text004));
}

#[test]
fn openmetrics_100() {
    insta::assert_snapshot!("openmetrics_100", expose(Format::OpenMetrics100));
}

#[test]
fn every_collector_has_its_families_in_the_golden() {
    let text = expose(Format::Text004);
    // Of these the fixture has no case, and each has a test of its own.
    let elsewhere = [
        "tidegauge_directory_apparent_bytes",
        "tidegauge_directory_files",
        "tidegauge_directory_info",
        "tidegauge_directory_inodes",
        "tidegauge_directory_older_than_bytes",
        "tidegauge_directory_used_bytes",
        "tidegauge_directory_used_ratio",
        "tidegauge_directory_walk_age_seconds",
        "tidegauge_directory_walk_duration_seconds",
        "tidegauge_setting_filesystem_last_discard_timestamp_seconds",
    ];
    for collector in COLLECTORS {
        for family in collector.families {
            let there = text.contains(&format!("\n# TYPE {} ", family.name))
                || text.starts_with(&format!("# HELP {} ", family.name));
            assert!(
                there || elsewhere.contains(&family.name),
                "{} is not in the golden",
                family.name
            );
        }
    }
}

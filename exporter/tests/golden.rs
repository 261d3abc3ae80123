//! The whole exposition over a fixture of a host, in both formats. `INSTA_UPDATE=always cargo nextest
//! run -p tidegauge-exporter --test golden` writes the goldens anew (`cargo xtask golden` does it).

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegauge_exporter::collector::{Access, COLLECTORS, Context, Memory};
use tidegauge_exporter::device::block::BlockSource;
use tidegauge_exporter::device::probe::{Question, Timing};
use tidegauge_exporter::device::statfs::Space;
use tidegauge_exporter::host::storage::Storage;
use tidegauge_exporter::http::{Scrape, Wanted};
use tidegauge_exporter::sampling::Sampler;
use tidegauge_exporter::settings::Settings;
use tidegauge_model::exposition::{Cursor, Format, write_chunk};
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
    }
}

/// Settings that are not as by default: collector, key, value.
fn given() -> Vec<(&'static str, &'static str, String)> {
    let tool = |name: &str| fixture("bin").join(name).display().to_string();
    vec![
        ("smart", "command", tool("smartctl")),
        ("smart", "device_exclude", String::new()),
    ]
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
        rootfs: PathBuf::from("/"),
        tiers: Arc::clone(&tiers),
        memory: Memory::new(&fixture("proc")),
        access: Access::default(),
    };
    let chosen: Vec<_> = COLLECTORS
        .iter()
        .map(|spec| {
            let mut settings = Settings::defaults(spec.settings);
            for (collector, key, value) in given() {
                if collector == spec.name {
                    let setting = spec.settings.iter().find(|setting| setting.key == key);
                    settings.set(setting.unwrap(), &value).unwrap();
                }
            }
            (*spec, settings)
        })
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
    // Those on timers of their own.
    for (collector, family) in [
        ("directory", "tidegauge_directory_up"),
        ("smart", "tidegauge_smart_reading_state"),
    ] {
        while !sampler
            .snapshot(Wanted::only(&[collector]))
            .blocking_recv()
            .unwrap()
            .families()
            .any(|f| f.spec.name == family)
        {
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

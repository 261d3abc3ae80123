use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::report::{BranchRow, Detail, DirectoryRow, FilesystemRow, Fill, TierRow};
use super::table::draw;
use super::*;
use tidegauge_model::tier::{Level, Thresholds};

const GB: u64 = 1_000_000_000;

fn fill(used: u64, size: u64) -> Fill {
    let avail = size.saturating_sub(used);
    #[expect(clippy::cast_precision_loss, reason = "a test's numbers are small")]
    let ratio = (size > 0).then(|| used as f64 / size as f64);
    Fill {
        size,
        used,
        avail,
        ratio,
    }
}

fn filesystem(mountpoint: &str, fill: Result<Fill, String>, level: Level) -> FilesystemRow {
    FilesystemRow {
        mountpoint: mountpoint.into(),
        device: "/dev/x".into(),
        fstype: "ext4".into(),
        read_only: false,
        fill,
        age: None,
        level,
    }
}

fn tier(name: &str, fill: Option<Fill>, level: Level) -> TierRow {
    TierRow {
        name: name.into(),
        thresholds: Thresholds::default(),
        fill,
        reasons: vec![],
        level,
        filesystems: vec![],
        directories: vec![],
    }
}

fn host() -> Report {
    let mut hot = tier("hot", Some(fill(3300 * GB, 4000 * GB)), Level::Critical);
    hot.filesystems = vec![
        filesystem(
            "/var/lib/postgresql",
            Ok(fill(760 * GB, 800 * GB)),
            Level::Critical,
        ),
        filesystem(
            "/var/lib/kafka",
            Ok(fill(510 * GB, 600 * GB)),
            Level::Warning,
        ),
    ];
    hot.directories = vec![
        DirectoryRow {
            path: "/var/lib/postgresql/wal".into(),
            budget: 50 * GB,
            fill: Ok(fill(12 * GB, 50 * GB)),
            detail: Some(Detail {
                source: "walk",
                apparent: Some(13 * GB),
                files: Some(70_000),
                older: vec![
                    (Duration::from_secs(7 * 86_400), 11 * GB),
                    (Duration::from_secs(30 * 86_400), 3 * GB),
                ],
            }),
            level: Level::Ok,
        },
        DirectoryRow {
            path: "/var/lib/kafka/old".into(),
            budget: 9 * GB,
            fill: Err("it was not measured within 10s".into()),
            detail: None,
            level: Level::Unknown,
        },
    ];
    let mut warm = tier("warm", Some(fill(400 * GB, 1000 * GB)), Level::Warning);
    let mut stale = filesystem(
        "/data/warm-storage",
        Ok(fill(400 * GB, 1000 * GB)),
        Level::Warning,
    );
    stale.read_only = true;
    stale.age = Some(Duration::from_secs(12));
    warm.filesystems = vec![stale];
    let mut cold = tier("cold", None, Level::Critical);
    cold.reasons = vec!["/mnt/synology/jts is not mounted".into()];
    Report {
        tiers: vec![hot, warm, cold],
        unassigned: vec![filesystem("/", Ok(fill(20 * GB, 100 * GB)), Level::Ok)],
        listing: None,
    }
}

fn listed() -> Report {
    let row = |path: &str, used, cold| BranchRow {
        tier: "hot".into(),
        path: path.into(),
        used,
        files: 12,
        cold,
        age: Duration::from_secs(30 * 86_400),
    };
    let mut report = host();
    report.listing = Some(Listing {
        biggest: vec![
            row("/var/lib/postgresql/16", 700 * GB, 7 * GB),
            row("/var/lib/kafka/topics-of-the-last-year", 500 * GB, 500 * GB),
        ],
        coldest: vec![row(
            "/var/lib/kafka/topics-of-the-last-year",
            500 * GB,
            500 * GB,
        )],
        failed: vec![(
            "/var/lib/docker".into(),
            "cannot read /var/lib/docker/x: Permission denied (os error 13)".into(),
        )],
    });
    report
}

#[test]
fn directories_are_listed() {
    for width in [40, 80] {
        let look = Look {
            width,
            color: false,
            unicode: true,
        };
        insta::assert_snapshot!(format!("directories_{width}"), draw(&listed(), look));
    }
    insta::assert_snapshot!("directories_json", json::render(&listed()));
}

#[test]
fn tables_at_some_widths() {
    for (width, color, unicode) in [
        (40, false, true),
        (80, false, true),
        (120, false, false),
        (60, true, true),
    ] {
        let look = Look {
            width,
            color,
            unicode,
        };
        insta::assert_snapshot!(format!("table_{width}"), draw(&host(), look));
    }
}

#[test]
fn json_for_programs() {
    insta::assert_snapshot!("json", json::render(&host()));
}

#[test]
fn the_worst_tier_decides_the_exit_code() {
    let code = |levels: &[Level]| {
        let tiers = levels.iter().map(|&level| tier("t", None, level)).collect();
        Report {
            tiers,
            unassigned: vec![],
            listing: None,
        }
        .exit_code()
    };
    assert_eq!(code(&[Level::Ok, Level::Ok]), 0);
    assert_eq!(code(&[Level::Ok, Level::Warning]), 1);
    assert_eq!(code(&[Level::Critical, Level::Unknown, Level::Warning]), 2);
    assert_eq!(code(&[Level::Warning, Level::Unknown]), 3);
    assert_eq!(code(&[]), 3);
}

#[test]
fn names_cannot_send_commands_to_the_terminal() {
    let mut report = host();
    report.unassigned[0].mountpoint = "/a\x1b[2Jb\r\n\u{202e}c".into();
    let text = draw(
        &report,
        Look {
            width: 120,
            color: false,
            unicode: true,
        },
    );
    assert!(text.contains("/a\\u{1b}[2Jb\\r\\n\\u{202e}c"), "{text}");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(width in 30usize..200, unicode: bool, name in "(?s).{0,60}", reason in "(?s).{0,120}", used in 0u64..2_000_000_000_000_000) {
        let mut report = listed();
        if let Some(listing) = &mut report.listing {
            listing.biggest[0].path.clone_from(&name);
        }
        report.tiers[0].filesystems[0].mountpoint.clone_from(&name);
        report.tiers[0].filesystems[0].fill = Ok(fill(used, 2_000_000_000_000_000));
        report.tiers[1].filesystems[0].fill = Err(reason);
        report.tiers[2].name = name;
        let text = draw(&report, Look { width, color: false, unicode });
        for line in text.lines() {
            prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
        }
    }
}

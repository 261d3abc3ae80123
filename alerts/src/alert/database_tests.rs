//! Databases that are broken, full, of others, or cut off.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tidegauge_promql::Labels;

use super::database::{Database, DatabaseError, RuleKey, Saved};
use super::state::{Alert, State};

fn rule() -> RuleKey {
    RuleKey {
        file: "a.yml".into(),
        group: "g".into(),
        name: "A".into(),
        labels: Labels::new([("severity", "{{ $value }}")]),
        number: 0,
    }
}

fn alert(number: i64) -> Alert {
    let labels = Labels::new([("alertname", "A".to_owned()), ("n", number.to_string())]);
    let annotations = BTreeMap::from([("text".to_owned(), "\u{0} é \"".to_owned())]);
    Alert {
        state: State::Firing,
        fired_at: Some(number),
        last_sent_at: Some(number + 1),
        keep_firing_since: Some(number + 2),
        ..Alert::begin(labels, annotations, f64::NEG_INFINITY, number)
    }
}

fn put(database: &Database, alerts: &[Alert]) -> Result<(), DatabaseError> {
    let rule = rule();
    let changes: Vec<Saved<'_>> = alerts
        .iter()
        .map(|alert| Saved {
            rule: &rule,
            labels: &alert.labels,
            alert: Some(alert),
        })
        .collect();
    database.save(&changes, true, 0)
}

fn some() -> Vec<Alert> {
    (0..20).map(alert).collect()
}

fn set_aside(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".corrupt-")).count()
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path(), 0);
    put(&database, &some()).unwrap();
    // A copy of the files as they lie there while it is open is what a kill leaves.
    let after_kill = tempfile::tempdir().unwrap();
    for name in ["alerts.db", "alerts.db-wal"] {
        fs::copy(folder.path().join(name), after_kill.path().join(name)).unwrap();
    }
    let mut loaded: Vec<Alert> = Database::open(after_kill.path(), 0)
        .load()
        .into_iter()
        .map(|(key, alert)| {
            assert_eq!(key, rule());
            alert
        })
        .collect();
    loaded.sort_by_key(|alert| alert.active_at);
    assert_eq!(loaded, some());
}

#[test]
fn alerts_of_rules_that_are_gone_stay_a_week() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path(), 0);
    put(&database, &some()).unwrap();
    let day = 86_400_000;
    database.adopt(&[], 0).unwrap();
    database.adopt(&[], 6 * day).unwrap();
    assert_eq!(database.load().len(), 20);
    database.adopt(&[rule()], 7 * day).unwrap();
    database.adopt(&[], 8 * day).unwrap();
    assert_eq!(database.load().len(), 20);
    database.adopt(&[], 16 * day).unwrap();
    assert!(database.load().is_empty());
}

#[test]
fn what_is_no_database_of_ours_is_set_aside() {
    for (index, bytes) in [
        &b"not a database at all, but long enough for one"[..],
        &[0; 4096],
    ]
    .iter()
    .enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("alerts.db"), bytes).unwrap();
        let database = Database::open(folder.path(), 5_000);
        put(&database, &some()).unwrap();
        assert_eq!(database.load().len(), 20, "{index}");
        assert_eq!(set_aside(folder.path()), 1, "{index}");
    }
    let folder = tempfile::tempdir().unwrap();
    let newer = rusqlite::Connection::open(folder.path().join("alerts.db")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let database = Database::open(folder.path(), 5_000);
    assert!(set_aside(folder.path()) >= 1 && database.generation() == 1);
}

#[test]
fn a_folder_that_is_not_there_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let database = Database::open(&missing, 0);
    assert!(database.load().is_empty() && database.is_failing());
    assert!(put(&database, &some()).is_err());
    assert!(database.failures() >= 2);
    fs::create_dir(&missing).unwrap();
    put(&database, &some()).unwrap();
    assert!(!database.is_failing());
    assert_eq!(database.load().len(), 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever bytes are overwritten or cut off, it opens, loads what it can, and saves again.
    #[test]
    fn broken_bytes(
        in_log: bool,
        at in any::<prop::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 1..600),
        cut: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path(), 0);
        put(&database, &some()).unwrap();
        let broken = tempfile::tempdir().unwrap();
        for name in ["alerts.db", "alerts.db-wal"] {
            fs::copy(folder.path().join(name), broken.path().join(name)).unwrap();
        }
        let target = broken.path().join(if in_log { "alerts.db-wal" } else { "alerts.db" });
        let mut content = fs::read(&target).unwrap();
        let at = at.index(content.len());
        if cut {
            content.truncate(at);
        } else {
            let end = content.len().min(at + bytes.len());
            content[at..end].copy_from_slice(&bytes[..end - at]);
        }
        fs::write(&target, content).unwrap();
        let database = Database::open(broken.path(), 0);
        for (_, loaded) in database.load() {
            prop_assert!(loaded.labels.get("alertname") == "A" || !loaded.labels.is_empty());
        }
        // The first saving may find that it is broken; the second has a new one.
        let _broken = put(&database, &some());
        put(&database, &some()).unwrap();
        prop_assert!(database.load().len() >= 20);
    }
}

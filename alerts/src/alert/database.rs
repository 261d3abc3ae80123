//! Where alerts outlive the program: `alerts.db` in the state folder, an SQLite database that an operator can open.
//!
//! It is in WAL mode. What survives `kill -9` is each transaction that ended, since the kernel has it. What survives
//! a power cut depends on `synchronous`: a transaction that changes states or times is written with FULL, so that its
//! log is on the disk before it counts; one that changes only values and texts with NORMAL, without waiting for the
//! disk, and may be lost with the power, which costs nothing, for the next evaluation has newer ones.
//!
//! A database that is broken is set aside and a new one begun. When it cannot be written (a full disk) the alerts go
//! on in memory, and what is not saved is saved when it can be again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Row, params};
use thiserror::Error;
use tidegauge_promql::{Labels, Timestamp};

use super::state::{Alert, State};

/// The version of the tables, in SQLite's `user_version`.
const VERSION: i64 = 1;

/// How long the alerts of a rule that is gone are kept, in milliseconds: a rule file may come back.
const ORPHANS_KEPT: i64 = 7 * 24 * 3_600 * 1_000;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS alerts (
  file TEXT NOT NULL,
  group_name TEXT NOT NULL,
  rule TEXT NOT NULL,
  rule_labels TEXT NOT NULL,
  rule_number INTEGER NOT NULL,
  labels TEXT NOT NULL,
  annotations TEXT NOT NULL,
  value TEXT NOT NULL,
  state TEXT NOT NULL,
  active_at INTEGER NOT NULL,
  fired_at INTEGER,
  keep_firing_since INTEGER,
  resolved_at INTEGER,
  last_sent_at INTEGER,
  orphaned_at INTEGER,
  PRIMARY KEY (file, group_name, rule, rule_labels, rule_number, labels)
) WITHOUT ROWID";

/// Which rule alerts belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey {
    /// The rule file.
    pub file: String,
    /// The group.
    pub group: String,
    /// The rule's name.
    pub name: String,
    /// The rule's labels as they are written, with the group's.
    pub labels: Labels,
    /// Which one of several with the same name and labels in the group.
    pub number: u32,
}

/// A change to be saved.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// The rule.
    pub rule: &'a RuleKey,
    /// The alert's labels.
    pub labels: &'a Labels,
    /// The alert; none when it is no more.
    pub alert: Option<&'a Alert>,
}

/// Alerts could not be saved.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// SQLite says why.
    #[error(
        "cannot write {path}: {source}; alerts go on in memory, see to space and rights of the state folder"
    )]
    Write {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It was broken and is set aside: all is to be saved anew.
    #[error("{path} is broken ({source}) and was set aside; alerts are saved to a new one")]
    Broken {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// The database. Its calls wait for each other.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    connection: Option<Connection>,
    /// Counts the databases begun: what was saved in an older one is lost.
    generation: u64,
    failing: bool,
    failures: u64,
}

impl Database {
    /// Opens or makes `alerts.db` in a folder. One that is broken or of another version is set aside; when none can
    /// be opened the log says so, and it is tried again at each saving.
    pub fn open(folder: &Path, now: Timestamp) -> Self {
        let database = Self {
            path: folder.join("alerts.db"),
            inner: Mutex::default(),
        };
        let mut inner = database.lock();
        let opened = database.connect(&mut inner, now);
        database.tell(&mut inner, opened);
        drop(inner);
        database
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How often saving failed.
    pub fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// Whether saving failed the last time.
    pub fn is_failing(&self) -> bool {
        self.lock().failing
    }

    /// How many databases were broken and set aside.
    pub fn corruptions(&self) -> u64 {
        self.generation()
    }

    /// Changes when a new database was begun, in which nothing is saved.
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// All alerts that are saved. Rows that make no sense are left out, and the log names them.
    pub fn load(&self) -> Vec<(RuleKey, Alert)> {
        let inner = self.lock();
        let Some(connection) = &inner.connection else {
            return Vec::new();
        };
        let rows = connection
            .prepare("SELECT * FROM alerts")
            .and_then(|mut statement| {
                let rows = statement.query_map([], |row| Ok(read(row)))?;
                rows.collect::<Result<Vec<_>, _>>()
            });
        let rows = rows.unwrap_or_else(|error| {
            tracing::error!(database = %self.path.display(), %error, "alerts cannot be read");
            Vec::new()
        });
        let complain = |why: String| {
            tracing::error!(database = %self.path.display(), %why, "a saved alert was left out");
        };
        rows.into_iter()
            .filter_map(|row| row.map_err(complain).ok())
            .collect()
    }

    /// Saves changes in one transaction.
    ///
    /// # Errors
    /// When none of them is saved. The log tells the first failure and the first success after it.
    pub fn save(
        &self,
        changes: &[Saved<'_>],
        urgent: bool,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let mut inner = self.lock();
        let saved = self
            .connect(&mut inner, now)
            .and_then(|()| match &mut inner.connection {
                Some(connection) => write(connection, changes, urgent),
                None => Ok(()),
            });
        let answer = match saved {
            Err(source) if is_broken(&source) => {
                self.set_aside(&mut inner, now);
                let path = self.path.clone();
                Err(DatabaseError::Broken { path, source })
            }
            Err(source) => {
                let path = self.path.clone();
                Err(DatabaseError::Write { path, source })
            }
            Ok(()) => Ok(()),
        };
        match answer {
            Ok(()) => self.tell(&mut inner, Ok(())),
            Err(error) => {
                self.count(&mut inner, &error.to_string());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Notes which rules there are: alerts of others are dropped when their rule is gone for a week.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn adopt(&self, rules: &[RuleKey], now: Timestamp) -> Result<(), DatabaseError> {
        let mut inner = self.lock();
        let Some(connection) = &mut inner.connection else {
            return Ok(());
        };
        mark_orphans(connection, rules, now).map_err(|source| DatabaseError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is a connection.
    fn connect(&self, inner: &mut Inner, now: Timestamp) -> rusqlite::Result<()> {
        if inner.connection.is_some() {
            return Ok(());
        }
        let opened = open(&self.path).or_else(|error| {
            if !is_broken(&error) {
                return Err(error);
            }
            tracing::error!(database = %self.path.display(), %error, "broken; it is set aside and a new one begun");
            self.set_aside(inner, now);
            open(&self.path)
        });
        inner.connection = Some(opened?);
        Ok(())
    }

    fn set_aside(&self, inner: &mut Inner, now: Timestamp) {
        inner.connection = None;
        inner.generation += 1;
        for suffix in ["", "-wal", "-shm"] {
            let from = with_suffix(&self.path, suffix);
            let to = with_suffix(&self.path, &format!(".corrupt-{}{suffix}", now / 1_000));
            match fs::rename(&from, &to) {
                Ok(()) => {
                    tracing::warn!(from = %from.display(), to = %to.display(), "set aside");
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::error!(from = %from.display(), %error, "cannot be set aside");
                }
            }
        }
    }

    /// Logs changes from success to failure and back.
    fn tell(&self, inner: &mut Inner, outcome: rusqlite::Result<()>) {
        match outcome {
            Ok(()) if inner.failing => {
                inner.failing = false;
                tracing::info!(database = %self.path.display(), "alerts are saved again");
            }
            Ok(()) => {}
            Err(source) => {
                let path = self.path.clone();
                let error = DatabaseError::Write { path, source };
                self.count(inner, &error.to_string());
            }
        }
    }

    fn count(&self, inner: &mut Inner, error: &str) {
        inner.failures += 1;
        if !inner.failing {
            inner.failing = true;
            tracing::error!(%error, "alerts are not saved");
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    // An operator who looks in with sqlite3 holds a lock for moments only.
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(broken(said));
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != 0 && version != VERSION {
        return Err(broken(format!(
            "its tables are of version {version}, not {VERSION}"
        )));
    }
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    // The tables are asked for by name: another program's database is not ours.
    connection.prepare("SELECT labels, orphaned_at FROM alerts LIMIT 1")?;
    Ok(connection)
}

fn broken(why: String) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(why))
}

fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn write(connection: &mut Connection, changes: &[Saved<'_>], urgent: bool) -> rusqlite::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    connection.pragma_update(None, "synchronous", if urgent { "FULL" } else { "NORMAL" })?;
    let transaction = connection.transaction()?;
    {
        let mut put = transaction.prepare(
            "INSERT OR REPLACE INTO alerts VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,NULL)",
        )?;
        let mut delete = transaction.prepare(
            "DELETE FROM alerts WHERE file=?1 AND group_name=?2 AND rule=?3 AND rule_labels=?4 AND rule_number=?5 AND labels=?6",
        )?;
        for change in changes {
            let rule = change.rule;
            let (rule_labels, labels) = (json(rule.labels.iter()), json(change.labels.iter()));
            match change.alert {
                Some(alert) => put.execute(params![
                    rule.file,
                    rule.group,
                    rule.name,
                    rule_labels,
                    rule.number,
                    labels,
                    json(alert.annotations.iter().map(|(k, v)| (&**k, &**v))),
                    alert.value.to_string(),
                    alert.state.name(),
                    alert.active_at,
                    alert.fired_at,
                    alert.keep_firing_since,
                    alert.resolved_at,
                    alert.last_sent_at,
                ])?,
                None => delete.execute(params![
                    rule.file,
                    rule.group,
                    rule.name,
                    rule_labels,
                    rule.number,
                    labels
                ])?,
            };
        }
    }
    transaction.commit()
}

fn mark_orphans(
    connection: &mut Connection,
    rules: &[RuleKey],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        transaction.execute(
            "UPDATE alerts SET orphaned_at = ?1 WHERE orphaned_at IS NULL OR orphaned_at > ?1",
            [now],
        )?;
        let mut adopt = transaction.prepare(
            "UPDATE alerts SET orphaned_at = NULL WHERE file=?1 AND group_name=?2 AND rule=?3 AND rule_labels=?4 AND rule_number=?5",
        )?;
        for rule in rules {
            let labels = json(rule.labels.iter());
            adopt.execute(params![
                rule.file,
                rule.group,
                rule.name,
                labels,
                rule.number
            ])?;
        }
        transaction.execute(
            "DELETE FROM alerts WHERE orphaned_at < ?1",
            [now.saturating_sub(ORPHANS_KEPT)],
        )?;
    }
    transaction.commit()
}

fn json<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: BTreeMap<&str, &str> = pairs.collect();
    serde_json::to_string(&pairs).unwrap_or_default()
}

fn read(row: &Row<'_>) -> Result<(RuleKey, Alert), String> {
    let text = |name: &str| {
        row.get::<_, String>(name)
            .map_err(|e| format!("{name}: {e}"))
    };
    let time = |name: &str| {
        let time = row.get::<_, Option<Timestamp>>(name);
        time.map_err(|e| format!("{name}: {e}"))
    };
    let pairs = |name: &str| -> Result<BTreeMap<String, String>, String> {
        serde_json::from_str(&text(name)?).map_err(|e| format!("{name}: {e}"))
    };
    let rule = RuleKey {
        file: text("file")?,
        group: text("group_name")?,
        name: text("rule")?,
        labels: Labels::new(pairs("rule_labels")?),
        number: row.get("rule_number").map_err(|e| e.to_string())?,
    };
    let state = text("state")?;
    let alert = Alert {
        labels: Labels::new(pairs("labels")?),
        annotations: pairs("annotations")?,
        value: text("value")?.parse().map_err(|_| "value: no number")?,
        state: State::of_name(&state).ok_or_else(|| format!("state: {state}"))?,
        active_at: time("active_at")?.ok_or("active_at: nothing")?,
        fired_at: time("fired_at")?,
        keep_firing_since: time("keep_firing_since")?,
        resolved_at: time("resolved_at")?,
        last_sent_at: time("last_sent_at")?,
        held_until: None,
    };
    Ok((rule, alert))
}

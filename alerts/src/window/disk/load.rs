//! Reads back what was kept on disk.

use std::fmt;
use std::path::{Path, PathBuf};

use tidegauge_promql::{Labels, Sample, Series as _, Timestamp};

use super::folder::{Folder, Listing};
use super::frame::{BadHeader, Kind, Next, Records};
use super::log::{Player, Replay};
use super::snapshot::{Content, parse};
use crate::window::state::State;

/// What came back at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Series.
    pub series: u64,
    /// Samples.
    pub samples: u64,
    /// When the snapshot was begun; `None`: there was none.
    pub snapshot: Option<Timestamp>,
    /// Records read from logs.
    pub log_records: u64,
    /// Bytes at the ends of logs that were being written when the sidecar was killed.
    pub torn_bytes: u64,
    /// What was wrong, each with the file's name and what became of it.
    pub problems: Vec<String>,
}

/// A file that is to be set aside once what is whole in it is saved again.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) path: PathBuf,
    /// `corrupt`, or `version-9`.
    pub(super) why: String,
}

/// What a file turned out to be.
enum Outcome {
    Whole,
    Bad(Bad),
}

/// Reads all that is of use into the state.
pub(super) fn load(folder: &Folder, listing: &Listing, state: &mut State) -> (Restored, Vec<Bad>) {
    let mut loader = Loader {
        folder,
        restored: Restored::default(),
        bad: Vec::new(),
    };
    let mut oldest = 0;
    // An older one only for what a damaged newer one no longer tells.
    for (number, path) in listing.snapshots.iter().rev() {
        oldest = *number;
        match loader.snapshot(path, state) {
            Outcome::Whole => break,
            Outcome::Bad(bad) => loader.bad.push(bad),
        }
    }
    for (_, path) in listing.logs.range(oldest..) {
        if let Outcome::Bad(bad) = loader.log(path, state) {
            loader.bad.push(bad);
        }
    }
    let stats = state.stats();
    loader.restored.series = stats.series;
    loader.restored.samples = stats.samples;
    (loader.restored, loader.bad)
}

struct Loader<'a> {
    folder: &'a Folder,
    restored: Restored,
    bad: Vec<Bad>,
}

impl Loader<'_> {
    fn open(&mut self, path: &Path, kind: Kind) -> Result<Reader, Outcome> {
        let opened =
            self.folder.files.open(path).and_then(|file| {
                Records::open(std::io::BufReader::with_capacity(1 << 16, file), kind)
            });
        match opened {
            Ok(Ok((records, header))) => {
                if kind == Kind::Snapshot {
                    self.restored.snapshot = self.restored.snapshot.max(Some(header.time));
                }
                Ok(records)
            }
            // Killed between making the log and writing its first bytes.
            Ok(Err(BadHeader::Short)) if kind == Kind::Log => Err(Outcome::Whole),
            Ok(Err(BadHeader::Version(version))) => {
                self.problem(
                    path,
                    format_args!("is of version {version}, which this tidegauge does not read; it is set aside and not used"),
                );
                Err(Outcome::Bad(Bad {
                    path: path.to_owned(),
                    why: format!("version-{version}"),
                }))
            }
            Ok(Err(_)) => Err(self.damaged(path, format_args!("has no valid header"))),
            Err(error) => Err(self.damaged(path, format_args!("cannot be read: {error}"))),
        }
    }

    fn problem(&mut self, path: &Path, what: fmt::Arguments<'_>) {
        let problem = format!("{} {what}", path.display());
        self.restored.problems.push(problem);
    }

    fn damaged(&mut self, path: &Path, what: fmt::Arguments<'_>) -> Outcome {
        self.problem(
            path,
            format_args!("{what}; what is whole in it is used, then it is set aside"),
        );
        Outcome::Bad(Bad {
            path: path.to_owned(),
            why: "corrupt".into(),
        })
    }

    fn snapshot(&mut self, path: &Path, state: &mut State) -> Outcome {
        let mut records = match self.open(path, Kind::Snapshot) {
            Ok(records) => records,
            Err(outcome) => return outcome,
        };
        let (mut series, mut lost) = (0u64, 0u64);
        let complete = loop {
            match records.next() {
                Ok(Next::Record(content)) => match parse(content) {
                    Some(Content::Series(found, damaged)) => {
                        state.restore(found);
                        series += 1;
                        lost += u64::from(damaged);
                    }
                    Some(Content::End(count)) => break count == series + lost,
                    None => lost += 1,
                },
                Ok(Next::Damaged) => lost += 1,
                Ok(Next::Lost | Next::Torn(_) | Next::End) => break false,
                Err(error) => {
                    return self.damaged(path, format_args!("cannot be read whole: {error}"));
                }
            }
        };
        match (complete, lost) {
            (true, 0) => Outcome::Whole,
            (true, _) => self.damaged(path, format_args!("is damaged in {lost} of its series")),
            (false, _) => self.damaged(path, format_args!("is damaged after {series} series")),
        }
    }

    fn log(&mut self, path: &Path, state: &mut State) -> Outcome {
        let mut records = match self.open(path, Kind::Log) {
            Ok(records) => records,
            Err(outcome) => return outcome,
        };
        let mut player = Player::default();
        let mut replay = Replaying::new(state);
        let mut count = 0u64;
        let whole = loop {
            match records.next() {
                Ok(Next::Record(record)) => {
                    if player.play(record, &mut replay).is_none() {
                        break Ok(false);
                    }
                    count += 1;
                }
                // The last record, of a file that was made longer before a power cut and never filled.
                Ok(Next::Damaged) => break records.next().map(|next| next == Next::End),
                Ok(Next::Lost) => break Ok(false),
                Ok(Next::Torn(bytes)) => {
                    self.restored.torn_bytes += bytes;
                    break Ok(true);
                }
                Ok(Next::End) => break Ok(true),
                Err(error) => break Err(error),
            }
        };
        self.restored.log_records += count;
        match whole {
            Ok(true) => Outcome::Whole,
            Ok(false) => self.damaged(path, format_args!("is damaged after {count} records")),
            Err(error) => self.damaged(path, format_args!("cannot be read whole: {error}")),
        }
    }
}

type Reader = Records<std::io::BufReader<Box<dyn std::io::Read>>>;

/// Does again what a log tells.
struct Replaying<'a> {
    state: &'a mut State,
    /// The labels by the log's numbers.
    labels: Vec<Labels>,
    good: Timestamp,
    before: Option<u32>,
}

impl<'a> Replaying<'a> {
    fn new(state: &'a mut State) -> Self {
        Self {
            state,
            labels: Vec::new(),
            good: Timestamp::MIN,
            before: None,
        }
    }
}

impl Replay for Replaying<'_> {
    fn batch(&mut self, now: Timestamp) {
        self.good = self.state.replay_time(now);
        self.before = None;
    }

    fn series(&mut self, _number: u32, labels: Labels) {
        // Those that are known are in memory already.
        let known = self
            .state
            .index
            .find(&labels, None)
            .and_then(|place| self.state.index.get(place))
            .map(|series| series.labels().clone());
        self.labels.push(known.unwrap_or(labels));
    }

    fn sample(&mut self, number: u32, sample: Sample) {
        if let Some(labels) = self.labels.get(number as usize) {
            self.state
                .replay(labels, sample, self.good, &mut self.before);
        }
    }

    fn discard(&mut self, from: Timestamp) {
        self.state.discard(from);
        self.labels.clear();
    }
}

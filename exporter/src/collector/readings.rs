//! What came of asking each device: the same three families for every collector of devices, one log line for
//! each change, and the memory of those that are gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegauge_model::metric::{Family, FamilySpec, Labels};

/// A device that went is told as gone for this long.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
/// No more are remembered for a collector, so that devices that come and go all the time do not add up.
const MOST: usize = 4096;

/// What came of asking a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It was read.
    Ok,
    /// It sleeps and was left asleep.
    Standby,
    /// The rights for it are missing. A state, not a failure.
    Denied,
    /// The program that reads it is not there, or too old. A state, not a failure.
    ToolMissing,
    /// It does not have what was asked for. A state, not a failure.
    Unsupported,
    /// It did not answer in time.
    Late,
    /// It was there at an earlier reading.
    Gone,
    /// It answered with an error, or with what is no answer.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Standby,
        Self::Denied,
        Self::ToolMissing,
        Self::Unsupported,
        Self::Late,
        Self::Gone,
        Self::Failed,
    ];

    /// As the label `state`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Standby => "standby",
            Self::Denied => "denied",
            Self::ToolMissing => "tool_missing",
            Self::Unsupported => "unsupported",
            Self::Late => "late",
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }

    fn is_failure(self) -> bool {
        matches!(self, Self::Late | Self::Gone | Self::Failed)
    }
}

/// Why a device was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In one word.
    pub state: State,
    /// A sentence: the reason and the next step. It goes to the log, never into a label.
    pub reason: String,
}

impl Trouble {
    /// From any error's text.
    pub fn new(state: State, reason: impl std::fmt::Display) -> Self {
        Self {
            state,
            reason: reason.to_string(),
        }
    }
}

/// The families of one collector's readings. Made by `reading_families!`.
#[derive(Debug)]
pub struct ReadingFamilies {
    /// The collector.
    pub collector: &'static str,
    /// 1 for the state that holds, 0 for the others.
    pub state: FamilySpec,
    /// When the device was last read.
    pub last: FamilySpec,
    /// Readings that failed, by state.
    pub failures: FamilySpec,
}

/// `reading_families!("nvme", "device")`: the families of collector `nvme`, whose things are told apart by the
/// labels `tier` and `device`; further labels may follow.
macro_rules! reading_families {
    ($collector:literal, $($label:literal),+) => {
        $crate::collector::readings::ReadingFamilies {
            collector: $collector,
            state: tidegauge_model::metric::FamilySpec::gauge(
                concat!("tidegauge_", $collector, "_reading_state"),
                "What came of the last reading: 1 for the state that holds, 0 for the others.",
                &["tier", $($label,)+ "state"],
            ),
            last: tidegauge_model::metric::FamilySpec::gauge(
                concat!("tidegauge_", $collector, "_last_reading_timestamp_seconds"),
                "When it was last read; absent when that never succeeded.",
                &["tier", $($label),+],
            ),
            failures: tidegauge_model::metric::FamilySpec::counter(
                concat!("tidegauge_", $collector, "_reading_failures_total"),
                "Readings that failed, by how: late, gone, failed.",
                &["tier", $($label,)+ "state"],
            ),
        }
    };
}
pub(crate) use reading_families;

#[derive(Debug)]
struct Entry {
    labels: Labels,
    trouble: Option<Trouble>,
    last: Option<SystemTime>,
    /// When it was last among what was asked.
    seen: SystemTime,
    failures: BTreeMap<State, u64>,
}

/// What is known of every collector's devices. It outlives a change of the configuration.
#[derive(Debug, Default)]
pub struct Readings(Mutex<BTreeMap<&'static str, BTreeMap<String, Entry>>>);

impl Readings {
    /// Forgets all of a collector's devices but those whose key passes: what it is no longer asked to read is not
    /// gone.
    pub fn keep(&self, families: &ReadingFamilies, passes: impl Fn(&str) -> bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(families.collector) {
            known.retain(|key, _| passes(key));
        }
    }

    /// Begins a reading of all devices of a collector.
    pub fn round(&self, families: &'static ReadingFamilies, now: SystemTime) -> Round<'_> {
        Round {
            readings: self,
            families,
            now,
            told: Vec::new(),
            forgets: false,
        }
    }
}

/// One reading of all devices of a collector.
#[derive(Debug)]
#[must_use]
pub struct Round<'a> {
    readings: &'a Readings,
    families: &'static ReadingFamilies,
    now: SystemTime,
    told: Vec<(String, Labels, Result<(), Trouble>)>,
    forgets: bool,
}

impl Round<'_> {
    /// What came of asking one. `key` stays the same for the same device (a serial number better than a kernel
    /// name); `labels` are `tier` and the collector's own, no two devices with the same.
    pub fn tell(&mut self, key: &str, labels: &Labels, result: Result<(), Trouble>) {
        self.told.push((key.to_owned(), labels.clone(), result));
    }

    /// For what is made and removed on purpose all the time (snapshots): whoever is not told of is forgotten.
    pub fn forget_the_gone(mut self) -> Self {
        self.forgets = true;
        self
    }

    /// Ends it: whoever was known and not told of is gone. Returns the three families.
    pub fn finish(self) -> [Family; 3] {
        let mut all = self
            .readings
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(self.families.collector).or_default();
        for (key, labels, result) in self.told {
            if known.len() >= MOST && !known.contains_key(&key) {
                tracing::warn!(
                    collector = self.families.collector,
                    device = key,
                    most = MOST,
                    "too many devices; this one is not remembered"
                );
                continue;
            }
            let entry = known.entry(key.clone()).or_insert_with(|| Entry {
                labels: labels.clone(),
                trouble: None,
                last: None,
                seen: self.now,
                failures: BTreeMap::new(),
            });
            entry.labels = labels;
            entry.seen = self.now;
            entry.take(self.families.collector, &key, result.err(), self.now);
        }
        if self.forgets {
            known.retain(|_, entry| entry.seen == self.now);
        }
        for (key, entry) in known.iter_mut().filter(|(_, entry)| entry.seen != self.now) {
            let gone = Trouble::new(
                State::Gone,
                "it is no longer there; forgotten after 7 days, or when the exporter starts anew",
            );
            entry.take(self.families.collector, key, Some(gone), self.now);
        }
        let since = |entry: &Entry| self.now.duration_since(entry.seen).unwrap_or_default();
        known.retain(|_, entry| since(entry) < REMEMBERED);
        // Another device may have come with the labels of one that went.
        let there: Vec<Labels> = known
            .values()
            .filter(|entry| entry.seen == self.now)
            .map(|entry| entry.labels.clone())
            .collect();
        known.retain(|_, entry| entry.seen == self.now || !there.contains(&entry.labels));

        let mut families = [
            Family::new(&self.families.state),
            Family::new(&self.families.last),
            Family::new(&self.families.failures),
        ];
        let [states, last, failures] = &mut families;
        let mut shown: Vec<&Labels> = Vec::with_capacity(known.len());
        for entry in known.values() {
            // Two with the same labels would make Prometheus refuse the whole scrape.
            if shown.contains(&&entry.labels) {
                continue;
            }
            shown.push(&entry.labels);
            let holds = entry
                .trouble
                .as_ref()
                .map_or(State::Ok, |trouble| trouble.state);
            for state in State::ALL {
                let labels = entry.labels.with("state", state.name());
                states.push(&labels, u64::from(state == holds));
                if state.is_failure() {
                    let count = entry.failures.get(&state).copied().unwrap_or_default();
                    failures.push(&labels, count);
                }
            }
            let time = entry
                .last
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            if let Some(time) = time {
                last.push(&entry.labels, time.as_secs_f64());
            }
        }
        families
    }
}

impl Entry {
    /// Counts it, and says what changed once.
    fn take(&mut self, collector: &str, key: &str, trouble: Option<Trouble>, now: SystemTime) {
        match &trouble {
            None => self.last = Some(now),
            Some(trouble) if trouble.state.is_failure() => {
                *self.failures.entry(trouble.state).or_default() += 1;
            }
            Some(_) => {}
        }
        let state = |trouble: &Option<Trouble>| trouble.as_ref().map(|trouble| trouble.state);
        if state(&trouble) != state(&self.trouble) {
            match &trouble {
                Some(Trouble { state, reason }) if state.is_failure() => {
                    tracing::warn!(
                        collector,
                        device = key,
                        state = state.name(),
                        reason,
                        "not read"
                    );
                }
                Some(Trouble { state, reason }) => {
                    tracing::info!(
                        collector,
                        device = key,
                        state = state.name(),
                        reason,
                        "not read"
                    );
                }
                None => tracing::info!(collector, device = key, "read again"),
            }
        }
        self.trouble = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FAMILIES: ReadingFamilies = reading_families!("nvme", "device");

    fn labels(device: &str) -> Labels {
        Labels::new(&[("tier", "hot"), ("device", device)])
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn value(family: &Family, rendered: &str) -> Option<f64> {
        let found = family
            .samples
            .iter()
            .find(|s| s.labels.rendered() == rendered);
        found.map(|sample| sample.value.as_f64())
    }

    fn state(family: &Family, device: &str) -> Option<String> {
        let of = |state: &State| {
            format!(
                "tier=\"hot\",device=\"{device}\",state=\"{}\"",
                state.name()
            )
        };
        let holding: Vec<_> = State::ALL
            .iter()
            .filter(|state| value(family, &of(state)) == Some(1.0))
            .collect();
        assert!(holding.len() <= 1);
        holding.first().map(|state| state.name().to_owned())
    }

    #[test]
    fn a_device_that_goes_is_gone_with_the_time_of_its_last_reading() {
        let readings = Readings::default();
        let mut round = readings.round(&FAMILIES, at(100));
        round.tell("A", &labels("nvme0"), Ok(()));
        round.tell("B", &labels("nvme1"), Err(Trouble::new(State::Denied, "")));
        let [states, last, failures] = round.finish();
        assert_eq!(state(&states, "nvme0").as_deref(), Some("ok"));
        assert_eq!(state(&states, "nvme1").as_deref(), Some("denied"));
        assert_eq!(last.samples.len(), 1);
        assert!(failures.samples.iter().all(|s| s.value.as_f64() == 0.0));

        let mut round = readings.round(&FAMILIES, at(200));
        round.tell("B", &labels("nvme1"), Err(Trouble::new(State::Late, "")));
        let [states, last, failures] = round.finish();
        assert_eq!(state(&states, "nvme0").as_deref(), Some("gone"));
        assert_eq!(state(&states, "nvme1").as_deref(), Some("late"));
        assert_eq!(value(&last, "tier=\"hot\",device=\"nvme0\""), Some(100.0));
        let late = "tier=\"hot\",device=\"nvme1\",state=\"late\"";
        assert_eq!(value(&failures, late), Some(1.0));

        let [states, ..] = readings.round(&FAMILIES, at(101 + 7 * 24 * 3600)).finish();
        assert_eq!(state(&states, "nvme0"), None, "forgotten in the end");
        assert_eq!(state(&states, "nvme1").as_deref(), Some("gone"));
    }

    #[test]
    fn what_comes_and_goes_on_purpose_is_forgotten_at_once() {
        let readings = Readings::default();
        for (time, device) in [(100, "dm-1"), (200, "dm-2")] {
            let mut round = readings.round(&FAMILIES, at(time)).forget_the_gone();
            round.tell(device, &labels(device), Ok(()));
            let [states, ..] = round.finish();
            assert_eq!(states.samples.len(), State::ALL.len());
            assert_eq!(state(&states, device).as_deref(), Some("ok"));
        }
    }

    #[test]
    fn another_device_of_the_same_name_takes_its_place() {
        let readings = Readings::default();
        for (key, time) in [("A", 100), ("B", 200)] {
            let mut round = readings.round(&FAMILIES, at(time));
            round.tell(key, &labels("nvme0"), Ok(()));
            let [states, ..] = round.finish();
            assert_eq!(states.samples.len(), State::ALL.len());
            assert_eq!(state(&states, "nvme0").as_deref(), Some("ok"));
        }
    }

    #[test]
    fn two_with_the_same_labels_are_shown_once() {
        let readings = Readings::default();
        let mut round = readings.round(&FAMILIES, at(1));
        round.tell("A", &labels("nvme0"), Ok(()));
        round.tell("B", &labels("nvme0"), Ok(()));
        let [states, last, _] = round.finish();
        assert_eq!(
            (states.samples.len(), last.samples.len()),
            (State::ALL.len(), 1)
        );
    }
}

//! What became of each declared line at each of its targets, as families.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tidegauge_model::metric::{Family, FamilySpec, Labels};

use crate::collector::readings::{ReadingFamilies, Readings, Trouble, reading_families};

/// An actual value as a label is cut after so many characters.
const LONGEST: usize = 200;

pub static OK: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_ok",
    "Whether a target is tuned as the configuration expects; absent where that could not be found out.",
    &["tier", "setting", "target", "expected"],
);
pub static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_setting_info",
    "What is expected of a target and what is in force; always 1.",
    &["tier", "setting", "target", "expected", "actual"],
);
pub static TARGETS: FamilySpec = FamilySpec::gauge(
    "tidegauge_setting_targets",
    "Disks, filesystems or mounts to which a line of the configuration applies; with 0 it says nothing.",
    &["tier", "setting", "expected"],
);
pub static READINGS: ReadingFamilies = reading_families!("setting", "target");

/// What became of one line at one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was read.
    Compared {
        /// As expected.
        ok: bool,
        /// What is in force.
        actual: String,
    },
    /// It was read, and says neither; why.
    Open(&'static str),
    /// It was not read.
    Unknown(Trouble),
}

/// The verdicts of one reading.
#[derive(Debug)]
pub struct Verdicts {
    ok: Family,
    info: Family,
    targets: Family,
    /// By kind, tier and target.
    read: BTreeMap<(&'static str, String, String), Result<(), Trouble>>,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self {
            ok: Family::new(&OK),
            info: Family::new(&INFO),
            targets: Family::new(&TARGETS),
            read: BTreeMap::new(),
        }
    }
}

impl Verdicts {
    /// Adds a line that the configuration declares of a tier. Two targets that read the same count once: `kind` is
    /// what they are, `setting` the line's key.
    pub fn line(
        &mut self,
        kind: &'static str,
        tier: &str,
        [setting, expected]: [&str; 2],
        verdicts: impl IntoIterator<Item = (String, Verdict)>,
    ) {
        let mut all = BTreeMap::new();
        for (target, verdict) in verdicts {
            all.entry(target).or_insert(verdict);
        }
        let line = Labels::new(&[("tier", tier), ("setting", setting), ("expected", expected)]);
        self.targets.push(&line, all.len() as u64);
        for (target, verdict) in all {
            self.target(kind, tier, [setting, expected], target, verdict);
        }
    }

    /// Adds what became of a line at one target.
    pub fn target(
        &mut self,
        kind: &'static str,
        tier: &str,
        [setting, expected]: [&str; 2],
        target: String,
        verdict: Verdict,
    ) {
        let labels = Labels::new(&[
            ("tier", tier),
            ("setting", setting),
            ("target", &target),
            ("expected", expected),
        ]);
        let mut info = |actual: &str| {
            let actual: String = actual.chars().take(LONGEST).collect();
            self.info.push(&labels.with("actual", &actual), true);
        };
        let result = match verdict {
            Verdict::Compared { ok, actual } => {
                info(&actual);
                self.ok.push(&labels, ok);
                Ok(())
            }
            Verdict::Open(why) => {
                info(why);
                Ok(())
            }
            Verdict::Unknown(trouble) => Err(trouble),
        };
        let read = self.read.entry((kind, tier.to_owned(), target));
        // Of several lines of a target the first that could not be read stands for it.
        let known = read.or_insert(Ok(()));
        if known.is_ok() {
            *known = result;
        }
    }

    /// As families. What is told of targets that are no longer declared is forgotten: they are not gone.
    pub fn finish(
        self,
        readings: &Readings,
        now: SystemTime,
        declared: impl Fn(&str) -> bool,
    ) -> Vec<Family> {
        readings.keep(&READINGS, declared);
        let mut round = readings.round(&READINGS, now);
        for ((kind, tier, target), result) in self.read {
            let labels = Labels::new(&[("tier", &tier), ("target", &target)]);
            round.tell(&key(kind, &tier, &target), &labels, result);
        }
        let mut families = vec![self.ok, self.info, self.targets];
        families.extend(round.finish());
        families
    }
}

/// Under which a target is remembered. Those of one kind and tier begin alike.
pub fn key(kind: &str, tier: &str, target: &str) -> String {
    format!("{kind} {tier:?} {target}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::collector::readings::State;

    fn compared(ok: bool, actual: &str) -> Verdict {
        Verdict::Compared {
            ok,
            actual: actual.into(),
        }
    }

    fn lines(families: &[Family]) -> Vec<String> {
        let mut lines = Vec::new();
        for family in families {
            let short = family.spec.name.trim_start_matches("tidegauge_setting_");
            for sample in family.samples.iter().filter(|_| !short.starts_with("last")) {
                let value = sample.value.as_f64();
                if value > 0.0 || short == "ok" || short == "targets" {
                    lines.push(format!("{short}{{{}}} {value}", sample.labels.rendered()));
                }
            }
        }
        lines
    }

    #[test]
    fn what_is_read_is_told_and_what_is_not_has_a_state() {
        let mut verdicts = Verdicts::default();
        verdicts.line(
            "disk",
            "hot",
            ["scheduler", "none"],
            [
                ("sda".to_owned(), compared(false, "bfq")),
                ("sda".to_owned(), compared(true, "none")),
                (
                    "sdb".to_owned(),
                    Verdict::Unknown(Trouble::new(State::Denied, "no")),
                ),
                ("sdc".to_owned(), Verdict::Open("later")),
            ],
        );
        verdicts.line(
            "disk",
            "hot",
            ["write_cache", "write_back"],
            [("sdb".to_owned(), compared(true, "x"))],
        );
        verdicts.line("disk", "cold", ["scheduler", "none"], []);
        let readings = Readings::default();
        let declared = |told: &str| told.starts_with(&key("disk", "hot", ""));
        let families = verdicts.finish(&readings, UNIX_EPOCH, declared);
        insta::assert_snapshot!(lines(&families).join("\n"));

        // What is no longer declared is not gone; what is, is.
        let families =
            Verdicts::default().finish(&readings, UNIX_EPOCH + Duration::from_secs(1), declared);
        assert!(lines(&families).join("\n").contains("state=\"gone\"} 1"));
        let families =
            Verdicts::default().finish(&readings, UNIX_EPOCH + Duration::from_secs(2), |_| false);
        assert_eq!(lines(&families), [""; 0]);
    }
}

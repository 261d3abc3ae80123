//! What SATA and SAS disks tell of themselves, through smartctl: health, wear, temperature, errors, self-tests.
//!
//! Disks that sleep are left asleep, each is asked by a process of its own with a deadline, a few at a time, and
//! what is shown is of the last round: nothing of a disk that could not be read in it.

mod ask;
mod families;
mod samples;
mod targets;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::Family;

use self::ask::Outcome;
use self::families::{ALL, READINGS};
use self::samples::Samples;
use self::targets::Target;
use super::readings::{Readings, State, Trouble};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::isolate::{Answer, Isolated, Question};
use crate::device::smartctl::Entry;
use crate::device::tool::{Runner, find};
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

/// For the end of a process that did not end in time.
const GRACE: Duration = Duration::from_secs(2);
/// What the thread of the scan is known by; no device has this name.
const SCAN: &str = "scan/";

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "smart",
    help: "health, wear, temperature and errors of SATA and SAS disks (smartctl)",
    source: "smartctl --json",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[
        Setting {
            key: "interval",
            help: "how long to wait between two readings of all disks",
            kind: SettingKind::Duration,
            default: "5m",
        },
        Setting {
            key: "timeout",
            help: "how long a disk may take to answer",
            kind: SettingKind::Duration,
            default: "30s",
        },
        Setting {
            key: "parallel",
            help: "how many disks are asked at the same time, 1 to 64",
            kind: SettingKind::Count { most: 64 },
            default: "4",
        },
        Setting {
            key: "command",
            help: "where smartctl is, 7.0 or newer; by default it is looked for on the PATH and in /usr/sbin",
            kind: SettingKind::Path,
            default: "",
        },
        Setting {
            key: "devices",
            help: "disks that neither sysfs nor smartctl's scan shows, or that need a type, each as /dev/NODE:TYPE with the TYPE of smartctl -d",
            kind: SettingKind::Words,
            default: "",
        },
        Setting {
            key: "device_include",
            help: "only disks whose name matches",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "device_exclude",
            help: "no disks whose name matches; NVMe drives are read by the collector nvme",
            kind: SettingKind::Pattern,
            default: "^nvme",
        },
    ],
    rights: &[
        Need::new(
            Right::RawIo,
            "to ask SATA and SAS disks for SMART by smartctl; together with `CAP_DAC_READ_SEARCH`, which opens their nodes for reading",
        ),
        Need::new(Right::SysAdmin, "to ask NVMe drives by smartctl").when(
            "`collectors.smart.device_exclude` lets them in",
            |settings, _| asks_nvme(settings),
        ),
    ],
    families: ALL,
    build,
};

/// Whether these settings let any NVMe drive in, for which alone `CAP_SYS_ADMIN` is needed.
fn asks_nvme(settings: &Settings) -> bool {
    selects(settings, "nvme0n1")
        || targets::declared(settings.words("devices"))
            .iter()
            .any(|entry| entry.node.starts_with("/dev/nvme"))
}

fn selects(settings: &Settings, label: &str) -> bool {
    settings.selects("device_include", "device_exclude", label)
}

struct Smart {
    readings: Arc<Readings>,
    sysfs: PathBuf,
    settings: Settings,
    declared: Vec<Entry>,
    isolated: Isolated<String>,
    /// One for each device, so that one whose process hangs in the kernel gets no second one.
    runners: HashMap<String, Arc<Mutex<Runner>>>,
    /// What the last scan found that did not fail.
    scanned: Vec<Entry>,
    scan_failed: bool,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    Box::new(Smart {
        readings: Arc::clone(&context.memory.readings),
        sysfs: context.sysfs.clone(),
        settings: settings.clone(),
        declared: targets::declared(settings.words("devices")),
        isolated: Isolated::default(),
        runners: HashMap::new(),
        scanned: Vec::new(),
        scan_failed: false,
    })
}

impl Collector for Smart {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let blocks = pass.blocks()?;
        let program = self.program();
        let program = program.and_then(|program| {
            self.scan(&program)?;
            Ok(program)
        });
        let targets = targets::all(&blocks, &self.scanned, &self.declared, |label| {
            selects(&self.settings, label)
        });
        let now = SystemTime::now();
        let outcomes = match program {
            Ok(program) => self.ask(&program, &targets),
            Err(missing) => targets
                .iter()
                .map(|_| (None, Err(missing.clone())))
                .collect(),
        };
        let mut samples = Samples::new();
        let mut round = self.readings.round(&READINGS, now);
        for (target, (told, result)) in targets.iter().zip(outcomes) {
            let labels = target.labels();
            if let Some(told) = told {
                samples.disk(&labels, &told.report, told.exit_status);
            }
            let result = result.map_err(|trouble| self.gone_or(target, trouble));
            round.tell(&target.key, &labels, result);
        }
        Ok(samples.finish(round.finish()))
    }
}

impl Smart {
    fn program(&self) -> Result<PathBuf, Trouble> {
        match self.settings.path("command") {
            Some(command) => Ok(command.to_owned()),
            None => find("smartctl").map_err(|error| Trouble::new(State::ToolMissing, error)),
        }
    }

    /// Looks for members of RAID arrays. When that fails those that were known are asked all the same; only a
    /// smartctl that cannot be used at all is an error.
    fn scan(&mut self, program: &std::path::Path) -> Result<(), Trouble> {
        let (program, limit) = (program.to_owned(), self.timeout());
        let runner = self.runner(SCAN);
        let question: Question<_> = Box::new(move || {
            let mut runner = runner.lock().unwrap_or_else(PoisonError::into_inner);
            ask::scan(&mut runner, &program, limit)
        });
        let answers = self
            .isolated
            .ask(vec![(SCAN.to_owned(), question)], limit + GRACE, 1);
        let result = match answers.into_iter().next() {
            Some((_, Answer::Answered(result))) => result,
            Some((_, Answer::Late(since))) => Err(late(since)),
            Some((_, Answer::Lost(reason))) => Err(Trouble::new(State::Failed, reason)),
            None => return Ok(()),
        };
        match result {
            Ok(scan) => {
                self.scanned = scan.entries();
                self.scan_failed = false;
                Ok(())
            }
            Err(trouble) if trouble.state == State::ToolMissing => Err(trouble),
            Err(trouble) => {
                if !self.scan_failed {
                    tracing::warn!(
                        collector = SPEC.name,
                        reason = trouble.reason,
                        "smartctl --scan failed; members of RAID arrays may be missing"
                    );
                }
                self.scan_failed = true;
                Ok(())
            }
        }
    }

    fn ask(&mut self, program: &std::path::Path, targets: &[Target]) -> Vec<Outcome> {
        let limit = self.timeout();
        let parallel = self.settings.count("parallel").unwrap_or(1);
        let questions = targets
            .iter()
            .map(|target| {
                let runner = self.runner(&target.label);
                let (program, target) = (program.to_owned(), target.clone());
                let key = target.label.clone();
                let question: Question<Outcome> = Box::new(move || {
                    let mut runner = runner.lock().unwrap_or_else(PoisonError::into_inner);
                    ask::disk(&mut runner, &program, &target, limit)
                });
                (key, question)
            })
            .collect();
        let answers = self.isolated.ask(questions, limit + GRACE, parallel);
        answers
            .into_iter()
            .map(|(_, answer)| match answer {
                Answer::Answered(outcome) => outcome,
                Answer::Late(since) => (None, Err(late(since))),
                Answer::Lost(reason) => (None, Err(Trouble::new(State::Failed, reason))),
            })
            .collect()
    }

    fn timeout(&self) -> Duration {
        self.settings.duration("timeout").unwrap_or(GRACE)
    }

    fn runner(&mut self, label: &str) -> Arc<Mutex<Runner>> {
        Arc::clone(self.runners.entry(label.to_owned()).or_default())
    }

    /// A disk that sysfs no longer shows went while it was asked.
    fn gone_or(&self, target: &Target, trouble: Trouble) -> Trouble {
        let folder = self.sysfs.join("class/block");
        let is_there = || folder.join(target.label.replace('/', "!")).exists();
        let asked = matches!(trouble.state, State::Failed | State::Late);
        if target.in_sysfs && asked && !is_there() {
            return Trouble::new(State::Gone, "it went while it was asked");
        }
        trouble
    }
}

fn late(since: Duration) -> Trouble {
    Trouble::new(
        State::Late,
        format!("smartctl has not answered for {} s", since.as_secs()),
    )
}

#[cfg(test)]
mod tests;

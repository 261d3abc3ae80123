//! The health of NVMe drives, from the controllers themselves.
//!
//! Each live controller is asked on a thread of its own; what sysfs tells is there whatever the rights. A drive
//! counts a command that it refuses as an error of its own, so none is asked twice for what it does not have.

mod ask;
mod datacenter;
mod drives;
mod groups;
mod health;
mod inventory;
mod logs;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{Family, FamilySpec, Labels};

use self::ask::{Order, Report};
pub use self::drives::Drives;
use self::inventory::Shown;
use super::readings::{ReadingFamilies, Readings, State, Trouble, reading_families};
use super::table::{join, specs};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::isolate::{Answer, Question};
use crate::device::nvme::Ask;
use crate::device::nvme::endurance::EnduranceGroup;
use crate::device::nvme::error_log::LoggedError;
use crate::device::nvme::identify::Identity;
use crate::device::nvme::ocp::Ocp;
use crate::device::nvme::sanitize::Sanitize;
use crate::device::nvme::self_test::SelfTests;
use crate::device::nvme::smart::Smart;
use crate::device::nvme::sysfs::{self, Controller};
use crate::host::ReadError;
use crate::host::blocks::Blocks;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

/// A controller that has not answered all in this time is late. The commands go on: the kernel ends them.
const LIMIT: Duration = Duration::from_secs(10);
/// So many controllers are asked at a time.
const PARALLEL: usize = 8;

static READINGS: ReadingFamilies = reading_families!("nvme", "device");
static PAGE_FAILURES: FamilySpec = FamilySpec::counter(
    "tidegauge_nvme_page_failures_total",
    "Readings of a page (a log, or Identify) that failed. A page that a drive does not have is absent.",
    &["tier", "device", "page"],
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "nvme",
    help: "health, errors, wear and self-tests of NVMe drives, by ioctl",
    source: "NVMe admin commands",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[
        Setting {
            key: "interval",
            help: "how long to wait between two readings",
            kind: SettingKind::Duration,
            default: "1m",
        },
        Setting {
            key: "device_include",
            help: "only controllers whose kernel name (`nvme0`) matches",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "device_exclude",
            help: "no controllers whose kernel name matches",
            kind: SettingKind::Pattern,
            default: "",
        },
        Setting {
            key: "ocp_models",
            help: "models that are asked for OCP's log C0h although they do not tell which logs they have; one \
                   without it counts one error",
            kind: SettingKind::Pattern,
            default: "",
        },
    ],
    rights: &[Need::new(
        Right::SysAdmin,
        "to ask NVMe controllers for their logs",
    )],
    families: &join::<86>(&[
        &[
            &PAGE_FAILURES,
            &READINGS.state,
            &READINGS.last,
            &READINGS.failures,
        ],
        &inventory::FAMILIES,
        &specs(&health::HEALTH),
        &specs(&health::IDENTITY),
        &specs(&logs::ERROR),
        &specs(&logs::SELF_TEST),
        &specs(&logs::SANITIZED),
        &specs(&groups::ALL_GROUPS),
        &specs(&groups::GROUPS),
        &specs(&datacenter::OCP),
    ]),
    build,
};

struct Nvme {
    sysfs: PathBuf,
    /// Where the host's `/dev` is.
    nodes: PathBuf,
    means: Arc<dyn Ask>,
    drives: Arc<Drives>,
    readings: Arc<Readings>,
    settings: Settings,
    /// As they were when the mounts could last be read.
    blocks: Option<Arc<Blocks>>,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    Box::new(Nvme {
        sysfs: context.sysfs.clone(),
        nodes: context.rooted("/dev".as_ref()),
        means: Arc::clone(&context.access.nvme),
        drives: Arc::clone(&context.memory.nvme),
        readings: Arc::clone(&context.memory.readings),
        settings: settings.clone(),
        blocks: None,
    })
}

impl Collector for Nvme {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        // Without the mounts the tiers are those of before: the drives are asked nevertheless.
        if let Ok(blocks) = pass.blocks() {
            self.blocks = Some(blocks);
        }
        let blocks = self.blocks.clone();
        let tier_of = |controller: &Controller| {
            let devices = controller.paths.iter().map(|path| path.device.as_str());
            let tier = blocks.as_ref().map_or("", |blocks| blocks.hottest(devices));
            tier.to_owned()
        };
        Ok(self.read(tier_of))
    }
}

impl Nvme {
    fn read(&self, tier_of: impl Fn(&Controller) -> String) -> Vec<Family> {
        let mut controllers = sysfs::controllers(&self.sysfs);
        controllers.retain(|controller| {
            let name = &controller.name;
            self.settings
                .selects("device_include", "device_exclude", name)
        });
        let keys = keys_of(&controllers);
        let mut reports = self.ask(&controllers, &keys);

        let mut round = self.readings.round(&READINGS, SystemTime::now());
        let mut pages = Pages::default();
        let mut failures = Family::new(&PAGE_FAILURES);
        let mut used = BTreeMap::new();
        let mut shown = Vec::with_capacity(controllers.len());
        for (controller, key) in controllers.into_iter().zip(&keys) {
            let mut report = reports.remove(key).unwrap_or_default();
            let tier = tier_of(&controller);
            let labels = Labels::new(&[("tier", &tier), ("device", &controller.name)]);
            round.tell(key, &labels, report.trouble.take().map_or(Ok(()), Err));
            let memory = memory_key(key, &controller);
            for (page, count) in self.drives.count(&memory, &controller.name, &report.pages) {
                failures.push(&labels.with("page", page), count);
            }
            used.append(&mut report.used);
            pages.take(&labels, report);
            shown.push(Shown {
                controller,
                tier,
                labels,
            });
        }
        let memories: Vec<String> = keys
            .iter()
            .zip(&shown)
            .map(|(key, shown)| memory_key(key, &shown.controller))
            .collect();
        self.drives
            .keep(|key| memories.iter().any(|known| known == key));

        let mut families = inventory::families(&shown, &used, &self.sysfs);
        families.extend(round.finish());
        families.push(failures);
        pages.fill(&mut families);
        families.retain(|family| !family.samples.is_empty());
        families
    }

    /// Asks every controller that is live, and says why the others were not.
    fn ask(&self, controllers: &[Controller], keys: &[String]) -> HashMap<String, Report> {
        let mut reports = HashMap::new();
        let mut questions: Vec<(String, Question<Report>)> = Vec::new();
        for (controller, key) in controllers.iter().zip(keys) {
            if let Some(trouble) = not_asked(controller) {
                let report = Report {
                    trouble: Some(trouble),
                    ..Report::default()
                };
                reports.insert(key.clone(), report);
                continue;
            }
            let order = Order {
                node: self.nodes.join(&controller.name),
                sysfs: self.sysfs.clone(),
                key: memory_key(key, controller),
                means: Arc::clone(&self.means),
                drives: Arc::clone(&self.drives),
                asks_ocp: self
                    .settings
                    .matches("ocp_models", &controller.model, false),
                controller: controller.clone(),
            };
            questions.push((key.clone(), Box::new(move || ask::read(&order))));
        }
        let mut threads = self
            .drives
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (key, answer) in threads.ask(questions, LIMIT, PARALLEL) {
            let trouble = match answer {
                Answer::Answered(report) => {
                    reports.insert(key, report);
                    continue;
                }
                Answer::Late(since) => Trouble::new(
                    State::Late,
                    format_args!(
                        "no answer for {:.0} s; it is asked again once the kernel has ended the command",
                        since.as_secs_f64()
                    ),
                ),
                Answer::Lost(reason) => Trouble::new(State::Failed, reason),
            };
            let report = Report {
                trouble: Some(trouble),
                ..Report::default()
            };
            reports.insert(key, report);
        }
        reports
    }
}

/// Why a controller is not asked at all.
fn not_asked(controller: &Controller) -> Option<Trouble> {
    let Controller {
        name, state, kind, ..
    } = controller;
    // An older kernel does not tell.
    if !matches!(state.as_str(), "" | "live") {
        let reason = format_args!("{name} is {state}; see the kernel's log");
        return Some(Trouble::new(State::Failed, reason));
    }
    (kind == "discovery").then(|| {
        let reason = format_args!("{name} is a discovery controller, which has no health");
        Trouble::new(State::Unsupported, reason)
    })
}

/// For each controller what stays the same while it does: serial number and number in its subsystem. Drives
/// with the same serial number are told apart by their kernel names.
fn keys_of(controllers: &[Controller]) -> Vec<String> {
    let key = |controller: &Controller| match controller.serial.as_str() {
        "" => controller.name.clone(),
        serial => format!("{serial}/{}", controller.cntlid),
    };
    let mut times: HashMap<String, usize> = HashMap::new();
    for controller in controllers {
        *times.entry(key(controller)).or_default() += 1;
    }
    let unique = |controller: &Controller| {
        let key = key(controller);
        match times.get(&key) {
            Some(1) => key,
            _ => format!("{key}@{}", controller.name),
        }
    };
    controllers.iter().map(unique).collect()
}

/// New firmware may have other pages.
fn memory_key(key: &str, controller: &Controller) -> String {
    format!("{key} {} {}", controller.model, controller.firmware)
}

/// All pages that were read, by kind.
#[derive(Default)]
struct Pages {
    smart: Vec<(Labels, Smart)>,
    identity: Vec<(Labels, Identity)>,
    error: Vec<(Labels, LoggedError)>,
    self_tests: Vec<(Labels, (SelfTests, Option<u128>))>,
    sanitize: Vec<(Labels, Sanitize)>,
    all_groups: Vec<(Labels, u8)>,
    groups: Vec<(Labels, EnduranceGroup)>,
    ocp: Vec<(Labels, Ocp)>,
}

impl Pages {
    fn take(&mut self, labels: &Labels, report: Report) {
        let of = || labels.clone();
        let hours = report.smart.as_ref().map(|smart| smart.power_on_hours);
        let has_groups = |identity: &Identity| identity.has_endurance_groups;
        if let Some(smart) = &report.smart
            && report.identity.as_ref().is_some_and(has_groups)
        {
            self.all_groups.push((of(), smart.endurance_group_warning));
        }
        self.identity
            .extend(report.identity.map(|page| (of(), page)));
        self.smart.extend(report.smart.map(|page| (of(), page)));
        self.error.extend(report.error.map(|page| (of(), page)));
        let tests = report.self_tests.map(|page| (of(), (page, hours)));
        self.self_tests.extend(tests);
        self.sanitize
            .extend(report.sanitize.map(|page| (of(), page)));
        self.ocp.extend(report.ocp.map(|page| (of(), page)));
        let groups = report.groups.into_iter();
        self.groups
            .extend(groups.map(|(id, page)| (labels.with("group", &id.to_string()), page)));
    }

    fn fill(&self, families: &mut Vec<Family>) {
        rows::fill(&health::HEALTH, &self.smart, families);
        rows::fill(&health::IDENTITY, &self.identity, families);
        rows::fill(&logs::ERROR, &self.error, families);
        rows::fill(&logs::SELF_TEST, &self.self_tests, families);
        rows::fill(&logs::SANITIZED, &self.sanitize, families);
        rows::fill(&groups::ALL_GROUPS, &self.all_groups, families);
        rows::fill(&groups::GROUPS, &self.groups, families);
        rows::fill(&datacenter::OCP, &self.ocp, families);
    }
}

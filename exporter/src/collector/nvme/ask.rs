//! Asks one controller for everything it has, on the thread of that controller. One page that fails does not
//! keep the others from being read.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::drives::{Asked, Drives, PageReading, Thing};
use crate::collector::readings::{State, Trouble};
use crate::device::nvme::endurance::{self, EnduranceGroup};
use crate::device::nvme::error_log::{self, LoggedError};
use crate::device::nvme::identify::{self, Identity};
use crate::device::nvme::ocp::{self, Ocp};
use crate::device::nvme::sanitize::{self, Sanitize};
use crate::device::nvme::self_test::{self, SelfTests};
use crate::device::nvme::smart::{self, Smart};
use crate::device::nvme::sysfs::{self, Controller};
use crate::device::nvme::{
    Admin, Ask, CommandError, IDENTIFY_LENGTH, LogPage, PageError, is_of_the_moment, supported,
};

/// No more endurance groups are read of a controller …
const MOST_GROUPS: usize = 64;
/// … and no more asked for by counting, from one that does not list them.
const MOST_GUESSES: u16 = 16;

const NVME_1_3: u32 = 0x0001_0300;
const NVME_1_4: u32 = 0x0001_0400;

/// What to ask, and whom.
pub struct Order {
    /// As sysfs shows it.
    pub controller: Controller,
    /// Its node.
    pub node: PathBuf,
    /// `/sys`.
    pub sysfs: PathBuf,
    /// The same for the same drive with the same firmware.
    pub key: String,
    /// How it is reached.
    pub means: Arc<dyn Ask>,
    /// What is known of it.
    pub drives: Arc<Drives>,
    /// It may be asked for OCP's page although it does not tell which pages it has.
    pub asks_ocp: bool,
}

/// What it answered; absent what it does not have or what failed.
#[derive(Debug, Default)]
pub struct Report {
    /// Why its health is not known.
    pub trouble: Option<Trouble>,
    /// Identify Controller.
    pub identity: Option<Identity>,
    /// Log 02h.
    pub smart: Option<Smart>,
    /// The newest entry of log 01h.
    pub error: Option<LoggedError>,
    /// Log 06h.
    pub self_tests: Option<SelfTests>,
    /// Log 81h.
    pub sanitize: Option<Sanitize>,
    /// Log 09h, by identifier.
    pub groups: Vec<(u16, EnduranceGroup)>,
    /// Log C0h.
    pub ocp: Option<Ocp>,
    /// Bytes in use, by namespace.
    pub used: BTreeMap<String, u64>,
    /// What was read, and what failed.
    pub pages: Vec<PageReading>,
}

impl Report {
    /// A page was read, or failed. Of several of one kind one failure is told.
    fn note(&mut self, page: &'static str, trouble: Option<String>) {
        match self.pages.iter_mut().find(|reading| reading.page == page) {
            Some(reading) if reading.trouble.is_none() => reading.trouble = trouble,
            Some(_) => {}
            None => self.pages.push(PageReading { page, trouble }),
        }
    }
}

/// A page that is not to be had.
enum Missing {
    /// The drive does not have it, or may not be asked.
    Lacking,
    /// The right to ask is missing.
    Denied,
    /// It failed.
    Failed(Trouble),
}

/// Asks for everything.
pub fn read(order: &Order) -> Report {
    let mut report = Report::default();
    for path in &order.controller.paths {
        if let Some(bytes) = sysfs::used(&order.sysfs, &path.device) {
            report.used.insert(path.device.clone(), bytes);
        }
    }
    match order.means.open(&order.node) {
        Ok(admin) => Session { order, admin }.fill(&mut report),
        Err(error) => report.trouble = Some(order.closed(&error)),
    }
    report
}

impl Order {
    /// Why the node could not be opened.
    fn closed(&self, error: &io::Error) -> Trouble {
        let node = self.node.display();
        let is_there = || {
            let folder = self.sysfs.join("class/nvme").join(&self.controller.name);
            folder.exists()
        };
        match error.kind() {
            io::ErrorKind::PermissionDenied => Trouble::new(
                State::Denied,
                format_args!(
                    "cannot open {node}: {error}; it needs CAP_DAC_READ_SEARCH or root, CAP_SYS_ADMIN, and a unit that allows the device"
                ),
            ),
            io::ErrorKind::NotFound if is_there() => Trouble::new(
                State::Denied,
                format_args!(
                    "there is no {node}: the unit hides devices (PrivateDevices=), or no udev makes them"
                ),
            ),
            io::ErrorKind::WouldBlock => Trouble::new(
                State::Failed,
                format_args!("{node} is not live; see the kernel's log"),
            ),
            _ => self.lost(Errno::from_io_error(error).unwrap_or(Errno::IO)),
        }
    }

    /// Why the kernel did not carry out a command.
    fn lost(&self, error: Errno) -> Trouble {
        let name = &self.controller.name;
        match error {
            Errno::NODEV | Errno::NXIO | Errno::NOENT => Trouble::new(
                State::Gone,
                format_args!("{name} went away while it was asked"),
            ),
            _ => Trouble::new(
                State::Failed,
                format_args!("{name}: {error}; see the kernel's log"),
            ),
        }
    }
}

struct Session<'a> {
    order: &'a Order,
    admin: Box<dyn Admin>,
}

impl Session<'_> {
    fn fill(&self, report: &mut Report) {
        let identity = match self.identify() {
            Ok(identity) => identity,
            Err(missing) => {
                report.trouble =
                    Some(self.trouble("Identify Controller", "identify", missing, report));
                return;
            }
        };
        report.note("identify", None);
        let known = &self.order.controller.serial;
        if !known.is_empty() && known.is_ascii() && *known != identity.serial {
            let reason = "another drive took its place while it was looked at; it is asked at the next reading";
            report.trouble = Some(Trouble::new(State::Failed, reason));
            return;
        }
        self.logs(&identity, report);
        report.identity = Some(identity);
    }

    fn logs(&self, identity: &Identity, report: &mut Report) {
        let retain = identity.version >= NVME_1_3;
        let page = |id, index| LogPage { id, index, retain };
        let listed = self.supported(identity, page(0, 0), report);
        // Mandatory: a list without it is wrong.
        let listed = listed.filter(|pages| pages.has(2));
        let may = |id| listed.is_none_or(|pages| pages.has(id));

        match self.log::<{ smart::LENGTH }, _>(page(2, 0), smart::parse) {
            Ok(smart) => {
                report.note("smart", None);
                report.smart = Some(smart);
            }
            Err(missing) => {
                let is_denied = matches!(missing, Missing::Denied);
                report.trouble = Some(self.trouble("the SMART page", "smart", missing, report));
                if is_denied {
                    return;
                }
            }
        }
        if may(1) {
            let read = self.log::<{ error_log::LENGTH }, _>(page(1, 0), error_log::newest);
            report.error = self.take("error", read, report).flatten();
        }
        if identity.has_self_test && may(6) {
            let read = self.log::<{ self_test::LENGTH }, _>(page(6, 0), self_test::parse);
            report.self_tests = self.take("self_test", read, report);
        }
        if identity.has_sanitize && may(0x81) {
            let read = self.log::<{ sanitize::LENGTH }, _>(page(0x81, 0), sanitize::parse);
            report.sanitize = self.take("sanitize", read, report);
        }
        if identity.has_endurance_groups && may(9) {
            for group in self.endurance_groups(identity, report) {
                let read = self.log::<{ endurance::LENGTH }, _>(page(9, group), endurance::parse);
                if let Some(read) = self.take("endurance_group", read, report) {
                    report.groups.push((group, read));
                }
            }
        }
        if listed.map_or(self.order.asks_ocp, |pages| pages.has(ocp::ID)) {
            let read = self.log::<{ ocp::LENGTH }, _>(page(ocp::ID, 0), ocp::parse);
            report.ocp = self.take("ocp", read, report);
        }
    }

    /// The pages that the drive has, asked for once; `None` when it does not tell.
    fn supported(
        &self,
        identity: &Identity,
        page: LogPage,
        report: &mut Report,
    ) -> Option<supported::SupportedPages> {
        let Order { drives, key, .. } = self.order;
        if !identity.has_supported_pages {
            return None;
        }
        if let Some(pages) = drives.supported(key) {
            return Some(pages);
        }
        let read = self.log::<{ supported::LENGTH }, _>(page, supported::parse);
        if let Err(Missing::Denied) = read {
            return None;
        }
        let pages = self.take("supported_pages", read, report)?;
        drives.set_supported(key, pages);
        Some(pages)
    }

    fn endurance_groups(&self, identity: &Identity, report: &mut Report) -> Vec<u16> {
        let last = identity.last_endurance_group;
        let guesses = || (1..=last.min(MOST_GUESSES)).collect();
        if identity.version < NVME_1_4 {
            return guesses();
        }
        let thing = Thing::Identify(identify::ENDURANCE_GROUPS);
        let read = self.once(thing, |session| {
            let mut buffer = [0; IDENTIFY_LENGTH];
            session
                .admin
                .identify(identify::ENDURANCE_GROUPS, &mut buffer)
                .map(|()| buffer.to_vec())
        });
        let read = read.and_then(|bytes| {
            identify::parse_endurance_groups(&bytes, MOST_GROUPS).map_err(|e| self.broken(&e))
        });
        match read {
            Ok(groups) => groups.into_iter().filter(|group| *group <= last).collect(),
            Err(Missing::Lacking) => guesses(),
            failed => {
                self.take("endurance_group", failed, report);
                Vec::new()
            }
        }
    }

    /// Every controller has it: it is asked for whatever it answered before.
    fn identify(&self) -> Result<Identity, Missing> {
        let mut buffer = [0; IDENTIFY_LENGTH];
        match self.admin.identify(identify::CONTROLLER, &mut buffer) {
            Ok(()) => identify::parse(&buffer).map_err(|error| self.broken(&error)),
            Err(CommandError::Os(error)) => Err(self.kernel_refused(error)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Asks for a log page, unless the drive is known not to have it.
    fn log<const N: usize, T>(
        &self,
        page: LogPage,
        parse: impl Fn(&[u8]) -> Result<T, PageError>,
    ) -> Result<T, Missing> {
        let thing = Thing::Log(page.id, page.index);
        let bytes = self.once(thing, |session| {
            let mut buffer = vec![0; N];
            session.admin.log_page(page, &mut buffer).map(|()| buffer)
        })?;
        match parse(&bytes) {
            // Not what it was asked for, and never will be.
            Err(PageError::Foreign(_)) => {
                self.order.drives.end(&self.order.key, thing, Asked::Lacks);
                Err(Missing::Lacking)
            }
            // A group that is not there.
            Err(PageError::Blank(0)) if page.index != 0 => Err(Missing::Lacking),
            read => read.map_err(|error| self.broken(&error)),
        }
    }

    /// Asks, unless the drive is known not to have it, and remembers a refusal.
    fn once<T>(
        &self,
        thing: Thing,
        ask: impl FnOnce(&Self) -> Result<T, CommandError>,
    ) -> Result<T, Missing> {
        let Order { drives, key, .. } = self.order;
        if !drives.begin(key, thing) {
            return Err(Missing::Lacking);
        }
        let (asked, result) = match ask(self) {
            Ok(answer) => (Asked::Has, Ok(answer)),
            Err(CommandError::Status(status)) if !is_of_the_moment(status) => {
                let name = &self.order.controller.name;
                tracing::debug!(
                    collector = "nvme",
                    device = name,
                    ?thing,
                    "not there: status {status:#x}"
                );
                (Asked::Lacks, Err(Missing::Lacking))
            }
            Err(CommandError::Os(error)) => (Asked::Unclear, Err(self.kernel_refused(error))),
            Err(error) => (Asked::Unclear, Err(self.failed(error))),
        };
        drives.end(key, thing, asked);
        result
    }

    fn kernel_refused(&self, error: Errno) -> Missing {
        match error {
            Errno::ACCESS | Errno::PERM => Missing::Denied,
            _ => Missing::Failed(self.order.lost(error)),
        }
    }

    fn failed(&self, error: impl std::fmt::Display) -> Missing {
        let name = &self.order.controller.name;
        let reason =
            format_args!("{name} answers with {error}; it is asked again at the next reading");
        Missing::Failed(Trouble::new(State::Failed, reason))
    }

    fn broken(&self, error: &PageError) -> Missing {
        let name = &self.order.controller.name;
        let reason = format_args!("{name} answers with what is no page: {error}");
        Missing::Failed(Trouble::new(State::Failed, reason))
    }

    /// Why the reading as a whole did not succeed.
    fn trouble(
        &self,
        what: &str,
        page: &'static str,
        missing: Missing,
        report: &mut Report,
    ) -> Trouble {
        let name = &self.order.controller.name;
        match missing {
            Missing::Lacking => Trouble::new(
                State::Unsupported,
                format_args!(
                    "{name} does not have {what}; it is not asked again until the exporter starts anew"
                ),
            ),
            Missing::Denied => Trouble::new(
                State::Denied,
                format_args!("asking {name} for {what} needs CAP_SYS_ADMIN"),
            ),
            Missing::Failed(trouble) => {
                report.note(page, Some(trouble.reason.clone()));
                trouble
            }
        }
    }

    /// Takes a page without which the others are still worth having.
    fn take<T>(
        &self,
        page: &'static str,
        read: Result<T, Missing>,
        report: &mut Report,
    ) -> Option<T> {
        match read {
            Ok(value) => {
                report.note(page, None);
                Some(value)
            }
            Err(Missing::Failed(trouble)) => {
                report.note(page, Some(trouble.reason));
                None
            }
            Err(Missing::Lacking | Missing::Denied) => None,
        }
    }
}

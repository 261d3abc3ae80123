//! The collector over controllers that count what they are asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::device::nvme::{Admin, CommandError, IDENTIFY_LENGTH, LogPage};

/// A command: Identify by CNS, or a log page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Identify(u8),
    Log(LogPage),
}

type Answers = BTreeMap<(u8, u16), Result<Vec<u8>, CommandError>>;

/// One drive: its logs by identifier and index; Identify's answers; what it was asked for.
#[derive(Default)]
struct Drive {
    identify: Mutex<BTreeMap<u8, Vec<u8>>>,
    logs: Mutex<Answers>,
    asked: Mutex<Vec<Asked>>,
    denied: Mutex<Option<io::ErrorKind>>,
}

#[derive(Clone)]
struct Open(Arc<Drive>);

impl Ask for Open {
    fn open(&self, _: &Path) -> io::Result<Box<dyn Admin>> {
        match *self.0.denied.lock().unwrap() {
            Some(kind) => Err(kind.into()),
            None => Ok(Box::new(self.clone())),
        }
    }
}

const INVALID_LOG: CommandError = CommandError::Status(0x4109);

impl Admin for Open {
    fn identify(&self, what: u8, buffer: &mut [u8; IDENTIFY_LENGTH]) -> Result<(), CommandError> {
        self.0.asked.lock().unwrap().push(Asked::Identify(what));
        let answers = self.0.identify.lock().unwrap();
        let answer = answers.get(&what).ok_or(CommandError::Status(0x4002))?;
        buffer.copy_from_slice(answer);
        Ok(())
    }

    fn log_page(&self, page: LogPage, buffer: &mut [u8]) -> Result<(), CommandError> {
        self.0.asked.lock().unwrap().push(Asked::Log(page));
        let logs = self.0.logs.lock().unwrap();
        let answer = logs
            .get(&(page.id, page.index))
            .unwrap_or(&Err(INVALID_LOG));
        let bytes = answer.as_ref().map_err(|error| *error)?;
        let length = buffer.len();
        buffer.copy_from_slice(&bytes[..length]);
        Ok(())
    }
}

/// A page with some bytes set.
fn page(bytes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut page = vec![0; 4096];
    for (offset, value) in bytes {
        page[*offset..offset + value.len()].copy_from_slice(value);
    }
    page
}

/// NVMe 1.4 with these fields beside.
fn identity(more: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = page(&[(4, b"SERIAL"), (80, &[0, 4, 1, 0])]);
    for (offset, value) in more {
        bytes[*offset..offset + value.len()].copy_from_slice(value);
    }
    bytes
}

const TESTED: (usize, &[u8]) = (256, &[0x10]);
const SANITIZES: (usize, &[u8]) = (328, &[1]);
const GROUPS: (usize, &[u8]) = (96, &[0x10]);
const LISTS_PAGES: (usize, &[u8]) = (261, &[0x20]);

struct Host {
    sysfs: TempDir,
    drive: Arc<Drive>,
    drives: Arc<Drives>,
    settings: Settings,
}

impl Host {
    fn new(identity: Vec<u8>) -> Self {
        let host = Self {
            sysfs: tempfile::tempdir().unwrap(),
            drive: Arc::default(),
            drives: Arc::default(),
            settings: Settings::defaults(SPEC.settings),
        };
        host.put("nvme0/serial", "SERIAL");
        host.put("nvme0/model", "MODEL");
        host.put("nvme0/cntlid", "1");
        host.put("nvme0/state", "live");
        host.drive.identify.lock().unwrap().insert(1, identity);
        host.log(2, 0, Ok(page(&[(1, &[0x36, 1])])));
        host.log(1, 0, Ok(page(&[])));
        host
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.sysfs.path().join("class/nvme").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn log(&self, id: u8, index: u16, answer: Result<Vec<u8>, CommandError>) {
        self.drive.logs.lock().unwrap().insert((id, index), answer);
    }

    /// As text, one sample a line. A collector made anew, as by a reload.
    fn read(&self) -> String {
        let collector = Nvme {
            sysfs: self.sysfs.path().to_owned(),
            nodes: "/dev".into(),
            means: Arc::new(Open(Arc::clone(&self.drive))),
            drives: Arc::clone(&self.drives),
            readings: Arc::default(),
            settings: self.settings.clone(),
            blocks: None,
        };
        let families = collector.read(|_| "hot".to_owned());
        let samples = families.iter().flat_map(|family| {
            family.samples.iter().map(|sample| {
                let labels = sample.labels.rendered();
                let labels = labels.strip_prefix("tier=\"hot\",device=\"nvme0\"");
                let labels = labels.unwrap_or(sample.labels.rendered());
                let name = family.spec.name.trim_start_matches("tidegauge_nvme_");
                format!("{name}{labels} {}\n", sample.value.as_f64())
            })
        });
        samples.collect()
    }

    /// How often a log page was asked for.
    fn times(&self, id: u8) -> usize {
        let asked = self.drive.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| matches!(asked, Asked::Log(page) if page.id == id))
            .count()
    }
}

#[test]
fn a_plain_drive_is_asked_for_nothing_that_it_does_not_announce() {
    let host = Host::new(identity(&[]));
    let text = host.read();
    assert!(text.contains("reading_state,state=\"ok\" 1\n"), "{text}");
    assert!(text.contains("temperature_celsius 37\n"), "{text}");
    let health = |id| {
        Asked::Log(LogPage {
            id,
            index: 0,
            retain: true,
        })
    };
    assert_eq!(
        *host.drive.asked.lock().unwrap(),
        [Asked::Identify(1), health(2), health(1)]
    );
}

#[test]
fn before_1_3_no_bit_is_set_that_was_not_there() {
    let host = Host::new(identity(&[(80, &[0, 2, 1, 0])]));
    host.read();
    let asked = host.drive.asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|asked| !matches!(asked, Asked::Log(page) if page.retain))
    );
}

#[test]
fn what_is_refused_is_asked_for_once_until_the_drive_or_its_firmware_is_another() {
    let host = Host::new(identity(&[TESTED, SANITIZES]));
    for _ in 0..3 {
        let text = host.read();
        assert!(text.contains("reading_state,state=\"ok\" 1\n"), "{text}");
        assert!(!text.contains("page=\"self_test\""), "no failure: {text}");
    }
    assert_eq!((host.times(6), host.times(0x81), host.times(2)), (1, 1, 3));
    host.put("nvme0/firmware_rev", "NEW");
    host.read();
    assert_eq!(host.times(6), 2);
    host.put("nvme0/serial", "OTHER");
    host.drive.identify.lock().unwrap().get_mut(&1).unwrap()[4..10].copy_from_slice(b"OTHER ");
    host.read();
    host.read();
    assert_eq!(host.times(6), 3);
}

#[test]
fn a_failure_of_the_moment_costs_only_its_page_and_is_tried_again() {
    let host = Host::new(identity(&[TESTED]));
    host.log(6, 0, Err(CommandError::Status(0x401D)));
    host.log(1, 0, Ok(vec![0xFF; 64]));
    host.read();
    let text = host.read();
    assert!(
        text.contains("page_failures_total,page=\"self_test\" 2\n"),
        "{text}"
    );
    assert!(
        text.contains("page_failures_total,page=\"error\" 2\n"),
        "{text}"
    );
    assert!(
        text.contains("page_failures_total,page=\"smart\" 0\n"),
        "{text}"
    );
    assert!(text.contains("reading_state,state=\"ok\" 1\n"), "{text}");
    assert!(text.contains("temperature_celsius 37\n"), "{text}");
    host.log(6, 0, Ok(page(&[])));
    let text = host.read();
    assert!(text.contains("self_test_running 0\n"), "{text}");
    assert!(
        text.contains("page_failures_total,page=\"self_test\" 2\n"),
        "{text}"
    );
}

#[test]
fn a_list_of_pages_is_read_once_and_believed() {
    let host = Host::new(identity(&[LISTS_PAGES, TESTED, SANITIZES]));
    host.log(0, 0, Ok(page(&[(4 * 2, &[1]), (4 * 0x81, &[1])])));
    host.log(0x81, 0, Ok(page(&[])));
    host.log(6, 0, Ok(page(&[])));
    host.read();
    host.read();
    let times = [0, 1, 2, 6, 0x81, 0xC0].map(|id| host.times(id));
    assert_eq!(times, [1, 0, 2, 0, 2, 0]);
}

#[test]
fn a_list_that_is_refused_or_wrong_is_none() {
    for list in [Err(INVALID_LOG), Ok(page(&[(4 * 0xC0, &[1])]))] {
        let host = Host::new(identity(&[LISTS_PAGES]));
        host.log(0, 0, list);
        host.read();
        let text = host.read();
        assert!(text.contains("reading_state,state=\"ok\" 1\n"), "{text}");
        let times = [0, 1, 2, 0xC0].map(|id| host.times(id));
        assert_eq!(times, [1, 2, 2, 0]);
    }
}

#[test]
fn ocps_page_is_asked_for_only_where_it_is_listed_or_the_operator_says_so() {
    const GUID: [u8; 16] = [
        0xC5, 0xAF, 0x10, 0x28, 0xEA, 0xBF, 0xF2, 0xA4, 0x9C, 0x4F, 0x6F, 0x7C, 0xC9, 0x14, 0xD5,
        0xAF,
    ];
    let ocp = || Ok(page(&[(0, &[9]), (496, &GUID)]));
    let mut host = Host::new(identity(&[]));
    host.log(0xC0, 0, ocp());
    assert!(!host.read().contains("ocp_"));
    assert_eq!(host.times(0xC0), 0);
    host.settings.set(&SPEC.settings[3], "^MOD").unwrap();
    assert!(host.read().contains("ocp_media_written_bytes_total 9\n"));

    let listed = Host::new(identity(&[LISTS_PAGES]));
    listed.log(0, 0, Ok(page(&[(4 * 2, &[1]), (4 * 0xC0, &[1])])));
    listed.log(0xC0, 0, ocp());
    assert!(listed.read().contains("ocp_media_written_bytes_total 9\n"));

    // Another vendor's page of that number is not asked for again.
    let foreign = Host::new(identity(&[LISTS_PAGES]));
    foreign.log(0, 0, Ok(page(&[(4 * 2, &[1]), (4 * 0xC0, &[1])])));
    foreign.log(0xC0, 0, Ok(page(&[(0, &[9])])));
    foreign.read();
    let text = foreign.read();
    assert_eq!(foreign.times(0xC0), 1);
    assert!(!text.contains("ocp"), "{text}");
}

#[test]
fn endurance_groups_are_those_of_the_list_or_counted_within_a_bound() {
    let host = Host::new(identity(&[GROUPS, (340, &[7])]));
    let list = page(&[(0, &[3, 0, 2, 0, 5, 0, 9, 0])]);
    host.drive.identify.lock().unwrap().insert(0x19, list);
    host.log(9, 2, Ok(page(&[(3, &[50])])));
    host.log(9, 5, Ok(page(&[])));
    let text = host.read();
    let spare = "endurance_group_available_spare_ratio,group=\"2\" 0.5\n";
    assert!(text.contains(spare), "{text}");
    assert!(!text.contains("group=\"5\""), "it is not there: {text}");
    assert_eq!(host.times(9), 2, "9 is beyond the last");

    let silent = Host::new(identity(&[GROUPS, (340, &[0xFF, 0xFF])]));
    silent.log(9, 1, Ok(page(&[(3, &[50])])));
    silent.read();
    let text = silent.read();
    assert!(text.contains("group=\"1\""), "{text}");
    assert_eq!(silent.times(9), 16 + 1, "each of the others once");
    let asked = silent.drive.asked.lock().unwrap();
    let lists = asked
        .iter()
        .filter(|asked| **asked == Asked::Identify(0x19));
    assert_eq!(lists.count(), 1);
}

#[test]
fn without_the_right_nothing_more_is_asked() {
    let host = Host::new(identity(&[TESTED, SANITIZES, (525, &[1])]));
    host.log(2, 0, Err(CommandError::Os(Errno::ACCESS)));
    let text = host.read();
    assert!(
        text.contains("reading_state,state=\"denied\" 1\n"),
        "{text}"
    );
    assert!(text.contains("volatile_write_cache 1\n"), "{text}");
    assert!(
        text.contains("controller_state,state=\"live\" 1\n"),
        "{text}"
    );
    assert_eq!(host.drive.asked.lock().unwrap().len(), 2);
    *host.drive.denied.lock().unwrap() = Some(io::ErrorKind::PermissionDenied);
    let text = host.read();
    assert!(
        text.contains("reading_state,state=\"denied\" 1\n"),
        "{text}"
    );
    assert!(
        text.contains("info,model=\"MODEL\",serial=\"SERIAL\""),
        "{text}"
    );
    // A unit that hides devices.
    *host.drive.denied.lock().unwrap() = Some(io::ErrorKind::NotFound);
    assert!(host.read().contains("reading_state,state=\"denied\" 1\n"));
    // With the right again nothing was remembered against it.
    *host.drive.denied.lock().unwrap() = None;
    host.log(2, 0, Ok(page(&[(1, &[0x36, 1])])));
    assert!(host.read().contains("reading_state,state=\"ok\" 1\n"));
    assert_eq!((host.times(6), host.times(0x81)), (1, 1));
}

#[test]
fn a_health_page_that_is_none_is_a_failure_and_no_number() {
    for (answer, state) in [
        (Ok(vec![0xFF; 512]), "failed"),
        (Ok(vec![0; 512]), "failed"),
        (Err(CommandError::Os(Errno::INTR)), "failed"),
        (Err(CommandError::Os(Errno::NODEV)), "gone"),
        (Err(CommandError::Status(0x0006)), "failed"),
        (Err(INVALID_LOG), "unsupported"),
    ] {
        let host = Host::new(identity(&[]));
        host.log(2, 0, answer);
        let text = host.read();
        let holds = format!("reading_state,state=\"{state}\" 1\n");
        assert!(text.contains(&holds), "{state}: {text}");
        assert!(!text.contains("power_cycles"), "{text}");
        assert_eq!(host.times(1), 1, "the others are read nevertheless");
    }
}

#[test]
fn a_controller_that_is_not_live_is_not_asked() {
    let host = Host::new(identity(&[]));
    for state in ["dead", "resetting", "connecting", "deleting (no IO)"] {
        host.put("nvme0/state", state);
        let text = host.read();
        let word = state.split(' ').next().unwrap();
        let holds = format!("controller_state,state=\"{word}\" 1\n");
        assert!(text.contains(&holds), "{text}");
        assert!(
            text.contains("reading_state,state=\"failed\" 1\n"),
            "{text}"
        );
    }
    host.put("nvme0/state", "live");
    host.put("nvme0/cntrltype", "discovery");
    assert!(
        host.read()
            .contains("reading_state,state=\"unsupported\" 1\n")
    );
    assert!(host.drive.asked.lock().unwrap().is_empty());
}

#[test]
fn another_drive_in_its_place_is_not_taken_for_it() {
    let host = Host::new(identity(&[]));
    host.put("nvme0/serial", "OLD");
    let text = host.read();
    assert!(
        text.contains("reading_state,state=\"failed\" 1\n"),
        "{text}"
    );
    assert_eq!(host.times(2), 0);
}

#[test]
fn drives_with_the_same_serial_number_do_not_collide() {
    let host = Host::new(identity(&[]));
    for (name, id) in [("nvme1", "1"), ("nvme2", "2"), ("nvme3", "1")] {
        host.put(&format!("{name}/serial"), "SERIAL");
        host.put(&format!("{name}/cntlid"), id);
        host.put(&format!("{name}/state"), "live");
    }
    let keys = keys_of(&sysfs::controllers(host.sysfs.path()));
    let expected = [
        "SERIAL/1@nvme0",
        "SERIAL/1@nvme1",
        "SERIAL/2",
        "SERIAL/1@nvme3",
    ];
    assert_eq!(keys, expected);
    let text = host.read();
    let temperatures = text.matches("temperature_celsius").count();
    assert_eq!(temperatures, 4, "{text}");
}

#[test]
fn no_nvme_is_nothing() {
    let host = Host::new(identity(&[]));
    fs::remove_dir_all(host.sysfs.path().join("class/nvme")).unwrap();
    assert_eq!(host.read(), "");
}

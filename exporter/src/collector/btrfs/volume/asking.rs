//! Asks mounted filesystems, each on a thread of its own, and finds out which is which.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use tidegauge_ioctl::btrfs::{BalanceProgress, Device, ScrubProgress};
use tidegauge_model::mount::DeviceNumber;

use super::mounts::Mounted;
use crate::collector::readings::{State, Trouble};
use crate::device::btrfs::ask::{Ask, Volume};
use crate::device::btrfs::subvolumes::Listing;
use crate::device::btrfs::uuid_text;
use crate::device::isolate::{Answer, Isolated, Question};

/// What the kernel knows by heart comes at once, unless a device holds it up.
const QUICK: Duration = Duration::from_secs(5);
/// Subvolumes may have to be read from the disk.
const LISTING: Duration = Duration::from_secs(30);
const PARALLEL: usize = 8;
/// So many mount points of a filesystem are tried.
const MOST_MOUNTS: usize = 16;
/// A status file is a line for each device.
const MOST_BYTES: u64 = 1 << 20;

/// What a filesystem answered at once.
#[derive(Clone, Debug)]
pub struct Told {
    /// By which mount (its index), and which filesystem.
    pub by: (PathBuf, PathBuf),
    /// Its UUID.
    pub uuid: String,
    /// Its devices.
    pub devices: Result<Vec<Device>, Errno>,
    /// Scrubs that run, by device.
    pub scrubs: Result<BTreeMap<u64, ScrubProgress>, Errno>,
    /// The balance that has begun and not ended.
    pub balance: Result<Option<BalanceProgress>, Errno>,
}

/// The status file of the last scrub: its content, and when it was written. `None` when there is none.
pub type StatusFile = io::Result<Option<(Vec<u8>, SystemTime)>>;

/// Asks, and remembers who has not answered yet.
pub struct Asking {
    ask: Arc<dyn Ask>,
    quick: Isolated<DeviceNumber>,
    listing: Isolated<DeviceNumber>,
    files: Isolated<&'static str>,
}

impl Asking {
    /// With nobody asked yet.
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self {
            ask,
            quick: Isolated::default(),
            listing: Isolated::default(),
            files: Isolated::default(),
        }
    }

    /// Devices, scrubs and balances. The answers are in the order of the question.
    pub fn quick(&mut self, mounted: &[Mounted]) -> Vec<Result<Told, Trouble>> {
        self.quick_within(mounted, QUICK)
    }

    fn quick_within(&mut self, mounted: &[Mounted], limit: Duration) -> Vec<Result<Told, Trouble>> {
        let question = |one: &Mounted| {
            let (ask, one) = (Arc::clone(&self.ask), one.clone());
            let asks: Question<_> = Box::new(move || tell(ask.as_ref(), &one));
            asks
        };
        let questions = mounted.iter().map(|one| (one.dev, question(one))).collect();
        let answers = self.quick.ask(questions, limit, PARALLEL);
        answers.into_iter().map(|(_, a)| flat(a)).collect()
    }

    /// Subvolumes, `most` of each filesystem.
    pub fn listings(
        &mut self,
        wanted: Vec<(DeviceNumber, String, (PathBuf, PathBuf))>,
        most: usize,
    ) -> Vec<Result<Listing, Trouble>> {
        let question = |uuid: String, (root, path): (PathBuf, PathBuf)| {
            let ask = Arc::clone(&self.ask);
            let asks: Question<_> = Box::new(move || {
                let volume = ask.open(&path).map_err(|error| of_io(&error, &path))?;
                let found = volume
                    .filesystem()
                    .map_err(|e| of_errno(e, "BTRFS_IOC_FS_INFO"))?;
                if uuid_text(found.id) != uuid {
                    return Err(Trouble::new(
                        State::Failed,
                        "another filesystem was mounted meanwhile",
                    ));
                }
                let listed = volume.subvolumes(&root, most);
                listed.map_err(|error| of_errno(error, "listing subvolumes"))
            });
            asks
        };
        let questions = wanted
            .into_iter()
            .map(|(dev, uuid, by)| (dev, question(uuid, by)))
            .collect();
        let answers = self.listing.ask(questions, LISTING, PARALLEL);
        answers.into_iter().map(|(_, a)| flat(a)).collect()
    }

    /// The status files of the last scrubs, in a folder.
    pub fn status_files(
        &mut self,
        folder: &Path,
        uuids: &[String],
    ) -> Result<BTreeMap<String, StatusFile>, Trouble> {
        let (folder, uuids) = (folder.to_owned(), uuids.to_owned());
        let read = move || -> Result<BTreeMap<String, StatusFile>, Trouble> {
            let one = |uuid: String| {
                let file = status_file(&folder.join(format!("scrub.status.{uuid}")));
                (uuid, file)
            };
            Ok(uuids.into_iter().map(one).collect())
        };
        let answers = self.files.ask(vec![("files", Box::new(read))], QUICK, 1);
        let answer = answers.into_iter().next();
        answer.map_or_else(|| Ok(BTreeMap::new()), |(_, answer)| flat(answer))
    }
}

fn flat<T>(answer: Answer<Result<T, Trouble>>) -> Result<T, Trouble> {
    match answer {
        Answer::Answered(result) => result,
        Answer::Late(since) => Err(Trouble::new(
            State::Late,
            format!("no answer for {} s; see the kernel's log", since.as_secs()),
        )),
        Answer::Lost(reason) => Err(Trouble::new(State::Failed, reason)),
    }
}

/// Opens the first mount that is there and asks it.
fn tell(ask: &dyn Ask, mounted: &Mounted) -> Result<Told, Trouble> {
    let mut trouble = Trouble::new(
        State::Unsupported,
        "none of its mount points shows it from here",
    );
    for by in mounted.at.iter().take(MOST_MOUNTS) {
        let path = &by.1;
        let volume = match ask.open(path) {
            Ok(volume) => volume,
            // The mount point went, or is none to us.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                trouble = of_io(&error, path);
                continue;
            }
        };
        match volume.filesystem() {
            Ok(found) => {
                let uuid = uuid_text(found.id);
                if mounted.guess.as_ref().is_some_and(|guess| *guess != uuid) {
                    continue;
                }
                return Ok(answers(volume.as_ref(), &found, uuid, by.clone()));
            }
            // Something else is mounted over it.
            Err(Errno::NOTTY | Errno::INVAL) => {}
            Err(error) => trouble = of_errno(error, "BTRFS_IOC_FS_INFO"),
        }
    }
    Err(trouble)
}

fn answers(
    volume: &dyn Volume,
    found: &tidegauge_ioctl::btrfs::Filesystem,
    uuid: String,
    by: (PathBuf, PathBuf),
) -> Told {
    let devices = volume.devices(found);
    let scrubs = devices
        .as_ref()
        .map_err(|error| *error)
        .and_then(|devices| {
            let mut running = BTreeMap::new();
            for device in devices {
                if let Some(progress) = volume.scrub(device.id)? {
                    running.insert(device.id, progress);
                }
            }
            Ok(running)
        });
    Told {
        by,
        uuid,
        devices,
        scrubs,
        balance: volume.balance(),
    }
}

fn status_file(path: &Path) -> StatusFile {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let written = file.metadata()?.modified()?;
    let mut content = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut content)?;
    Ok(Some((content, written)))
}

/// From the kernel's answer to an ioctl.
pub fn of_errno(error: Errno, what: &str) -> Trouble {
    match error {
        Errno::PERM | Errno::ACCESS => Trouble::new(
            State::Denied,
            format!("{what}: {error}; CAP_SYS_ADMIN lets it be read"),
        ),
        Errno::NOTTY | Errno::OPNOTSUPP => Trouble::new(
            State::Unsupported,
            format!("{what}: {error}; a newer kernel has it"),
        ),
        _ => Trouble::new(
            State::Failed,
            format!("{what}: {error}; see the kernel's log"),
        ),
    }
}

/// From the system's answer to opening a path.
pub fn of_io(error: &io::Error, path: &Path) -> Trouble {
    let path = tidegauge_model::mount::displayable(path.as_os_str());
    let state = match error.kind() {
        io::ErrorKind::PermissionDenied => State::Denied,
        _ => State::Failed,
    };
    let hint = match state {
        State::Denied => "; CAP_DAC_READ_SEARCH lets it be read",
        _ => "",
    };
    Trouble::new(state, format!("cannot open {path}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    use tidegauge_ioctl::btrfs::Filesystem;

    use super::*;

    /// Answers by mount point: a UUID's first byte, or an error.
    struct Fake(BTreeMap<&'static str, Result<u8, Errno>>);

    struct FakeVolume(u8);

    impl Ask for Fake {
        fn open(&self, mountpoint: &Path) -> io::Result<Box<dyn Volume>> {
            let name = mountpoint.to_str().unwrap_or_default();
            match self.0.get(name) {
                Some(Ok(id)) => Ok(Box::new(FakeVolume(*id))),
                Some(Err(error)) => Err((*error).into()),
                None => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    impl Volume for FakeVolume {
        fn filesystem(&self) -> Result<Filesystem, Errno> {
            match self.0 {
                // Not btrfs: mounted over it.
                0 => Err(Errno::NOTTY),
                id => Ok(Filesystem {
                    id: [id; 16],
                    highest_device: 1,
                    devices: 1,
                }),
            }
        }

        fn devices(&self, _: &Filesystem) -> Result<Vec<Device>, Errno> {
            Ok(vec![Device {
                id: 1,
                ..Device::default()
            }])
        }

        fn scrub(&self, _: u64) -> Result<Option<ScrubProgress>, Errno> {
            Err(Errno::PERM)
        }

        fn balance(&self) -> Result<Option<BalanceProgress>, Errno> {
            Err(Errno::PERM)
        }

        fn subvolumes(&self, _: &Path, _: usize) -> Result<Listing, Errno> {
            Ok(Listing::default())
        }
    }

    const DEV: DeviceNumber = DeviceNumber {
        major: 0,
        minor: 40,
    };

    fn at(paths: &[&str], guess: Option<u8>) -> Mounted {
        Mounted {
            dev: DEV,
            guess: guess.map(|id| uuid_text([id; 16])),
            at: paths.iter().map(|path| ("/".into(), path.into())).collect(),
        }
    }

    #[test]
    fn the_first_mount_that_shows_the_filesystem_is_asked() {
        let all = [
            ("/over", Ok(0)),
            ("/other", Ok(2)),
            ("/closed", Err(Errno::ACCESS)),
            ("/broken", Err(Errno::IO)),
            ("/good", Ok(1)),
        ];
        let ask = Fake(all.into());
        let paths = ["/gone", "/over", "/closed", "/other", "/good"];
        let told = tell(&ask, &at(&paths, Some(1))).unwrap();
        assert_eq!(told.by.1, Path::new("/good"));
        assert_eq!(told.uuid, uuid_text([1; 16]));
        assert_eq!(
            (told.scrubs, told.balance),
            (Err(Errno::PERM), Err(Errno::PERM))
        );
        assert_eq!(told.devices.unwrap().len(), 1);
        // By whom nothing is known, what answers says which it is.
        assert_eq!(
            tell(&ask, &at(&["/other"], None)).unwrap().uuid,
            uuid_text([2; 16])
        );
        for (paths, state) in [
            (&["/closed", "/gone"][..], State::Denied),
            (&["/over", "/gone", "/other"], State::Unsupported),
            (&["/broken"], State::Failed),
            (&[], State::Unsupported),
        ] {
            assert_eq!(
                tell(&ask, &at(paths, Some(1))).unwrap_err().state,
                state,
                "{paths:?}"
            );
        }
    }

    /// Answers when it is told to.
    struct Hanging(Mutex<Receiver<()>>);

    impl Ask for Hanging {
        fn open(&self, _: &Path) -> io::Result<Box<dyn Volume>> {
            let _ = self.0.lock().unwrap().recv();
            Ok(Box::new(FakeVolume(1)))
        }
    }

    #[test]
    fn one_that_hangs_is_late_and_not_asked_twice() {
        let (tell, told) = channel();
        let mut asking = Asking::new(Arc::new(Hanging(Mutex::new(told))));
        for _ in 0..2 {
            let answers = asking.quick_within(&[at(&["/"], None)], Duration::from_millis(20));
            let [Err(trouble)] = &answers[..] else {
                panic!("{answers:?}")
            };
            assert_eq!(trouble.state, State::Late);
        }
        drop(tell);
    }

    #[test]
    fn what_the_kernel_refuses_by_its_reason() {
        let state = |error| of_errno(error, "x").state;
        assert_eq!(state(Errno::PERM), State::Denied);
        assert_eq!(state(Errno::NOTTY), State::Unsupported);
        assert_eq!(state(Errno::IO), State::Failed);
    }

    #[test]
    fn status_files_that_are_there_and_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("scrub.status.A"), "x").unwrap();
        std::fs::create_dir(folder.path().join("scrub.status.C")).unwrap();
        let mut asking = Asking::new(Arc::new(Fake(BTreeMap::new())));
        let uuids = ["A", "B", "C"].map(str::to_owned);
        let files = asking.status_files(folder.path(), &uuids).unwrap();
        let content = |uuid| {
            files[uuid]
                .as_ref()
                .ok()
                .map(|f| f.as_ref().map(|f| f.0.clone()))
        };
        assert_eq!(content("A"), Some(Some(b"x".to_vec())));
        assert_eq!(content("B"), Some(None));
        assert_eq!(content("C"), None);
    }
}

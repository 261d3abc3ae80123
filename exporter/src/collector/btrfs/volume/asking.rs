//! Asks mounted filesystems, each on a thread of its own, and finds out which is which.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use tidegauge_ioctl::btrfs::{BalanceProgress, Device, ScrubProgress};
use tidegauge_model::mount::{DeviceNumber, Mount, MountTable};

use crate::collector::readings::{State, Trouble};
use crate::device::block::BlockSource;
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

/// Where a filesystem is mounted, the whole of it first.
#[derive(Clone, Debug)]
pub struct Mounted {
    /// Its superblock.
    pub dev: DeviceNumber,
    /// The UUID of the filesystem that its source belongs to, as far as the name tells.
    pub guess: Option<String>,
    /// For each mount what of the filesystem it shows, and where that is found from here.
    pub at: Vec<(PathBuf, PathBuf)>,
}

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
        let question = |one: &Mounted| {
            let (ask, one) = (Arc::clone(&self.ask), one.clone());
            let asks: Question<_> = Box::new(move || tell(ask.as_ref(), &one));
            asks
        };
        let questions = mounted.iter().map(|one| (one.dev, question(one))).collect();
        let answers = self.quick.ask(questions, QUICK, PARALLEL);
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

/// The btrfs filesystems of a mount table, and which of those in sysfs (UUID, devices) each is, by its source.
pub fn mounted(
    table: &MountTable,
    known: &[(&str, &[String])],
    blocks: &BlockSource,
    dm_name: impl Fn(&str) -> Option<String>,
    rooted: impl Fn(&Path) -> PathBuf,
) -> Vec<Mounted> {
    let mut found: BTreeMap<(u32, u32), (Mounted, Vec<&Mount>)> = BTreeMap::new();
    for mount in table.visible().filter(|mount| mount.fstype == "btrfs") {
        let key = (mount.dev.major, mount.dev.minor);
        let (_, mounts) = found.entry(key).or_insert_with(|| {
            let source = device_name(mount.source.as_os_str(), blocks, &dm_name);
            let has = |name: &String| Some(name) == source.as_ref();
            let guess = known.iter().find(|(_, devices)| devices.iter().any(has));
            let one = Mounted {
                dev: mount.dev,
                guess: guess.map(|(uuid, _)| (*uuid).to_owned()),
                at: Vec::new(),
            };
            (one, Vec::new())
        });
        mounts.push(mount);
    }
    let place = |(mut one, mut mounts): (Mounted, Vec<&Mount>)| {
        mounts.sort_by_key(|m| (m.root != Path::new("/"), m.mountpoint.as_os_str().len()));
        let at = |m: &&Mount| (m.root.clone(), rooted(&m.mountpoint));
        one.at = mounts.iter().map(at).collect();
        one
    };
    found.into_values().map(place).collect()
}

/// The kernel name of a device by its node.
pub fn device_name(
    node: &std::ffi::OsStr,
    blocks: &BlockSource,
    dm_name: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let by_name = || {
        let text = node.to_str()?;
        match text.strip_prefix("/dev/mapper/") {
            Some(mapped) => dm_name(mapped),
            None => {
                let name = text.strip_prefix("/dev/")?;
                let folder = blocks
                    .sysfs
                    .join("class/block")
                    .join(name.replace('/', "!"));
                (!name.is_empty() && folder.exists()).then(|| name.to_owned())
            }
        }
    };
    by_name().or_else(|| blocks.name_of_node(Path::new(node)))
}

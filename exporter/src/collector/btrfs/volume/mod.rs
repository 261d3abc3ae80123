//! What takes more than sysfs at a scrape: devices, subvolumes and snapshots, quota groups, scrubs, balances.
//!
//! Asked by ioctls on a mount point, most of which anybody may use; what needs a right that is missing is
//! denied by itself, the rest is read. A filesystem that is not mounted where we can see it is shown as far as
//! sysfs shows it.

mod asking;
mod families;
mod mounts;
mod show;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tidegauge_model::metric::{Family, Labels};
use tidegauge_model::mount::DeviceNumber;

use self::asking::{Asking, StatusFile, Told, of_errno, of_io};
use self::families::{ALL, READINGS};
use self::mounts::{Mounted, device_name, mounted};
use self::show::{DeviceLabels, Scrub};
use super::sheet::Sheet;
use crate::collector::readings::{Readings, Round, State, Trouble};
use crate::collector::{Collector, CollectorSpec, Context, Schedule};
use crate::device::block::BlockSource;
use crate::device::btrfs::devices::{DeviceInfo, devices};
use crate::device::btrfs::qgroups::qgroups;
use crate::device::btrfs::scrub;
use crate::device::btrfs::subvolumes::{Incomplete, Listing};
use crate::device::btrfs::sysfs::{Filesystem, Filesystems};
use crate::device::kernel_file::attribute;
use crate::host::ReadError;
use crate::host::blocks::Blocks;
use crate::host::pass::Pass;
use crate::rights::{Need, Right};
use crate::settings::{Setting, SettingKind, Settings};

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "btrfs_volume",
    help: "devices, subvolumes, quota groups, scrubs and balances of btrfs filesystems",
    source: "/sys/fs/btrfs, ioctls on mount points, /var/lib/btrfs",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[
        Setting {
            key: "interval",
            help: "how long to wait between two readings",
            kind: SettingKind::Duration,
            default: "30s",
        },
        Setting {
            key: "subvolumes",
            help: "how many subvolumes of a filesystem are listed, 1 to 100000",
            kind: SettingKind::Count { most: 100_000 },
            default: "10000",
        },
        Setting {
            key: "snapshot_sources",
            help: "of how many subvolumes of a filesystem the snapshots are shown, the oldest subvolumes first, 1 to 1000",
            kind: SettingKind::Count { most: 1000 },
            default: "50",
        },
        Setting {
            key: "qgroups",
            help: "how many quota groups of a filesystem are shown, those with a limit first, 1 to 10000",
            kind: SettingKind::Count { most: 10_000 },
            default: "100",
        },
    ],
    rights: &[
        Need::new(
            Right::SysAdmin,
            "to see btrfs scrubs and balances under way, and subvolumes that cannot be reached from a mount point",
        ),
        Need::new(
            Right::ReadSearch,
            "to read what btrfs wrote about its last scrub (/var/lib/btrfs)",
        ),
    ],
    families: ALL,
    build,
};

/// The parts of a filesystem's reading that may fail each by itself.
const PARTS: [&str; 5] = ["devices", "subvolumes", "scrub", "scrub_status", "balance"];

/// When a list of subvolumes was made, in the filesystem's own time: transaction and number of commits.
type Moment = (u64, u64);

/// What is kept of a filesystem from one reading to the next.
#[derive(Default)]
struct Known {
    /// Kernel names of its devices, those too that went.
    names: BTreeMap<u64, String>,
    /// Making a new list could wake a disk that sleeps; without a commit it would be the same.
    listing: Option<(Moment, Arc<Listing>)>,
}

struct Volumes {
    filesystems: Filesystems,
    sysfs: PathBuf,
    status_files: PathBuf,
    blocks: BlockSource,
    context: Context,
    asking: Asking,
    readings: Arc<Readings>,
    known: BTreeMap<String, Known>,
    most_subvolumes: usize,
    most_sources: usize,
    most_qgroups: usize,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    let count = |key| settings.count(key).unwrap_or(1);
    Box::new(Volumes {
        filesystems: Filesystems::rarely(&context.sysfs),
        sysfs: context.sysfs.join("fs/btrfs"),
        status_files: context.rooted("/var/lib/btrfs".as_ref()),
        blocks: BlockSource {
            sysfs: context.sysfs.clone(),
            udev: context.udev.clone(),
        },
        asking: Asking::new(Arc::clone(&context.access.btrfs)),
        readings: Arc::clone(&context.memory.readings),
        context: context.clone(),
        known: BTreeMap::new(),
        most_subvolumes: count("subvolumes"),
        most_sources: count("snapshot_sources"),
        most_qgroups: count("qgroups"),
    })
}

/// All that was learnt of one filesystem.
struct Learnt {
    told: Result<Told, Trouble>,
    listing: Result<Arc<Listing>, Trouble>,
    status: Result<Option<(Vec<u8>, SystemTime)>, Trouble>,
}

impl Collector for Volumes {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let found = self.filesystems.read(Instant::now());
        self.known
            .retain(|uuid, _| found.iter().any(|f| f.uuid == *uuid));
        let readings = Arc::clone(&self.readings);
        let mut round = readings.round(&READINGS, SystemTime::now());
        let mut sheet = Sheet::new(ALL);
        if !found.is_empty() {
            let blocks = pass.blocks()?;
            let mut learnt = self.learn(pass, &found, &blocks)?;
            for filesystem in &found {
                if let Some(learnt) = learnt.remove(&filesystem.uuid) {
                    let labels = super::labels(&blocks, filesystem);
                    self.show(&mut sheet, &mut round, filesystem, &labels, &learnt);
                }
            }
        }
        let mut families: Vec<Family> = round.finish().into();
        families.retain(|family| !family.samples.is_empty());
        families.extend(sheet.finish());
        Ok(families)
    }
}

impl Volumes {
    /// Asks all filesystems for all.
    fn learn(
        &mut self,
        pass: &Pass,
        found: &[Filesystem],
        blocks: &Blocks,
    ) -> Result<BTreeMap<String, Learnt>, ReadError> {
        let layout = pass.layout()?;
        let by_dm_name = |name: &str| {
            let mut all = blocks.iter().map(|(_, device)| device);
            Some(all.find(|device| device.dm_name == name)?.name.clone())
        };
        let sets: Vec<(&str, &[String])> = found
            .iter()
            .map(|f| (f.uuid.as_str(), f.devices.as_slice()))
            .collect();
        let rooted = |path: &std::path::Path| self.context.rooted(path);
        let mounted = mounted(&layout.table, &sets, &self.blocks, by_dm_name, rooted);
        let answers = self.asking.quick(&mounted);
        let mut told: BTreeMap<String, (DeviceNumber, Result<Told, Trouble>)> = BTreeMap::new();
        for (Mounted { dev, guess, .. }, answer) in mounted.into_iter().zip(answers) {
            let uuid = answer.as_ref().ok().map(|told| told.uuid.clone()).or(guess);
            if let Some(uuid) = uuid {
                told.insert(uuid, (dev, answer));
            }
        }
        for (uuid, (_, answer)) in &told {
            if let Ok(Told {
                devices: Ok(devices),
                ..
            }) = answer
            {
                let names = &mut self.known.entry(uuid.clone()).or_default().names;
                for device in devices.iter().filter(|device| !device.path.is_empty()) {
                    let node = OsStr::from_bytes(&device.path);
                    if let Some(name) = device_name(node, &self.blocks, by_dm_name) {
                        names.insert(device.id, name);
                    }
                }
            }
        }
        let mut listings = self.list(found, &told);
        let uuids: Vec<String> = found.iter().map(|f| f.uuid.clone()).collect();
        let mut files = self.asking.status_files(&self.status_files, &uuids);
        let mut learn = |uuid: &String| {
            let hidden = "not mounted where the exporter can see it; sysfs shows the rest";
            let told = told.remove(uuid).map_or_else(
                || Err(Trouble::new(State::Unsupported, hidden)),
                |(_, answer)| answer,
            );
            let listing = listings.remove(uuid).unwrap_or_else(|| {
                // Who did not answer the first question was not asked the second.
                Err(told
                    .as_ref()
                    .err()
                    .cloned()
                    .unwrap_or_else(|| Trouble::new(State::Failed, "it was not listed")))
            });
            let status = match &mut files {
                Ok(files) => self.status(uuid, files.remove(uuid)),
                Err(trouble) => Err(trouble.clone()),
            };
            (
                uuid.clone(),
                Learnt {
                    told,
                    listing,
                    status,
                },
            )
        };
        Ok(uuids.iter().map(&mut learn).collect())
    }

    fn status(
        &self,
        uuid: &str,
        file: Option<StatusFile>,
    ) -> Result<Option<(Vec<u8>, SystemTime)>, Trouble> {
        let path = self.status_files.join(format!("scrub.status.{uuid}"));
        file.unwrap_or(Ok(None))
            .map_err(|error| of_io(&error, &path))
    }

    /// Lists the subvolumes of those that answered, where something was committed since the last time.
    fn list(
        &mut self,
        found: &[Filesystem],
        told: &BTreeMap<String, (DeviceNumber, Result<Told, Trouble>)>,
    ) -> BTreeMap<String, Result<Arc<Listing>, Trouble>> {
        let mut listings = BTreeMap::new();
        let (mut wanted, mut moments) = (Vec::new(), Vec::new());
        for filesystem in found {
            let uuid = &filesystem.uuid;
            let Some((dev, Ok(answer))) = told.get(uuid) else {
                continue;
            };
            let generation = attribute(&self.sysfs.join(uuid).join("generation"));
            let generation = generation.and_then(|text| text.parse::<u64>().ok());
            let commits = filesystem.commits.map(|stats| stats.commits);
            let moment: Option<Moment> = generation.zip(commits);
            let known = self
                .known
                .get(uuid)
                .and_then(|known| known.listing.as_ref());
            match known {
                Some((at, listing)) if Some(*at) == moment => {
                    listings.insert(uuid.clone(), Ok(Arc::clone(listing)));
                }
                _ => {
                    wanted.push((*dev, uuid.clone(), answer.by.clone()));
                    moments.push((uuid.clone(), moment));
                }
            }
        }
        let answers = self.asking.listings(wanted, self.most_subvolumes);
        for ((uuid, moment), answer) in moments.into_iter().zip(answers) {
            let answer = answer.map(Arc::new);
            let known = self.known.entry(uuid.clone()).or_default();
            known.listing = moment.zip(answer.as_ref().ok().cloned());
            listings.insert(uuid, answer);
        }
        listings
    }

    fn show(
        &self,
        sheet: &mut Sheet,
        round: &mut Round<'_>,
        filesystem: &Filesystem,
        labels: &Labels,
        learnt: &Learnt,
    ) {
        let folder = self.sysfs.join(&filesystem.uuid);
        let infos = devices(&folder);
        let told = learnt.told.as_ref().map_err(Clone::clone);
        let of_devices =
            self.device_labels(filesystem, labels, &infos, told.as_ref().ok().copied());
        show::devices(sheet, &of_devices, &infos);
        let asked = told.clone().and_then(|told| {
            let devices = told.devices.as_ref();
            devices.map_err(|error| of_errno(*error, "BTRFS_IOC_DEV_INFO"))
        });
        if let Ok(devices) = &asked {
            show::allocation(
                sheet,
                labels,
                &of_devices,
                (devices, &infos),
                &filesystem.spaces,
            );
        }
        if let Some(groups) = qgroups(&folder, self.most_qgroups) {
            show::qgroups(sheet, labels, &groups);
        }
        if let Ok(listing) = &learnt.listing {
            show::subvolumes(sheet, labels, listing, self.most_sources);
        }
        let running = told.clone().and_then(|told| {
            let scrubs = told.scrubs.as_ref();
            scrubs.map_err(|error| of_errno(*error, "BTRFS_IOC_SCRUB_PROGRESS"))
        });
        let (file, status) = match &learnt.status {
            Ok(Some((content, _))) => {
                let (file, wrong) = scrub::parse(content, &filesystem.uuid);
                let status = wrong.map_or(Ok(()), |e| Err(Trouble::new(State::Failed, e)));
                (Some(file), status)
            }
            Ok(None) => (Some(BTreeMap::new()), Ok(())),
            Err(trouble) => (None, Err(trouble.clone())),
        };
        let written = learnt.status.as_ref().ok().and_then(Option::as_ref);
        let scrub = Scrub {
            // A file of which nothing could be read does not say that there never was a scrub.
            file: file
                .as_ref()
                .filter(|file| status.is_ok() || !file.is_empty()),
            written: written.map(|(_, at)| *at),
            running: running.as_ref().ok().copied(),
        };
        scrub.show(sheet, labels, &of_devices);
        let balance = told.and_then(|told| {
            let balance = told.balance;
            balance.map_err(|error| of_errno(error, "BTRFS_IOC_BALANCE_PROGRESS"))
        });
        let operation = filesystem.operation;
        show::balance(sheet, labels, balance.as_ref().ok().copied(), operation);

        let listed = learnt.listing.as_ref().map_err(Clone::clone);
        let listed = listed.and_then(|listing| match listing.incomplete {
            Some(Incomplete::Rights) => Err(Trouble::new(
                State::Denied,
                "some subvolumes cannot be reached from its mount points; CAP_SYS_ADMIN lets all be listed",
            )),
            _ => Ok(()),
        });
        let results = [
            asked.map(|_| ()),
            listed,
            running.map(|_| ()),
            status,
            balance.map(|_| ()),
        ];
        for (part, result) in PARTS.into_iter().zip(results) {
            let key = format!("{} {part}", filesystem.uuid);
            round.tell(&key, &labels.with("part", part), result);
        }
    }

    /// Labels of all devices that sysfs or the kernel knows.
    fn device_labels(
        &self,
        filesystem: &Filesystem,
        labels: &Labels,
        infos: &[DeviceInfo],
        told: Option<&Told>,
    ) -> DeviceLabels {
        let names = self.known.get(&filesystem.uuid).map(|known| &known.names);
        let name = |id: u64| match names.and_then(|names| names.get(&id)) {
            Some(name) => name.as_str(),
            // Where there is but one, nobody needs to be asked.
            None => match (infos, &filesystem.devices[..]) {
                ([_], [name]) => name,
                _ => "",
            },
        };
        let asked = told.and_then(|told| told.devices.as_ref().ok());
        let asked = asked.into_iter().flatten().map(|device| device.id);
        let ids = infos.iter().map(|info| info.id).chain(asked);
        let label = |id: u64| {
            let labels = labels.with("devid", &id.to_string());
            (id, labels.with("device", name(id)))
        };
        ids.map(label).collect()
    }
}

//! Software RAID arrays (md): whether they run, are whole, are being repaired, and how far.

mod array;
mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{Family, Labels};

use self::array::Seen;
use self::families::Out;
use super::readings::{ReadingFamilies, Readings, State, Trouble, reading_families};
use super::table::join;
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::isolate::{Answer, Isolated, Question};
use crate::device::{md, mdstat};
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::settings::Settings;

static READINGS: ReadingFamilies = reading_families!("md", "device");

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "md",
    help: "state, members and repair of software RAID arrays",
    source: "/proc/mdstat, /sys/class/block/md*/md",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[],
    rights: &[],
    families: &join::<23>(&[
        &families::ALL,
        &[&READINGS.state, &READINGS.last, &READINGS.failures],
    ]),
    build,
};

/// A scrape waits this long for `/proc/mdstat`.
const PATIENCE: Duration = Duration::from_millis(100);
/// A hundred arrays take 30 kB.
const MOST: u64 = 1 << 20;

struct Md {
    mdstat: PathBuf,
    sysfs: PathBuf,
    readings: Arc<Readings>,
    /// Reading the file waits for a mutex that is held while a bitmap is written (since Linux 6.12, and in updates of
    /// older ones): a member that hangs must not hold up the scrape.
    isolated: Isolated<()>,
}

fn build(context: &Context, _: &Settings) -> Box<dyn Collector> {
    Box::new(Md {
        mdstat: context.procfs.join("mdstat"),
        sysfs: context.sysfs.join("class/block"),
        readings: Arc::clone(&context.memory.readings),
        isolated: Isolated::default(),
    })
}

impl Md {
    /// The arrays of mdstat; `None` when it is not there, an error when it does not answer.
    fn overview(&mut self) -> Result<Option<Vec<mdstat::Array>>, Trouble> {
        let path = self.mdstat.clone();
        let question: Question<io::Result<Vec<mdstat::Array>>> =
            Box::new(move || read_bounded(&path).map(|text| mdstat::parse(&text)));
        let mut answers = self.isolated.ask(vec![((), question)], PATIENCE, 1);
        let path = self.mdstat.display();
        match answers.pop().map(|(_, answer)| answer) {
            Some(Answer::Answered(Ok(arrays))) => Ok(Some(arrays)),
            Some(Answer::Answered(Err(error))) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Some(Answer::Answered(Err(error))) => {
                let reason = format!("cannot read {path}: {error}; see the kernel's log");
                Err(Trouble::new(State::Failed, reason))
            }
            Some(Answer::Late(_)) | None => {
                let reason = format!(
                    "{path} does not answer; a member of an array may hang: see the kernel's log. What sysfs tells is shown"
                );
                Err(Trouble::new(State::Late, reason))
            }
            Some(Answer::Lost(reason)) => Err(Trouble::new(State::Failed, reason)),
        }
    }

    /// The arrays of sysfs.
    fn details(&self) -> BTreeMap<String, md::Array> {
        let Ok(entries) = std::fs::read_dir(&self.sysfs) else {
            return BTreeMap::new();
        };
        let named = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let array = name
                .starts_with("md")
                .then(|| md::read(&entry.path()))
                .flatten()?;
            Some((name, array))
        });
        named.collect()
    }
}

impl Collector for Md {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let (overview, trouble) = match self.overview() {
            Ok(Some(arrays)) => (arrays, None),
            // The kernel has no md, or has it as a module that nothing needed yet.
            Ok(None) => (Vec::new(), None),
            Err(trouble) => (Vec::new(), Some(trouble)),
        };
        let overview: BTreeMap<&str, &mdstat::Array> = overview
            .iter()
            .map(|array| (array.name.as_str(), array))
            .collect();
        let mut details = self.details();
        // A node that somebody opened makes an array of nothing, which mdstat does not list.
        details.retain(|name, array| {
            overview.contains_key(name.as_str()) || array.state.as_deref() != Some("clear")
        });
        let names: BTreeSet<&str> = overview
            .keys()
            .copied()
            .chain(details.keys().map(String::as_str))
            .collect();
        let mut round = self.readings.round(&READINGS, SystemTime::now());
        let mut out = Out::new();
        if !names.is_empty() {
            let blocks = pass.blocks()?;
            for name in names {
                let seen = Seen {
                    sysfs: details.get(name),
                    mdstat: overview.get(name).copied(),
                };
                // One that does not run serves no tier itself; its members may.
                let members = seen.sysfs.map(|array| array.members.iter());
                let members = members.into_iter().flatten().map(|m| m.name.as_str());
                let tier = match blocks.tier(name) {
                    "" => blocks.hottest(members),
                    tier => tier,
                };
                let labels = Labels::new(&[("tier", tier), ("device", name)]);
                out.array(&seen, &labels);
                round.tell(name, &labels, trouble.clone().map_or(Ok(()), Err));
            }
        }
        let mut families = out.into_families();
        families.extend(round.finish());
        families.retain(|family| !family.samples.is_empty());
        Ok(families)
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::block::BlockSource;
    use crate::device::probe::{Timing, ask_kernel};
    use crate::host::storage::Storage;
    use std::fs;
    use std::os::unix::fs::OpenOptionsExt;
    use tidegauge_model::metric::FamilySpec;

    #[test]
    fn an_overview_that_hangs_leaves_what_sysfs_tells() {
        let host = tempfile::tempdir().unwrap();
        let (proc, sys) = (host.path().join("proc"), host.path().join("sys"));
        let array = sys.join("class/block/md0/md");
        fs::create_dir_all(array.join("dev-sda")).unwrap();
        fs::create_dir_all(proc.join("1")).unwrap();
        for (file, text) in [
            ("array_state", "clean"),
            ("level", "raid1"),
            ("raid_disks", "2"),
            ("degraded", "1"),
            ("dev-sda/state", "in_sync"),
            ("dev-sda/slot", "0"),
        ] {
            fs::write(array.join(file), text).unwrap();
        }
        fs::write(
            proc.join("1/mountinfo"),
            "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
        )
        .unwrap();
        // Nobody writes to the pipe: opening it waits for ever.
        let pipe = proc.join("mdstat");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let storage = Storage::new(
            Arc::from([]),
            Settings::defaults(&[]),
            BlockSource {
                sysfs: sys.clone(),
                udev: host.path().join("udev"),
            },
            [&proc, Path::new("/")],
            Timing::default(),
            Box::new(ask_kernel),
        );
        let pass = Pass::new(Arc::new(storage));
        let mut md = Md {
            mdstat: pipe.clone(),
            sysfs: sys.join("class/block"),
            readings: Arc::default(),
            isolated: Isolated::default(),
        };
        for _ in 0..2 {
            let told = md.collect(&pass).unwrap();
            let value = |spec: &FamilySpec, end: &str| {
                let family = told.iter().find(|family| family.spec == spec)?;
                let mut samples = family.samples.iter();
                let found = samples.find(|sample| sample.labels.rendered().ends_with(end))?;
                Some(found.value.as_f64())
            };
            assert_eq!(value(&families::DEGRADED, "device=\"md0\""), Some(1.0));
            assert_eq!(value(&families::DISKS, "state=\"missing\""), Some(1.0));
            assert_eq!(value(&READINGS.state, "state=\"late\""), Some(1.0));
        }
        // The thread that waits ends.
        fs::OpenOptions::new()
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().try_into().unwrap())
            .open(&pipe)
            .unwrap();
    }
}

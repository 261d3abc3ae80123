//! What a btrfs filesystem answered, by the fixture's `btrfs`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tidegauge_exporter::device::btrfs::ask::{Ask, Volume};
use tidegauge_exporter::device::btrfs::subvolumes::Listing;
use tidegauge_ioctl::btrfs::{BalanceProgress, Device, Filesystem, ScrubProgress, SubvolumeInfo};

/// Answers with what is recorded, at the mount point that was.
pub struct Recorded {
    /// The fixture of the host.
    pub host: PathBuf,
}

impl Ask for Recorded {
    fn open(&self, mountpoint: &Path) -> io::Result<Box<dyn Volume>> {
        let text = std::fs::read_to_string(self.host.join("btrfs"))?;
        let lines: HashMap<String, Vec<Vec<String>>> =
            text.lines().fold(HashMap::new(), |mut all, line| {
                let mut words = line.split(' ').map(str::to_owned);
                let key = words.next().unwrap();
                all.entry(key).or_default().push(words.collect());
                all
            });
        let mount = Path::new(&lines["mount"][0][0]);
        if mountpoint
            != self
                .host
                .join("root")
                .join(mount.strip_prefix("/").unwrap())
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Box::new(Lines(lines)))
    }
}

struct Lines(HashMap<String, Vec<Vec<String>>>);

fn number(word: &str) -> u64 {
    word.parse().unwrap()
}

impl Volume for Lines {
    fn filesystem(&self) -> Result<Filesystem, Errno> {
        let digits = self.0["fsid"][0][0].replace('-', "");
        let byte = |n: usize| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap();
        Ok(Filesystem {
            id: std::array::from_fn(byte),
            highest_device: 2,
            devices: 2,
        })
    }

    fn devices(&self, _: &Filesystem) -> Result<Vec<Device>, Errno> {
        let device = |words: &Vec<String>| Device {
            id: number(&words[0]),
            size: number(&words[1]),
            allocated: number(&words[2]),
            path: words[3].clone().into_bytes(),
        };
        Ok(self.0["device"].iter().map(device).collect())
    }

    fn scrub(&self, _: u64) -> Result<Option<ScrubProgress>, Errno> {
        Err(Errno::PERM)
    }

    fn balance(&self) -> Result<Option<BalanceProgress>, Errno> {
        let words = &self.0["balance"][0];
        Ok(Some(BalanceProgress {
            is_running: false,
            expected: number(&words[0]),
            considered: number(&words[1]),
            completed: number(&words[2]),
        }))
    }

    fn subvolumes(&self, root: &Path, _: usize) -> Result<Listing, Errno> {
        assert_eq!(root, Path::new("/"));
        let mut listing = Listing::default();
        for words in &self.0["subvolume"] {
            let uuid = |word: &str| [u8::try_from(number(word)).unwrap(); 16];
            let id = number(&words[0]);
            let one = SubvolumeInfo {
                id,
                uuid: uuid(&words[1]),
                snapshot_of: uuid(&words[2]),
                received_from: uuid(&words[3]),
                created: number(&words[4]),
                ..SubvolumeInfo::default()
            };
            listing.subvolumes.insert(id, one);
            if words[5] != "-" {
                listing.paths.insert(id, words[5].clone());
            }
        }
        Ok(listing)
    }
}

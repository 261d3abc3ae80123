//! What `btrfs scrub` wrote about the last scrub: `/var/lib/btrfs/scrub.status.<uuid>`.
//!
//! A line `scrub status:1`, then one for each device: `uuid:number|key:value|…`. While a scrub runs the tool
//! writes it anew every five seconds; the kernel keeps nothing of a scrub that ended.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;
use tidegauge_ioctl::btrfs::ScrubProgress;

/// The tool writes the file at least this often while a scrub runs, on a busy host too.
pub const WRITTEN_EVERY: Duration = Duration::from_secs(60);
/// More devices than a filesystem has.
const MOST_DEVICES: usize = 4096;

/// The file is not what this version of the tool writes.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScrubFileError {
    /// Another version, or something else.
    #[error("it begins with `{0}`, which is not the status of a scrub in a known version")]
    Header(String),
    /// A line that says nothing.
    #[error("line {0} is not the scrub of a device")]
    Line(usize),
    /// Far too many.
    #[error("it lists more than {MOST_DEVICES} devices")]
    TooMany,
}

/// The last scrub of one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceScrub {
    /// What it has found.
    pub progress: ScrubProgress,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// When it was resumed, in seconds since 1970; 0 for never.
    pub resumed: u64,
    /// How many seconds it has run.
    pub duration: u64,
    /// Whether it was cancelled.
    pub canceled: bool,
    /// Whether it went to the end.
    pub finished: bool,
}

impl DeviceScrub {
    /// When it ended or was last seen to run, in seconds since 1970. The tool does not write the end itself;
    /// of one that was resumed the duration includes what came before, so that the end is at most this.
    pub fn ended(&self) -> u64 {
        self.started.max(self.resumed).saturating_add(self.duration)
    }
}

/// The state of the last scrub of a filesystem, over all of its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubState {
    /// Nothing is known of any.
    Never,
    /// It runs.
    Running,
    /// It went to the end on every device.
    Finished,
    /// Somebody cancelled it.
    Aborted,
    /// It did not go to the end, and does not run: a crash, a reboot, an unmount.
    Interrupted,
}

impl ScrubState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Never,
        Self::Running,
        Self::Finished,
        Self::Aborted,
        Self::Interrupted,
    ];

    /// As `btrfs scrub status` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
            Self::Interrupted => "interrupted",
        }
    }

    /// From what is in the file, and whether the kernel says that one runs (`None`: it was not asked).
    /// `written` is how long ago the file was written.
    pub fn of(
        devices: &BTreeMap<u64, DeviceScrub>,
        runs: Option<bool>,
        written: Option<Duration>,
    ) -> Self {
        if runs == Some(true) {
            return Self::Running;
        }
        if devices.is_empty() {
            return Self::Never;
        }
        if devices.values().any(|device| device.canceled) {
            return Self::Aborted;
        }
        if devices.values().all(|device| device.finished) {
            return Self::Finished;
        }
        // The kernel is done a moment before the tool has written so.
        match written {
            Some(ago) if ago < WRITTEN_EVERY => Self::Running,
            _ => Self::Interrupted,
        }
    }
}

/// Reads the content of the file: devices of the filesystem `uuid` by their numbers, and the first thing wrong
/// with it. A bad line does not hide the others.
pub fn parse(content: &[u8], uuid: &str) -> (BTreeMap<u64, DeviceScrub>, Option<ScrubFileError>) {
    let text = String::from_utf8_lossy(content);
    let mut devices = BTreeMap::new();
    let mut wrong = None;
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    if header != "scrub status:1" {
        let start = header.chars().take(40).flat_map(char::escape_debug);
        return (devices, Some(ScrubFileError::Header(start.collect())));
    }
    for (index, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
        match device(line) {
            Some((of, _, _)) if of != uuid => {}
            Some(_) if devices.len() >= MOST_DEVICES => {
                return (devices, Some(ScrubFileError::TooMany));
            }
            Some((_, id, scrub)) => {
                devices.insert(id, scrub);
            }
            None => {
                wrong.get_or_insert(ScrubFileError::Line(index + 2));
            }
        }
    }
    (devices, wrong)
}

fn device(line: &str) -> Option<(&str, u64, DeviceScrub)> {
    let mut fields = line.split('|');
    let (uuid, id) = fields.next()?.split_once(':')?;
    let mut scrub = DeviceScrub::default();
    let mut known = 0;
    for field in fields {
        let (key, value) = field.split_once(':')?;
        let value = super::number(value)?;
        let progress = &mut scrub.progress;
        let place = match key {
            "data_extents_scrubbed" => &mut progress.data_extents_scrubbed,
            "tree_extents_scrubbed" => &mut progress.tree_extents_scrubbed,
            "data_bytes_scrubbed" => &mut progress.data_bytes_scrubbed,
            "tree_bytes_scrubbed" => &mut progress.tree_bytes_scrubbed,
            "read_errors" => &mut progress.read_errors,
            "csum_errors" => &mut progress.csum_errors,
            "verify_errors" => &mut progress.verify_errors,
            "no_csum" => &mut progress.no_csum,
            "csum_discards" => &mut progress.csum_discards,
            "super_errors" => &mut progress.super_errors,
            "malloc_errors" => &mut progress.malloc_errors,
            "uncorrectable_errors" => &mut progress.uncorrectable_errors,
            "corrected_errors" => &mut progress.corrected_errors,
            "unverified_errors" => &mut progress.unverified_errors,
            "last_physical" => &mut progress.last_physical,
            "t_start" => &mut scrub.started,
            "t_resumed" => &mut scrub.resumed,
            "duration" => &mut scrub.duration,
            "canceled" => {
                scrub.canceled = value != 0;
                continue;
            }
            "finished" => {
                scrub.finished = value != 0;
                known += 1;
                continue;
            }
            // A newer version of the tool may write more.
            _ => continue,
        };
        *place = value;
        known += usize::from(key == "t_start");
    }
    // Without these two it says nothing of when and whether; a line that was cut off is none.
    (known >= 2).then_some((uuid, super::number(id)?, scrub))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: &str = "7ec7a25d-0561-4162-9497-78762d154e5f";
    const LINE: &str = "7ec7a25d-0561-4162-9497-78762d154e5f:1|data_extents_scrubbed:800|tree_extents_scrubbed:17|data_bytes_scrubbed:52428800|tree_bytes_scrubbed:278528|read_errors:1|csum_errors:2|verify_errors:3|no_csum:4|csum_discards:5|super_errors:6|malloc_errors:7|uncorrectable_errors:8|corrected_errors:9|last_physical:190185472|t_start:1795564514|t_resumed:0|duration:60|canceled:0|finished:1";

    #[test]
    fn a_finished_scrub() {
        let file = format!("scrub status:1\n{LINE}\n");
        let (devices, wrong) = parse(file.as_bytes(), UUID);
        assert_eq!(wrong, None);
        let scrub = devices[&1];
        let p = scrub.progress;
        assert_eq!(
            (p.data_bytes_scrubbed, p.tree_bytes_scrubbed),
            (52_428_800, 278_528)
        );
        assert_eq!((p.read_errors, p.csum_errors, p.verify_errors), (1, 2, 3));
        assert_eq!(
            (p.super_errors, p.uncorrectable_errors, p.corrected_errors),
            (6, 8, 9)
        );
        assert_eq!(scrub.ended(), 1_795_564_574);
        assert!(scrub.finished && !scrub.canceled);
        assert_eq!(
            ScrubState::of(&devices, Some(false), None),
            ScrubState::Finished
        );
        assert_eq!(
            ScrubState::of(&devices, Some(true), None),
            ScrubState::Running
        );
    }

    #[test]
    fn a_bad_line_does_not_hide_the_others() {
        let other = LINE.replace(":1|data", ":2|data");
        let cut = &LINE[..LINE.len() - 12];
        let elsewhere = LINE.replace("7ec7", "0000");
        let file = format!("scrub status:1\nx\n{other}\n{cut}\n{elsewhere}\n");
        let (devices, wrong) = parse(file.as_bytes(), UUID);
        assert_eq!(devices.keys().copied().collect::<Vec<_>>(), [2]);
        assert_eq!(wrong, Some(ScrubFileError::Line(2)));
    }

    #[test]
    fn what_is_no_status() {
        for content in ["", "scrub status:2\n", "\0\0\0", "scrub status:1x\n"] {
            let (devices, wrong) = parse(content.as_bytes(), UUID);
            assert!(devices.is_empty());
            assert!(
                matches!(wrong, Some(ScrubFileError::Header(_))),
                "{content}"
            );
        }
        assert_eq!(parse(b"scrub status:1\n", UUID), (BTreeMap::new(), None));
    }

    #[test]
    fn states_of_a_scrub_that_did_not_finish() {
        let device = |canceled, finished| DeviceScrub {
            canceled,
            finished,
            ..DeviceScrub::default()
        };
        let of = |first, second| BTreeMap::from([(1, first), (2, second)]);
        let half = of(device(false, true), device(false, false));
        let (now, long) = (Some(Duration::ZERO), Some(WRITTEN_EVERY));
        let state = ScrubState::of;
        assert_eq!(state(&half, Some(false), long), ScrubState::Interrupted);
        assert_eq!(state(&half, Some(false), now), ScrubState::Running);
        assert_eq!(state(&half, None, now), ScrubState::Running);
        assert_eq!(state(&half, None, long), ScrubState::Interrupted);
        let aborted = of(device(false, true), device(true, false));
        assert_eq!(state(&aborted, Some(false), now), ScrubState::Aborted);
        assert_eq!(state(&BTreeMap::new(), None, None), ScrubState::Never);
    }

    proptest! {
        #[test]
        fn any_bytes(content: Vec<u8>) {
            let (devices, wrong) = parse(&content, UUID);
            prop_assert!(devices.is_empty());
            prop_assert!(wrong.is_some());
        }

        #[test]
        fn any_cut_of_a_good_file(at in 0..LINE.len()) {
            let file = format!("scrub status:1\n{}", &LINE[..at]);
            let (devices, wrong) = parse(file.as_bytes(), UUID);
            prop_assert!(devices.is_empty());
            prop_assert!(wrong.is_some() || at == 0);
        }

        #[test]
        fn any_fields(fields in prop::collection::vec("[a-z_]{0,12}:[0-9]{0,25}", 0..30)) {
            let file = format!("scrub status:1\n{UUID}:1|{}\n", fields.join("|"));
            parse(file.as_bytes(), UUID);
        }
    }
}

//! Files that are cut, damaged, or of another version.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A folder with a snapshot and a log after it, and what it holds after each record of the log.
struct Kept {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    /// The first is that of the snapshot.
    states: Vec<Content>,
}

fn round(window: &Window, clock: &TestClock, number: u32) {
    let time = clock.advance(15 * SECOND);
    let batch: Vec<_> = (0..5)
        .map(|series| {
            let value = f64::from(number % (series + 1)) * 1.5;
            (labels("m", series as usize), Sample { time, value })
        })
        .collect();
    assert_eq!(window.append(&batch).added, 5);
}

fn kept() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let (window, _) = Window::open(folder.path(), roomy(HOUR), vec![], clock.clone());
    for number in 0..4 {
        round(&window, &clock, number);
    }
    // The first maintenance takes a snapshot.
    window.maintain();
    let mut states = vec![content(&window)];
    for number in 4..9 {
        round(&window, &clock, number);
        window.maintain();
        states.push(content(&window));
    }
    Kept {
        folder,
        clock,
        states,
    }
}

impl Kept {
    fn file(&self, ending: &str) -> PathBuf {
        let mut found: Vec<PathBuf> = self
            .names()
            .into_iter()
            .filter(|name| name.ends_with(ending))
            .map(|name| self.folder.path().join(name))
            .collect();
        assert_eq!(found.len(), 1, "{ending}: {:?}", self.names());
        found.remove(0)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn open(&self) -> (Window, Restored) {
        Window::open(self.folder.path(), roomy(HOUR), vec![], self.clock.clone())
    }

    /// A copy with another content of one file.
    fn with(&self, path: &Path, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in self.names() {
            fs::copy(self.folder.path().join(&name), folder.path().join(&name)).unwrap();
        }
        fs::write(folder.path().join(path.file_name().unwrap()), bytes).unwrap();
        Self {
            folder,
            clock: self.clock.clone(),
            states: self.states.clone(),
        }
    }
}

fn is_subset(part: &Content, whole: &Content) -> bool {
    part.iter().all(|(labels, samples)| {
        let all = whole.get(labels).map_or(&[][..], Vec::as_slice);
        samples.iter().all(|sample| all.contains(sample))
    })
}

#[test]
fn a_log_cut_at_any_byte() {
    let kept = kept();
    let log = kept.file(".log");
    let bytes = fs::read(&log).unwrap();
    let mut seen = 0;
    for length in 0..=bytes.len() {
        let cut = kept.with(&log, &bytes[..length]);
        let (window, restored) = cut.open();
        assert_eq!(restored.problems, Vec::<String>::new(), "at byte {length}");
        let content = content(&window);
        let state = kept.states.iter().position(|state| *state == content);
        let state = state.unwrap_or_else(|| panic!("at byte {length}: {content:?}"));
        assert!(state == seen || state == seen + 1, "at byte {length}");
        // The first record tells only which series there are.
        assert_eq!(restored.log_records.saturating_sub(1), state as u64);
        seen = state;
    }
    assert_eq!(seen, kept.states.len() - 1);
}

/// After a power cut a file may end in zeros.
#[test]
fn zeros_at_the_end_of_a_log() {
    let kept = kept();
    let log = kept.file(".log");
    let bytes = fs::read(&log).unwrap();
    for zeros in [1, 11, 12, 500, 5_000, 10_000] {
        let longer = [bytes.as_slice(), &vec![0; zeros]].concat();
        let (window, restored) = kept.with(&log, &longer).open();
        assert_eq!(restored.problems, Vec::<String>::new());
        assert_eq!(restored.torn_bytes, zeros as u64);
        assert_eq!(Some(&content(&window)), kept.states.last());
    }
}

#[test]
fn a_snapshot_cut_at_any_byte() {
    let kept = kept();
    let snapshot = kept.file(".snapshot");
    let bytes = fs::read(&snapshot).unwrap();
    for length in 0..bytes.len() {
        let cut = kept.with(&snapshot, &bytes[..length]);
        let (window, restored) = cut.open();
        assert_eq!(restored.problems.len(), 1, "at byte {length}");
        let back = content(&window);
        assert!(is_subset(&back, kept.states.last().unwrap()));
        // The log is there.
        assert_eq!(back.len(), 5);
        window.maintain();
        let names = cut.names();
        assert!(
            names.iter().any(|name| name.contains(".snapshot.corrupt-")),
            "{names:?}"
        );
        drop(window);
        let (window, restored) = cut.open();
        assert_eq!(restored.problems, Vec::<String>::new());
        assert_eq!(content(&window), back);
    }
}

proptest! {
    #[test]
    fn flipped_bits(in_log: bool, flips in proptest::collection::vec((any::<Index>(), 0u8..8), 1..4)) {
        let kept = kept();
        let path = kept.file(if in_log { ".log" } else { ".snapshot" });
        let mut bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        for (at, bit) in &flips {
            bytes[at.index(length)] ^= 1 << bit;
        }
        let damaged = kept.with(&path, &bytes);
        let (window, restored) = damaged.open();
        let back = content(&window);
        prop_assert!(is_subset(&back, kept.states.last().unwrap()), "something was invented");
        if &back != kept.states.last().unwrap() {
            prop_assert!(!restored.problems.is_empty() || restored.torn_bytes > 0 || in_log);
        }
        check_weight(&window);
        window.maintain();
        let aside = damaged.names().iter().any(|n| n.contains(".corrupt-") || n.contains(".version-"));
        prop_assert_eq!(aside, !restored.problems.is_empty());
        drop(window);
        let (window, restored) = damaged.open();
        prop_assert_eq!(restored.problems, Vec::<String>::new());
        prop_assert_eq!(content(&window), back);
    }

    #[test]
    fn any_bytes_for_files(snapshot: Vec<u8>, log: Vec<u8>, real_start: bool) {
        let kept = kept();
        for (ending, rest) in [(".snapshot", &snapshot), (".log", &log)] {
            let path = kept.file(ending);
            let mut bytes = fs::read(&path).unwrap();
            bytes.truncate(if real_start { 32 } else { 0 });
            bytes.extend_from_slice(rest);
            fs::write(path, bytes).unwrap();
        }
        let (window, _) = kept.open();
        window.maintain();
        check_weight(&window);
    }
}

#[test]
fn another_version_is_set_aside() {
    let kept = kept();
    for ending in [".log", ".snapshot"] {
        let path = kept.file(ending);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] = 9;
        let other = kept.with(&path, &bytes);
        let (window, restored) = other.open();
        assert!(restored.problems[0].contains("version 9"), "{restored:?}");
        window.maintain();
        let name = path.file_name().unwrap().to_str().unwrap();
        let aside = format!("{name}.version-9-");
        assert!(other.names().iter().any(|name| name.starts_with(&aside)));
    }
}

#[test]
fn what_is_set_aside_does_not_pile_up() {
    let kept = kept();
    for _ in 0..9 {
        let mut bytes = fs::read(kept.file(".snapshot")).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(kept.file(".snapshot"), bytes).unwrap();
        let (window, restored) = kept.open();
        assert_eq!(restored.problems.len(), 1);
        window.maintain();
    }
    let aside = kept
        .names()
        .iter()
        .filter(|n| n.contains(".corrupt-"))
        .count();
    assert_eq!(aside, 4);
}

#[test]
fn a_second_process_leaves_the_files_alone() {
    let kept = kept();
    let (first, _) = kept.open();
    let (second, restored) = kept.open();
    assert!(
        restored.problems[0].contains("another tidegauge"),
        "{restored:?}"
    );
    round(&second, &kept.clock, 50);
    second.maintain();
    assert!(!second.stats().disk.unwrap().healthy);
    round(&first, &kept.clock, 51);
    first.maintain();
    let before = content(&first);
    drop((first, second));
    let (window, _) = kept.open();
    assert_eq!(content(&window), before);
}

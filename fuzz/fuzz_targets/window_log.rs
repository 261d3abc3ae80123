//! The window's snapshot and log, with checksums that are right.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tidegauge_alerts::clock::Clock;
use tidegauge_alerts::window::{Settings, Window};
use tidegauge_promql::{Labels, Samples, Storage, Timestamp};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        1_790_000_000_000
    }
}

fn sealed(magic: &[u8; 8], records: &[&[u8]]) -> Vec<u8> {
    let mut file = magic.to_vec();
    file.extend(1u32.to_le_bytes());
    file.extend(1u64.to_le_bytes());
    file.extend(1_790_000_000_000i64.to_le_bytes());
    file.extend(crc32fast::hash(&file).to_le_bytes());
    for record in records {
        let mut head = (record.len() as u32).to_le_bytes().to_vec();
        head.extend(crc32fast::hash(record).to_le_bytes());
        head.extend(crc32fast::hash(&head).to_le_bytes());
        file.extend(head);
        file.extend(*record);
    }
    file
}

fn content(window: &Window) -> BTreeMap<Labels, Vec<(Timestamp, u64)>> {
    let all = window.select(&[], Timestamp::MIN, Timestamp::MAX).unwrap();
    let read = |series: &Arc<dyn tidegauge_promql::Series>| {
        let mut samples = Samples::default();
        series.read(Timestamp::MIN, Timestamp::MAX, &mut samples);
        assert!(samples.times.is_sorted_by(|a, b| a < b));
        assert_eq!(
            series.last(Timestamp::MIN, Timestamp::MAX).map(|s| s.time),
            samples.last().map(|s| s.time)
        );
        let samples = samples.iter().map(|s| (s.time, s.value.to_bits()));
        (series.labels().clone(), samples.collect())
    };
    all.iter().map(read).collect()
}

fuzz_target!(|input: &[u8]| {
    // Records, each after two bytes of length, the first of which also says whose it is.
    let (mut rest, mut records) = (input, [Vec::new(), Vec::new()]);
    while let Some((&[high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(high & 0x7F) << 8 | usize::from(low);
        let (record, after) = after.split_at(length.min(after.len()));
        records[usize::from(high >> 7)].push(record);
        rest = after;
    }
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    fs::write(
        folder.path().join("00000001.snapshot"),
        sealed(b"TGWINSNP", &records[0]),
    )
    .unwrap();
    fs::write(
        folder.path().join("00000001.log"),
        sealed(b"TGWINLOG", &records[1]),
    )
    .unwrap();
    let settings = Settings {
        retention: Duration::from_secs(u64::MAX >> 11),
        ..Settings::default()
    };
    let open = || Window::open(folder.path(), settings, vec![], Arc::new(Fixed));
    let (window, _) = open();
    let before = content(&window);
    window.maintain();
    drop(window);
    let (window, restored) = open();
    assert_eq!(restored.problems, Vec::<String>::new());
    let after = content(&window);
    // What is too old to be kept is gone, and what is of a time that the clock came back from.
    for (labels, samples) in after {
        let mut parts = before[&labels].windows(samples.len());
        assert!(parts.any(|part| part == samples));
    }
});

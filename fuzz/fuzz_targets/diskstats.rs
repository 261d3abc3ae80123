//! `/proc/diskstats`: what is read is what a line written from it reads as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::diskstats::{DiskStats, parse};

fn write(disk: &DiskStats<'_>) -> String {
    let c = disk.counters;
    let mut numbers = vec![
        c.reads,
        c.reads_merged,
        c.sectors_read,
        c.read_ms,
        c.writes,
        c.writes_merged,
        c.sectors_written,
        c.write_ms,
        c.in_flight,
        c.io_ms,
        c.weighted_io_ms,
    ];
    numbers.extend(
        c.discard
            .iter()
            .flat_map(|d| [d.discards, d.merged, d.sectors, d.ms]),
    );
    numbers.extend(c.flush.iter().flat_map(|f| [f.flushes, f.ms]));
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!(
        "{} {} {} {}",
        disk.dev.major,
        disk.dev.minor,
        disk.name,
        numbers.join(" ")
    )
}

fuzz_target!(|content: &[u8]| {
    for disk in parse(content).flatten() {
        let line = write(&disk);
        let again: Vec<_> = parse(line.as_bytes()).collect();
        assert_eq!(again, [Ok(disk)], "{line}");
    }
});

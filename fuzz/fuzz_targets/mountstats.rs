//! `/proc/PID/mountstats`: operations read are what lines written from them read as, and no more than there are lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::mountstats::{Operation, parse};
use tidegauge_exporter::device::nfs_options::Options;

fn write(operation: &Operation<'_>) -> String {
    let o = operation;
    let mut numbers = vec![
        o.requests,
        o.transmissions,
        o.major_timeouts,
        o.sent,
        o.received,
        o.queue_ms,
        o.response_ms,
        o.request_ms,
    ];
    numbers.extend(o.errors);
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("\t{}: {}\n", o.name, numbers.join(" "))
}

fuzz_target!(|content: &[u8]| {
    let stats = parse(content);
    let lines = content.iter().filter(|b| **b == b'\n').count();
    let read = stats
        .mounts
        .iter()
        .map(|m| 1 + m.operations.len() + m.transports.len());
    assert!(read.sum::<usize>() <= lines);
    for mount in &stats.mounts {
        let _ = Options(mount.options).server("nfs");
        let mut text = String::from(
            "device a:/ mounted on /a with fstype nfs statvers=1.1\n\tper-op statistics\n",
        );
        mount.operations.iter().for_each(|o| text += &write(o));
        let again = parse(text.as_bytes());
        assert_eq!(again.mounts[0].operations, mount.operations, "{text}");
    }
});

//! Device mapper: the kernel's answer with its offsets, the words of every target, names of devices.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::dm::name::{identifiers, split};
use tidegauge_exporter::device::dm::parse;
use tidegauge_exporter::device::dm::status::{self, Status};

const KINDS: [&str; 12] = [
    "snapshot",
    "snapshot-merge",
    "thin-pool",
    "thin",
    "cache",
    "writecache",
    "raid",
    "mirror",
    "striped",
    "verity",
    "error",
    "crypt",
];

fn look_at(kind: &str, text: &str) {
    if let Some(Status::Raid(mut raid)) = status::parse(kind, text) {
        let (legs, degraded) = (raid.legs.len(), raid.degraded());
        assert!(legs <= text.len());
        // A piece that is as it is itself changes nothing of the legs.
        raid.join(raid.clone());
        assert_eq!((raid.legs.len(), raid.degraded()), (legs, degraded));
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = parse(bytes) {
        // Each takes its own place in the answer.
        assert!(found.targets.len() * 40 <= bytes.len());
        for target in &found.targets {
            look_at(&target.kind, &target.status);
        }
    }
    let text = String::from_utf8_lossy(bytes);
    for kind in KINDS {
        look_at(kind, &text);
    }
    if let Some(volume) = split(&text) {
        assert!(volume.vg.len() + volume.lv.len() + volume.layer.len() < text.len());
    }
    if let Some((group, volume)) = identifiers(&text) {
        assert_eq!((group.len(), volume.len()), (32, 32));
    }
});

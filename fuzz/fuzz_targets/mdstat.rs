//! The kernel's overview of RAID arrays: names of devices are chosen by whoever names them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::mdstat::{Activity, parse};

fuzz_target!(|content: &[u8]| {
    let lines = content.split(|byte| *byte == b'\n').count();
    let arrays = parse(content);
    assert!(arrays.len() <= lines);
    for array in arrays {
        assert!(!array.name.is_empty() && !array.name.contains('\n'));
        assert!(array.members.iter().all(|member| !member.name.is_empty()));
        assert!(array.activity != Activity::Inactive || array.level.is_none());
    }
});

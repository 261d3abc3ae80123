//! LVM's report, with whatever its program prints around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::lvm::parse;

fuzz_target!(|printed: &[u8]| {
    let Ok(groups) = parse(printed) else { return };
    let mut volumes = 0;
    for group in &groups {
        volumes += group.lvs.len() + group.pvs.len();
        for lv in &group.lvs {
            assert!(lv.kind().len() <= lv.layout.len().max("image_metadata".len()));
        }
    }
    // `{},` is the shortest of each.
    assert!(groups.len() + volumes <= printed.len());
    // A warning in front changes nothing.
    let warned = [b"  WARNING: a disk is missing.\n", printed].concat();
    assert_eq!(parse(&warned).ok(), Some(groups));
});

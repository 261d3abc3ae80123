//! lvm.conf: one setting of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::lvm_conf::flag;

fuzz_target!(|content: &[u8]| {
    if let Ok(set) = flag(content, "devices", "issue_discards") {
        // A whole file takes another section behind it, whose value is the last.
        let mut longer = content.to_vec();
        longer.extend(b"\ndevices { issue_discards = 0 }\n");
        assert_eq!(flag(&longer, "devices", "issue_discards"), Ok(Some(false)), "{set:?}");
    }
});

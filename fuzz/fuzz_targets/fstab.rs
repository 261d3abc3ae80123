//! fstab: written by hand and by installers.
#![no_main]

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::fstab::{is_unstable, parse};

fuzz_target!(|content: &[u8]| {
    for entry in parse(content) {
        assert!(!entry.fstype.is_empty());
        assert!(entry.options.iter().all(|option| !option.is_empty()));
        // Written back it names the same.
        let mut line = String::from("x");
        for field in [entry.mountpoint.as_os_str().as_bytes(), b"ext4"] {
            line.push(' ');
            for byte in field {
                let _ = write!(line, "\\{byte:03o}");
            }
        }
        if !entry.mountpoint.as_os_str().is_empty() {
            let again = parse(line.as_bytes());
            assert_eq!(again[0].mountpoint, entry.mountpoint);
        }
        let _ = (is_unstable(&entry.source), entry.at_boot(), entry.value("commit"));
    }
});

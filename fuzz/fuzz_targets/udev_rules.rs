//! udev's rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::udev_rules::runs_fstrim;

fuzz_target!(|content: &[u8]| {
    let name = |text: &[u8]| text.windows(6).any(|word| word == b"fstrim");
    // Lines are joined, so that the name may be parted by a backslash and a newline.
    let joins = content.contains(&b'\\');
    assert!(!runs_fstrim(content) || name(content) || joins);
    let mut longer = content.to_vec();
    longer.extend(b"\n\nRUN+=\"/sbin/fstrim -a\"\n");
    assert!(runs_fstrim(&longer));
});

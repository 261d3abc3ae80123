//! What NVMe controllers answer with: the first byte chooses the page.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::nvme::sysfs::namespace_of;
use tidegauge_exporter::device::nvme::{
    endurance, error_log, identify, ocp, sanitize, self_test, smart, supported,
};

/// Only the page itself counts, not what follows it.
fn same<T: PartialEq + std::fmt::Debug, E>(
    bytes: &[u8],
    length: usize,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) {
    let whole = parse(bytes).ok();
    assert!(whole.is_none() || bytes.len() >= length);
    if let Some(page) = bytes.get(..length) {
        assert_eq!(parse(page).ok(), whole);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    match which % 10 {
        0 => same(bytes, smart::LENGTH, smart::parse),
        1 => same(bytes, identify::LENGTH, identify::parse),
        2 => same(bytes, error_log::LENGTH, error_log::newest),
        3 => {
            same(bytes, self_test::LENGTH, self_test::parse);
            if let Ok(tests) = self_test::parse(bytes) {
                assert!(tests.last.len() <= self_test::Kind::ALL.len());
            }
        }
        4 => same(bytes, sanitize::LENGTH, sanitize::parse),
        5 => same(bytes, endurance::LENGTH, endurance::parse),
        6 => same(bytes, supported::LENGTH, supported::parse),
        7 => same(bytes, ocp::LENGTH, ocp::parse),
        8 => {
            if let Ok(groups) = identify::parse_endurance_groups(bytes, 64) {
                assert!(groups.len() <= 64 && groups.is_sorted());
            }
        }
        _ => {
            let name = String::from_utf8_lossy(bytes);
            if let Some(device) = namespace_of(&name) {
                assert_eq!(namespace_of(&device), Some(device.clone()));
            }
        }
    }
});

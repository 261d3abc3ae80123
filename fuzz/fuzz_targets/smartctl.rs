//! What smartctl prints: a disk's report and a scan.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::smartctl::{Report, Scan, version_of_text};

fuzz_target!(|printed: &[u8]| {
    let _ = version_of_text(printed);
    if let Ok(scan) = Scan::parse(printed) {
        for entry in scan.entries() {
            assert!(entry.node.starts_with("/dev/") && !entry.kind.starts_with('-'));
        }
    }
    let Ok(report) = Report::parse(printed) else {
        return;
    };
    assert!(report.celsius().is_none_or(|c| (-100.0..=250.0).contains(&c)));
    assert!(report.wear().is_none_or(|wear| (0.0..=2.55).contains(&wear)));
    if let Some(table) = report.attributes() {
        let ids: Vec<u64> = table.iter().map(|attribute| attribute.id).collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len());
        assert!(table.iter().all(|attribute| attribute.raw.len() <= 6));
    }
    assert!(report.self_tests().len() <= 6);
    for text in [report.model(), report.serial(), report.family()] {
        assert!(text.is_none_or(|text| text.len() <= 128 && !text.contains('\n')));
    }
    let _ = (report.power_on_seconds(), report.written_bytes(), report.read_bytes());
    let _ = (report.wwn(), report.capacity(), report.statistics().count(), report.rates().count());
    let _ = (report.interface_speeds().count(), report.scsi_errors(), report.self_test_progress());
});

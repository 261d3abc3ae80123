//! udev's database, into which devices write their own names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::udev::parse;

fuzz_target!(|content: &[u8]| {
    let found = parse(content);
    for value in [found.wwn, found.serial, found.model, found.bus]
        .into_iter()
        .flatten()
    {
        assert!(!value.is_empty() && !value.contains('\n'), "{value:?}");
        // Written back it reads the same.
        let again = parse(format!("E:ID_MODEL={value}\n").as_bytes());
        assert_eq!(again.model, Some(value));
    }
});

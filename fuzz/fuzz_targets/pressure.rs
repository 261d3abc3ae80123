//! `/proc/pressure/io`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::pressure::parse;

fuzz_target!(|content: &[u8]| {
    if let Ok(found) = parse(content) {
        let written = format!(
            "some total={}\nfull total={}\n",
            found.some_us, found.full_us
        );
        assert_eq!(parse(written.as_bytes()), Ok(found));
    }
});

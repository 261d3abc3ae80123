//! The Accept and Accept-Encoding headers of strangers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_web::negotiate::{Encoding, encoding, format};
use tidegauge_model::exposition::Format;

fuzz_target!(|header: &str| {
    let lower = header.to_ascii_lowercase();
    // Nobody gets what was not asked for.
    if format(header) == Format::OpenMetrics100 {
        let named = ["application/openmetrics-text", "application/*", "*/*"];
        assert!(named.iter().any(|name| lower.contains(name)), "{header}");
    }
    let named = |name: &str| lower.contains(name) || lower.contains('*');
    match encoding(header) {
        Encoding::Identity => {}
        Encoding::Gzip => assert!(named("gzip"), "{header}"),
        Encoding::Zstd => assert!(named("zstd"), "{header}"),
    }
});

//! The query of `/metrics`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::http::CollectorInfo;
use tidegauge_exporter::http::query::wanted;

const COLLECTORS: [CollectorInfo; 2] = [
    CollectorInfo {
        name: "disk",
        help: "",
    },
    CollectorInfo {
        name: "tier",
        help: "",
    },
];

fuzz_target!(|query: &str| {
    match wanted(query, &COLLECTORS) {
        Ok(wanted) => assert!(wanted.contains(""), "the nameless group is always shown"),
        Err(error) => assert!(!error.to_string().contains(['\n', '\r']), "{error}"),
    }
});

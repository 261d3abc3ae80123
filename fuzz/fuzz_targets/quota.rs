//! What btrfs replies for the size of a qgroup.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::quota::referenced;

fuzz_target!(|reply: &str| {
    match referenced(reply) {
        Ok(bytes) => assert_eq!(referenced(&format!("{bytes}\n")).ok(), Some(bytes)),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});

//! `--web.config.file`, with the certificates that stand in it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tidegauge_web::secure::check;

fuzz_target!(|text: &[u8]| {
    // In memory, and of this process alone.
    let name = format!("/dev/shm/tidegauge-fuzz-{}.yml", std::process::id());
    let file = Path::new(&name);
    std::fs::write(file, text).expect("/dev/shm takes files");
    if let Err(problems) = check(file) {
        assert!(!problems.is_empty(), "a refusal has a reason");
        // A carriage return ends a line in YAML too.
        let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
        for problem in &problems {
            assert!(problem.line <= lines + 1, "{problem:?}");
        }
    }
    let _ = std::fs::remove_file(file);
});

//! Unit tests of rules: a file of them, and, after a line `---`, the rules.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use tidegauge_alerts::rule_test::run;

/// A test may ask for a million evaluations, and has them: that is no mistake of anybody's, and takes its time.
fn is_long(text: &str) -> bool {
    let many = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let digits = text
        .as_bytes()
        .windows(4)
        .any(|four| four.iter().all(|b| many(*b)));
    digits || text.contains(['d', 'w', 'y', 'E', '\\', '!', '&', '*']) && text.contains("eval_time")
}

fuzz_target!(|text: &str| {
    let (tests, rules) = text.split_once("\n---\n").unwrap_or((text, ""));
    // Which other files are read is not for the input to say.
    if tests.contains("rule_files") || is_long(text) {
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = folder.path().join("a.test.yml");
    fs::write(&file, format!("rule_files: [a.yml]\n{tests}")).unwrap();
    fs::write(folder.path().join("a.yml"), rules).unwrap();
    let verdict = run(&file, None);
    assert!(verdict.failures.iter().all(|failure| !failure.is_empty()));
    assert_eq!(run(&file, None), verdict, "the same again");
});

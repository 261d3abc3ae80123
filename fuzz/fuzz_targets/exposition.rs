//! Expositions of any exporter: parser and linter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_model::exposition::{Format, Parser, Severity, lint};

fuzz_target!(|input: &[u8]| {
    for format in [Format::Text004, Format::OpenMetrics100] {
        let lines = input.split(|byte| *byte == b'\n').count();
        let mut broken = false;
        for event in Parser::new(input, format) {
            match event {
                Ok((line, _)) => assert!(line >= 1 && line <= lines + 1),
                Err(_) => broken = true,
            }
        }
        let findings = lint(input, format);
        let errors = findings.iter().any(|f| f.severity == Severity::Error);
        assert!(
            !broken || errors,
            "what cannot be parsed is an error to the linter"
        );
        for finding in &findings {
            assert!(finding.line <= lines + 1 && !finding.problem.is_empty());
        }
    }
});

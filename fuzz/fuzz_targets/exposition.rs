//! Expositions of any exporter: parser and linter, and what reads them line by line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_model::exposition::{Event, Format, Parser, Severity, after_series, lint, read_line};

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
        for (number, line) in (1..).zip(input.split(|byte| *byte == b'\n')) {
            by_line(number, line, format);
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

/// A line alone reads as it does in its text; and what follows its series says the same as all of it.
fn by_line(number: usize, line: &[u8], format: Format) {
    let read = read_line(line, number, format);
    let alone = Parser::new(line, format).next();
    if let (Some(Ok((_, event))), Ok(Some(read))) = (&alone, &read) {
        // Bit for bit: a NaN is not equal to itself.
        assert_eq!(format!("{event:?}"), format!("{read:?}"));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return;
    };
    for (at, _) in text.match_indices([' ', '\t']) {
        let (series, rest) = text.split_at(at);
        let known = format!("{series} 1");
        let Ok(Some(Event::Sample(known))) = read_line(known.as_bytes(), 1, format) else {
            continue;
        };
        // Only a series stands before the blank.
        if known.value != 1.0 || known.timestamp_ms.is_some() || known.exemplar.is_some() {
            continue;
        }
        if let Some(after) = after_series(rest, format) {
            let Ok(Some(Event::Sample(whole))) = read_line(line, 1, format) else {
                panic!("{text:?} is a sample after {series:?}, and none as a whole");
            };
            assert_eq!((&whole.name, &whole.labels), (&known.name, &known.labels));
            assert_eq!(whole.value.to_bits(), after.value.to_bits());
            assert_eq!(whole.timestamp_ms, after.timestamp_ms);
        }
    }
}

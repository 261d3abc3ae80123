//! Rule files of Prometheus's format.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tidegauge_alerts::rule::{RuleKind, parse};

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(groups) => {
            let mut names: Vec<_> = groups.iter().map(|group| &group.name).collect();
            names.sort();
            assert!(names.windows(2).all(|two| two[0] != two[1]), "{names:?}");
            for rule in groups.iter().flat_map(|group| &group.rules) {
                assert!(!rule.name.is_empty());
                assert!(rule.place.0 >= 1 && rule.place.0 <= text.lines().count().max(1) as u64);
                if let RuleKind::Record = rule.kind {
                    assert!(rule.labels.name().is_empty(), "the name is the rule's");
                }
                // What it needs to be kept is known.
                assert!(
                    rule.query
                        .selectors()
                        .iter()
                        .all(|s| !s.matchers.is_empty())
                );
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            for problem in &problems {
                let shown = problem.show(Path::new("rules.yml"));
                assert!(!problem.message.is_empty(), "{shown}");
                assert!(!shown.contains(char::is_control), "{shown:?}");
            }
        }
    }
});

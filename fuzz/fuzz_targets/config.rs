//! `tidegauge.yml`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tidegauge::config::Config;

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Ok(config) => {
            for job in &config.feeds.jobs {
                assert!(!job.name.is_empty() && job.path.starts_with('/'));
                assert!(!job.timeout.is_zero() && job.timeout <= job.interval);
            }
            for tier in config.tiers.iter().flatten() {
                assert!(!tier.name.is_empty());
                assert!(tier.paths.iter().all(|path| path.is_absolute()));
                assert!(tier.directories.iter().all(|d| d.budget.0 > 0));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            assert!(problems.is_sorted_by_key(|p| (p.line, p.column)));
            for problem in &problems {
                let shown = problem.show(Path::new("tidegauge.yml"));
                assert!(!shown.contains(char::is_control), "{shown:?}");
            }
        }
    }
});

//! The scripts beside this file, in Prometheus's language of PromQL tests.

use std::fs;
use std::path::Path;

use tidegauge_promql::script::{Outcome, Script};

#[test]
fn own_scripts_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut failures = Vec::new();
    let mut passed = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        let text = fs::read_to_string(&path).unwrap();
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for evaluated in script.run().evaluations {
            match evaluated.outcome {
                Outcome::Passed => passed += 1,
                Outcome::Failed(failure) => failures.push(format!(
                    "{name}:{}: {}\n{failure}",
                    evaluated.line, evaluated.expression
                )),
                // All that is here is meant to run.
                Outcome::Skipped(reason) => {
                    failures.push(format!("{name}:{}: skipped: {reason}", evaluated.line))
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(passed > 100, "only {passed} evaluations");
}

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[path = "../../../../tests/fixtures/lint/table.rs"]
mod table;

fn said(findings: &[Finding]) -> Vec<String> {
    let line = |f: &Finding| format!("{} {} {}", f.line, f.metric, f.problem);
    findings.iter().map(line).collect()
}

/// promtool's findings, each once.
fn promtools(case: &table::Case) -> BTreeSet<String> {
    case.promtool.iter().cloned().collect()
}

/// The line in "text format parsing error in line 3: …".
fn refused_line(case: &table::Case) -> Option<usize> {
    let (_, after) = case.promtool.first()?.split_once("error in line ")?;
    after.split_once(':')?.0.parse().ok()
}

#[test]
fn agrees_with_promtool() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lint");
    let cases = table::cases(&folder);
    assert!(cases.len() > 150, "only {} cases", cases.len());
    let mut wrong = String::new();
    for case in &cases {
        let findings = lint(case.text.as_bytes(), Format::Text004);
        let ours: BTreeSet<String> = findings
            .iter()
            .map(|f| format!("{} {}", f.metric, f.problem))
            .collect();
        let agrees = match (&case.ours, case.exit) {
            (None, 0 | 3) => ours == promtools(case),
            (Some(listed), 0 | 3) => {
                *listed == said(&findings) && ours.is_superset(&promtools(case))
            }
            // It says only where it stopped.
            (Some(listed), 1) => {
                let refused = refused_line(case);
                *listed == said(&findings) && findings.iter().any(|f| Some(f.line) == refused)
            }
            (Some(listed), 2) => *listed == said(&findings) && !findings.is_empty(),
            _ => false,
        };
        if !agrees {
            wrong += &format!(
                "=== {}\n{}--- promtool exit {}\n{}\n--- ours\n{}\n",
                case.name,
                case.text,
                case.exit,
                case.promtool.join("\n"),
                said(&findings).join("\n"),
            );
        }
    }
    assert!(wrong.is_empty(), "other than in the table:\n{wrong}");
}

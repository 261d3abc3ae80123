//! Unit tests of rules in promtool's format, with promtool's verdicts (its cmd/promtool/unittest.go).

mod input;
mod run;
mod show;
mod spec;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::Regex;

use crate::rule::{GroupSpec, parse};
use spec::TestFile;

/// What came of a file of tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is odd but no failure.
    pub warnings: Vec<String>,
    /// Each failure, in promtool's words; none if all is well.
    pub failures: Vec<String>,
}

/// Rule files that were read, or what is wrong with them.
type RuleFiles = Vec<(PathBuf, Result<Vec<GroupSpec>, Vec<String>>)>;

/// Runs the tests of a file whose names match, all without a pattern. Paths in it are relative to it.
pub fn run(file: &Path, names: Option<&Regex>) -> Verdict {
    let mut verdict = Verdict::default();
    if let Err(failures) = run_all(file, names, &mut verdict.warnings) {
        verdict.failures = failures;
    }
    verdict
}

fn run_all(
    file: &Path,
    names: Option<&Regex>,
    warnings: &mut Vec<String>,
) -> Result<(), Vec<String>> {
    let text = fs::read_to_string(file)
        .map_err(|error| vec![format!("cannot read {}: {error}", file.display())])?;
    let tests = spec::parse(&text).map_err(|problems| {
        let shown = problems.iter().map(|problem| problem.show(file));
        shown.collect::<Vec<_>>()
    })?;
    let order = order(&tests).map_err(|error| vec![error])?;
    let paths = find(file.parent().unwrap_or(Path::new("")), &tests, warnings)?;
    let mut rules: Option<RuleFiles> = None;
    let mut failures = Vec::new();
    for (index, test) in tests.tests.iter().enumerate() {
        if names.is_some_and(|names| !names.is_match(&test.name)) {
            continue;
        }
        tracing::debug!(index, name = %test.name, "a test begins");
        // Only read when there is a test, as promtool does.
        let rules = rules.get_or_insert_with(|| paths.iter().map(|path| load(path)).collect());
        let wrong: Vec<String> = rules
            .iter()
            .filter_map(|(_, read)| read.as_ref().err())
            .flatten()
            .cloned()
            .collect();
        if !wrong.is_empty() {
            failures.extend(wrong);
            continue;
        }
        let groups = rules.iter().flat_map(|(path, read)| {
            let file: Arc<str> = path.to_string_lossy().into();
            read.iter().flatten().map(move |spec| (file.clone(), spec))
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|(_, spec)| order.get(&spec.name).copied().unwrap_or(0));
        failures.extend(run::group(&tests, test, &groups));
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

/// The place of each group that is named in the order. Those that are not come with the first.
fn order(tests: &TestFile) -> Result<HashMap<String, usize>, String> {
    let mut order = HashMap::new();
    for (index, name) in tests.group_eval_order.iter().enumerate() {
        if order.insert(name.clone(), index).is_some() {
            return Err(format!("group name repeated in evaluation order: {name}"));
        }
    }
    Ok(order)
}

fn find(
    folder: &Path,
    tests: &TestFile,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, Vec<String>> {
    let mut found = Vec::new();
    for pattern in &tests.rule_files {
        let pattern = folder.join(pattern);
        let pattern = pattern.to_string_lossy();
        let before = found.len();
        let matches = glob::glob(&pattern).map_err(|error| {
            vec![format!(
                "{pattern}: {error}; put special characters into []"
            )]
        })?;
        found.extend(matches.filter_map(Result::ok));
        if found.len() == before {
            warnings.push(format!("no file match pattern {pattern}"));
        }
    }
    Ok(found)
}

fn load(path: &Path) -> (PathBuf, Result<Vec<GroupSpec>, Vec<String>>) {
    let read = match fs::read_to_string(path) {
        Ok(text) => parse(&text)
            .map_err(|problems| problems.iter().map(|problem| problem.show(path)).collect()),
        Err(error) => Err(vec![format!("cannot read {}: {error}", path.display())]),
    };
    (path.to_owned(), read)
}

//! Checks the `tiers` of a configuration file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_saphyr::Spanned;
use tidegauge_model::tier::{Budget, Thresholds, Tier};
use tidegauge_model::units::{Bytes, Ratio, UnitError, parse_duration};

use super::expect;
use super::problem::Problem;
use super::raw::{RawDirectory, RawThresholds, RawTier, Text};

/// The tiers and the line of each. What is wrong is added to `problems`.
pub fn check(
    list: &Spanned<Vec<Spanned<RawTier>>>,
    problems: &mut Vec<Problem>,
) -> (Vec<Tier>, Vec<u64>) {
    if list.value.is_empty() {
        problems.push(Problem::at(
            list,
            "`tiers` is empty",
            "declare a tier, or leave `tiers` out to have them discovered",
        ));
    }
    let mut seen = Seen::default();
    let mut tiers = Vec::new();
    for raw in &list.value {
        tiers.push(check_tier(raw, &mut seen, problems));
    }
    (tiers, list.value.iter().map(|t| t.defined.line()).collect())
}

/// What may be declared only once, with the line of the first time.
#[derive(Default)]
struct Seen {
    names: BTreeMap<String, u64>,
    paths: BTreeMap<PathBuf, u64>,
    directories: BTreeMap<PathBuf, u64>,
}

fn once<K: Ord>(map: &mut BTreeMap<K, u64>, key: K, at: &Text) -> Result<(), u64> {
    match map.insert(key, at.defined.line()) {
        None => Ok(()),
        Some(line) => Err(line),
    }
}

fn check_tier(raw: &Spanned<RawTier>, seen: &mut Seen, problems: &mut Vec<Problem>) -> Tier {
    let tier = &raw.value;
    let name = tier.name.value.0.clone();
    if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        problems.push(Problem::at(
            &tier.name,
            "a tier's name has 1 to 64 printable characters",
            "",
        ));
    } else if let Err(line) = once(&mut seen.names, name.clone(), &tier.name) {
        problems.push(Problem::at(
            &tier.name,
            format!("tier `{name}` is declared twice, first in line {line}"),
            "give each tier a name of its own",
        ));
    }
    if tier.paths.is_empty() && tier.devices.is_empty() {
        problems.push(Problem::at(
            raw,
            format!("tier `{name}` has neither paths nor devices"),
            "say where it lies, such as `paths: [/data/hot]`",
        ));
    }
    let mut paths = Vec::new();
    for text in &tier.paths {
        match absolute(text) {
            Ok(path) => {
                if let Err(line) = once(&mut seen.paths, path.clone(), text) {
                    problems.push(Problem::at(
                        text,
                        format!("{} is declared twice, first in line {line}", path.display()),
                        "a path belongs to one tier",
                    ));
                }
                paths.push(path);
            }
            Err(problem) => problems.push(problem),
        }
    }
    for glob in &tier.devices {
        if glob.value.0.is_empty() {
            problems.push(Problem::at(
                glob,
                "a device glob is empty",
                "such as `nvme*` or `/dev/mapper/vg-*`",
            ));
        }
    }
    let mut directories = Vec::new();
    for raw in &tier.directories {
        match check_directory(raw, &paths, &name, seen) {
            Ok(budget) => directories.push(budget),
            Err(found) => problems.extend(found),
        }
    }
    Tier {
        name,
        paths,
        devices: tier.devices.iter().map(|d| d.value.0.clone()).collect(),
        thresholds: thresholds(tier.thresholds.as_ref(), problems),
        require_mount: tier.require_mount,
        directories,
        expect: expect::check(&tier.expect, problems),
    }
}

fn thresholds(raw: Option<&Spanned<RawThresholds>>, problems: &mut Vec<Problem>) -> Thresholds {
    let default = Thresholds::default();
    let Some(raw) = raw else { return default };
    let mut read = |text: &Option<Text>, default| match text {
        None => default,
        Some(text) => Ratio::parse(&text.value.0).unwrap_or_else(|error| {
            problems.push(unit(text, &error));
            default
        }),
    };
    let (clear, warning, critical) = (
        read(&raw.value.clear, default.clear),
        read(&raw.value.warning, default.warning),
        read(&raw.value.critical, default.critical),
    );
    Thresholds::new(clear, warning, critical).unwrap_or_else(|error| {
        problems.push(Problem::at(
            raw,
            error.to_string(),
            "what is not given is 75%, 80%, 90%",
        ));
        default
    })
}

fn check_directory(
    raw: &RawDirectory,
    paths: &[PathBuf],
    tier: &str,
    seen: &mut Seen,
) -> Result<Budget, Vec<Problem>> {
    let mut problems = Vec::new();
    let path = absolute(&raw.path)
        .map_err(|p| problems.push(p))
        .unwrap_or_default();
    let budget = Bytes::parse(&raw.budget.value.0)
        .map_err(|error| problems.push(unit(&raw.budget, &error)))
        .unwrap_or(Bytes(0));
    if problems.is_empty() {
        if budget.0 == 0 {
            problems.push(Problem::at(
                &raw.budget,
                "a budget is more than nothing",
                "",
            ));
        }
        if !paths.is_empty() && !paths.iter().any(|p| path.starts_with(p)) {
            problems.push(Problem::at(
                &raw.path,
                format!("{} lies outside the paths of tier `{tier}`", path.display()),
                "declare it in the tier that holds it",
            ));
        }
        if let Err(line) = once(&mut seen.directories, path.clone(), &raw.path) {
            problems.push(Problem::at(
                &raw.path,
                format!("{} is declared twice, first in line {line}", path.display()),
                "a directory has one budget",
            ));
        }
    }
    let mut ages = Vec::new();
    for age in &raw.ages {
        match parse_duration(&age.value.0) {
            Ok(age) => ages.push(age),
            Err(error) => problems.push(unit(age, &error)),
        }
    }
    ages.sort_unstable();
    ages.dedup();
    if problems.is_empty() {
        Ok(Budget { path, budget, ages })
    } else {
        Err(problems)
    }
}

pub fn unit(text: &Text, error: &UnitError) -> Problem {
    Problem::at(text, error.to_string(), "")
}

/// An absolute path without `.` and `..`, so that paths can be compared.
pub fn absolute(text: &Text) -> Result<PathBuf, Problem> {
    let path = Path::new(&text.value.0);
    let plain = path
        .components()
        .all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain || text.value.0.contains('\0') {
        return Err(Problem::at(
            text,
            format!(
                "`{}` is not an absolute path without `..`",
                text.value.0.escape_debug()
            ),
            "write it from the root, such as /data/hot",
        ));
    }
    // Collecting the components drops repeated and trailing slashes.
    Ok(path.components().collect())
}

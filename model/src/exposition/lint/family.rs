//! What spans lines: which samples are of which family, whether it stands together, whether a series is
//! there twice.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Finding, Severity, sample, shown};
use crate::exposition::{Event, Format, Kind, SampleLine};

/// Suffixes that a sample may add to its family's name; the name itself goes before all.
const SUFFIXES: [&str; 9] = [
    "", "_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info",
];

/// Those that the samples of a type have.
fn suffixes(kind: Option<Kind>, format: Format) -> &'static [&'static str] {
    match (format, kind) {
        (Format::Text004, Some(Kind::Histogram)) => &["_bucket", "_count", "_sum"],
        (Format::Text004, Some(Kind::Summary)) => &["", "_count", "_sum"],
        (Format::OpenMetrics100, Some(Kind::Counter)) => &["_total", "_created"],
        (Format::OpenMetrics100, Some(Kind::Histogram)) => {
            &["_bucket", "_count", "_sum", "_created"]
        }
        (Format::OpenMetrics100, Some(Kind::Summary)) => &["", "_count", "_sum", "_created"],
        (Format::OpenMetrics100, Some(Kind::GaugeHistogram)) => &["_bucket", "_gcount", "_gsum"],
        (Format::OpenMetrics100, Some(Kind::Info)) => &["_info"],
        _ => &[""],
    }
}

/// What is known of a family.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub name: String,
    /// Its first line.
    pub line: usize,
    pub has_help: bool,
    pub kind: Option<Kind>,
    /// Label names with the line of the first sample that has them.
    pub labels: BTreeMap<String, usize>,
    has_unit: bool,
    /// Where it is said to have a unit.
    unit_line: Option<usize>,
    has_samples: bool,
    /// Another family came after it; or that it came again was told.
    closed: bool,
    told_apart: bool,
    series: FxHashSet<String>,
}

/// The families of an exposition.
#[derive(Debug)]
pub(super) struct Families {
    format: Format,
    all: Vec<Family>,
    by_name: FxHashMap<String, usize>,
    current: Option<usize>,
}

impl Families {
    pub fn new(format: Format) -> Self {
        Self {
            format,
            all: Vec::new(),
            by_name: FxHashMap::default(),
            current: None,
        }
    }

    pub fn with_samples(&self) -> impl Iterator<Item = &Family> {
        self.all.iter().filter(|family| family.has_samples)
    }

    /// Takes in what a line says, and appends what is wrong with it.
    pub fn read(&mut self, line: usize, event: &Event<'_>, findings: &mut Vec<Finding>) {
        let mut report = Report { line, findings };
        match event {
            Event::Help { family, text } => {
                let open = self.format == Format::OpenMetrics100;
                let family = self.enter(family, &mut report);
                if family.has_help {
                    report.error(family, "second HELP line", "one for each family");
                } else if open && family.has_samples {
                    report.error(family, "HELP line after samples", "put it before them");
                }
                family.has_help |= !text.is_empty();
            }
            Event::Type { family, kind } => {
                let family = self.enter(family, &mut report);
                if family.kind.is_some() {
                    report.error(family, "second TYPE line", "one for each family");
                } else if family.has_samples {
                    report.error(family, "TYPE line after samples", "put it before them");
                } else {
                    family.kind = Some(*kind);
                }
            }
            Event::Unit { family, unit } => {
                let family = self.enter(family, &mut report);
                let named = family
                    .name
                    .strip_suffix(unit)
                    .is_some_and(|n| n.ends_with('_'));
                if family.has_unit {
                    report.error(family, "second UNIT line", "one for each family");
                } else if family.has_samples {
                    report.error(family, "UNIT line after samples", "put it before them");
                } else if !unit.is_empty() && !named {
                    let problem = format!("unit {unit:?} is not the end of the name");
                    report.error(family, &problem, "name it so, or leave the UNIT line out");
                }
                family.has_unit = true;
                family.unit_line = (!unit.is_empty()).then_some(line);
            }
            Event::Sample(sample) => self.sample(sample, &mut report),
            Event::Comment(_) | Event::Eof => {}
        }
    }

    /// Appends what can be said when all lines are read: that a type has no unit, and which families could
    /// have a sample of the same name. Both are rules of OpenMetrics only.
    pub fn check_whole(&self, findings: &mut Vec<Finding>) {
        if self.format != Format::OpenMetrics100 {
            return;
        }
        for family in &self.all {
            if let (Some(Kind::Info | Kind::StateSet), Some(line)) = (family.kind, family.unit_line)
            {
                let mut report = Report { line, findings };
                let problem = "infos and statesets have no unit";
                report.error(family, problem, "leave the UNIT line out");
            }
        }
        let mut owners: FxHashMap<String, &Family> = FxHashMap::default();
        for family in &self.all {
            for suffix in suffixes(family.kind, self.format) {
                let sample = format!("{}{suffix}", family.name);
                let Some(owner) = owners.get(&sample) else {
                    owners.insert(sample, family);
                    continue;
                };
                let mut report = Report {
                    line: family.line,
                    findings,
                };
                let problem = format!(
                    "clashes with the family {}: {} may be a sample of both",
                    shown(&owner.name),
                    shown(&sample)
                );
                report.error(family, &problem, "rename one of them");
                break;
            }
        }
    }

    /// The family that a line is of, made if it is new.
    fn enter(&mut self, name: &str, report: &mut Report<'_>) -> &mut Family {
        let index = match self.by_name.get(name) {
            Some(&index) => index,
            None => {
                self.all.push(Family {
                    name: name.to_owned(),
                    line: report.line,
                    ..Family::default()
                });
                self.by_name.insert(name.to_owned(), self.all.len() - 1);
                self.all.len() - 1
            }
        };
        if let Some(left) = self.current.replace(index).filter(|&left| left != index) {
            self.all[left].closed = true;
        }
        let family = &mut self.all[index];
        if family.closed && !family.told_apart {
            family.told_apart = true;
            report.error(
                family,
                "lines of the family do not stand together",
                "write HELP, TYPE and all samples of a family in one block, once",
            );
        }
        family
    }

    /// The family that a sample is of, its suffix, and whether the family's type has it.
    fn family_of<'n>(&self, name: &'n str) -> (&'n str, &'n str, bool) {
        for suffix in SUFFIXES {
            let Some(family) = name.strip_suffix(suffix) else {
                continue;
            };
            if let Some(&index) = self.by_name.get(family)
                && suffixes(self.all[index].kind, self.format).contains(&suffix)
            {
                return (family, &name[family.len()..], true);
            }
        }
        (name, "", !self.by_name.contains_key(name))
    }

    fn sample(&mut self, sample: &SampleLine<'_>, report: &mut Report<'_>) {
        let open = self.format == Format::OpenMetrics100;
        let (name, suffix, fits) = self.family_of(&sample.name);
        let format = self.format;
        let family = self.enter(name, report);
        family.has_samples = true;
        if !fits {
            let wanted = suffixes(family.kind, format).join(", ");
            let problem = format!("samples of its type end in {wanted}");
            report.error(
                family,
                &problem,
                "name the samples so, and the family without the suffix",
            );
        }
        let line = report.line;
        for (label, _) in &sample.labels {
            if !family.labels.contains_key(label.as_ref()) {
                family.labels.insert(label.to_string(), line);
            }
        }
        sample::check(family, sample, suffix, report);
        if !family.series.insert(sample::series_key(sample, open)) {
            let hint = "the same name and labels are there already: one of them is lost";
            report.error(family, "metric not unique", hint);
        }
    }
}

/// Where findings of a line go.
pub(super) struct Report<'f> {
    pub line: usize,
    pub findings: &'f mut Vec<Finding>,
}

impl Report<'_> {
    pub fn error(&mut self, family: &Family, problem: &str, hint: &'static str) {
        self.add(family, problem, hint, Severity::Error);
    }

    pub fn warning(&mut self, family: &Family, problem: &str, hint: &'static str) {
        self.add(family, problem, hint, Severity::Warning);
    }

    fn add(&mut self, family: &Family, problem: &str, hint: &'static str, severity: Severity) {
        self.findings.push(Finding {
            line: self.line,
            metric: shown(&family.name),
            problem: problem.to_owned(),
            hint,
            severity,
        });
    }
}

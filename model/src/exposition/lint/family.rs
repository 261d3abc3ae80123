//! What spans lines: which samples are of which family, whether it stands together, whether a series is
//! there twice.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Finding, Severity};
use crate::exposition::{Event, Format, Kind, SampleLine, parse_value};

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
            }
            Event::Sample(sample) => self.sample(sample, &mut report),
            Event::Comment(_) | Event::Eof => {}
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
        if open && family.kind == Some(Kind::Info) && sample.value.to_bits() != 1f64.to_bits() {
            report.error(
                family,
                "the value of an info is 1",
                "put what varies into a gauge",
            );
        }
        if family.kind == Some(Kind::StateSet) && label(sample, &family.name).is_none() {
            let hint = "each sample of a stateset names its state in a label named as the family";
            report.error(family, "sample without its state", hint);
        }
        check_labels(family, sample, suffix, report);
        if !family.series.insert(series_key(sample, open)) {
            let hint = "the same name and labels are there already: one of them is lost";
            report.error(family, "metric not unique", hint);
        }
    }
}

/// The labels themselves, and those that histograms and summaries need.
fn check_labels(family: &Family, sample: &SampleLine<'_>, suffix: &str, report: &mut Report<'_>) {
    for (at, (name, _)) in sample.labels.iter().enumerate() {
        if name == "__name__" {
            report.error(
                family,
                "label name \"__name__\" is reserved",
                "it is the metric's name",
            );
        }
        let earlier = sample.labels.iter().take(at);
        if earlier.filter(|(other, _)| other == name).count() == 1 {
            let problem = format!("label name {name:?} is there more than once");
            report.error(family, &problem, "keep one of them");
        }
    }
    let needed = match family.kind {
        Some(Kind::Histogram | Kind::GaugeHistogram) => "le",
        Some(Kind::Summary) => "quantile",
        _ => return,
    };
    match label(sample, needed) {
        None if suffix == "_bucket" => report.error(
            family,
            "bucket without \"le\" label",
            "le=\"…\" is its upper bound, the last one's is +Inf",
        ),
        Some(text) if parse_value(text).is_none() => {
            let problem = format!("expected float as value for '{needed}' label, got {text:?}");
            report.error(family, &problem, "a decimal number or +Inf");
        }
        _ => {}
    }
}

fn label<'s>(sample: &'s SampleLine<'_>, name: &str) -> Option<&'s str> {
    let found = sample.labels.iter().find(|(label, _)| label == name);
    found.map(|(_, value)| value.as_ref())
}

/// Equal for equal series. In OpenMetrics a series may have several points, told apart by their time.
fn series_key(sample: &SampleLine<'_>, open: bool) -> String {
    // An empty label is as good as none.
    let mut labels: Vec<&(Cow<str>, Cow<str>)> = sample
        .labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    labels.sort();
    let time = sample.timestamp_ms.filter(|_| open);
    format!("{:?}{labels:?}{time:?}", sample.name)
}

/// Where findings of a line go.
struct Report<'f> {
    line: usize,
    findings: &'f mut Vec<Finding>,
}

impl Report<'_> {
    fn error(&mut self, family: &Family, problem: &str, hint: &'static str) {
        self.findings.push(Finding {
            line: self.line,
            metric: family.name.clone(),
            problem: problem.to_owned(),
            hint,
            severity: Severity::Error,
        });
    }
}

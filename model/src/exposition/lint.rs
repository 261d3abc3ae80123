//! What is wrong with an exposition: what a scraper would refuse, and what does not follow Prometheus's
//! conventions ("Metric and label naming", and what promtool's promlint finds).

use std::collections::{HashMap, HashSet};

use super::Format;
use super::parse::{DeclaredKind, Event, ParsedSample, Parser};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// From 1.
    pub line: usize,
    /// The metric or family; empty where the line was not understood.
    pub metric: String,
    /// What is wrong.
    pub problem: String,
    /// What to do; may be empty.
    pub hint: &'static str,
}

/// Everything found, by line.
pub fn lint(text: &[u8], format: Format) -> Vec<Finding> {
    let mut linter = Linter {
        format,
        ..Linter::default()
    };
    for parsed in Parser::new(text, format) {
        match parsed {
            Err(error) => linter.found(
                error.line,
                "",
                error.problem.to_owned(),
                "a scraper refuses the whole text",
            ),
            Ok((line, event)) => linter.event(line, event),
        }
    }
    linter.conventions();
    linter
        .findings
        .sort_by(|a, b| (a.line, &a.metric).cmp(&(b.line, &b.metric)));
    linter.findings
}

#[derive(Default)]
struct Family {
    line: usize,
    help: Option<String>,
    kind: Option<DeclaredKind>,
    samples: usize,
    labels: HashSet<String>,
}

struct Linter {
    format: Format,
    findings: Vec<Finding>,
    families: HashMap<String, Family>,
    order: Vec<String>,
    current: String,
    series: HashSet<String>,
}

impl Default for Linter {
    fn default() -> Self {
        Self {
            format: Format::Text004,
            findings: Vec::new(),
            families: HashMap::new(),
            order: Vec::new(),
            current: String::new(),
            series: HashSet::new(),
        }
    }
}

/// Suffixes of samples that belong to a family of another name.
const SUFFIXES: [&str; 8] = [
    "_total", "_created", "_bucket", "_sum", "_count", "_info", "_gsum", "_gcount",
];

impl Linter {
    fn found(&mut self, line: usize, metric: &str, problem: String, hint: &'static str) {
        self.findings.push(Finding {
            line,
            metric: metric.to_owned(),
            problem,
            hint,
        });
    }

    fn event(&mut self, line: usize, event: Event<'_>) {
        match event {
            Event::Help(name, text) => {
                if self
                    .enter(line, name)
                    .help
                    .replace(text.into_owned())
                    .is_some()
                {
                    self.found(
                        line,
                        name,
                        "a second HELP line".to_owned(),
                        "one for each family",
                    );
                }
            }
            Event::Type(name, kind) => {
                let family = self.enter(line, name);
                let late = family.samples > 0;
                if family.kind.replace(kind).is_some() || late {
                    self.found(
                        line,
                        name,
                        "a second TYPE line".to_owned(),
                        "one for each family",
                    );
                }
            }
            Event::Unit(name, unit) => {
                self.enter(line, name);
                if !name.ends_with(&format!("_{unit}")) && !unit.is_empty() {
                    self.found(
                        line,
                        name,
                        format!("its name does not end in its unit `{unit}`"),
                        "",
                    );
                }
            }
            Event::Sample(sample) => self.sample(line, &sample),
            Event::Comment | Event::Eof => {}
        }
    }

    /// The family of this name, which becomes the current one.
    fn enter(&mut self, line: usize, name: &str) -> &mut Family {
        if self.current != name {
            let split = self.families.get(name).is_some_and(|f| f.samples > 0);
            if split {
                self.found(
                    line,
                    name,
                    "its lines are not together".to_owned(),
                    "all lines of a family follow each other",
                );
            }
            self.current = name.to_owned();
        }
        if !self.families.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.families
            .entry(name.to_owned())
            .or_insert_with(|| Family {
                line,
                ..Family::default()
            })
    }

    fn sample(&mut self, line: usize, sample: &ParsedSample<'_>) {
        let family = self.family_of(&sample.name);
        let entry = self.enter(line, &family);
        entry.samples += 1;
        let kind = entry.kind;
        let mut names = HashSet::new();
        let mut repeated = None;
        for (name, _) in &sample.labels {
            if !names.insert(name.as_ref()) {
                repeated = Some(name.to_string());
            }
            entry.labels.insert(name.to_string());
        }
        if let Some(name) = repeated {
            self.found(
                line,
                &sample.name,
                format!("label `{name}` stands twice"),
                "",
            );
        }
        let mut sorted: Vec<String> = sample
            .labels
            .iter()
            .map(|(n, v)| format!("{n}\u{0}{v}\u{1}"))
            .collect();
        sorted.sort_unstable();
        let identity = format!("{}\u{2}{}", sample.name, sorted.concat());
        // The same series with other timestamps is allowed by both formats.
        if !self.series.insert(identity) && sample.timestamp_ms.is_none() {
            self.found(
                line,
                &sample.name,
                "metric not unique".to_owned(),
                "a scraper refuses the whole text",
            );
        }
        let grows = kind == Some(DeclaredKind::Counter) && !sample.name.ends_with("_created");
        if grows && (sample.value < 0.0 || sample.value.is_nan()) {
            self.found(
                line,
                &sample.name,
                format!("a counter of {}", sample.value),
                "counters are not negative",
            );
        }
    }

    /// The family that a sample's name belongs to: its own, or one whose suffix it carries.
    fn family_of(&self, name: &str) -> String {
        let of_suffix = SUFFIXES.iter().find_map(|suffix| {
            let stem = name.strip_suffix(suffix)?;
            let kind = self.families.get(stem)?.kind?;
            suffix_fits(kind, suffix, self.format).then(|| stem.to_owned())
        });
        of_suffix.unwrap_or_else(|| name.to_owned())
    }

    fn conventions(&mut self) {
        for name in std::mem::take(&mut self.order) {
            let Some(family) = self.families.remove(&name).filter(|f| f.samples > 0) else {
                continue;
            };
            let mut say = |problem: &str, hint| {
                self.findings.push(Finding {
                    line: family.line,
                    metric: name.clone(),
                    problem: problem.to_owned(),
                    hint,
                })
            };
            if family.help.as_ref().is_none_or(String::is_empty) {
                say("no help text", "add a HELP line");
            }
            let open = self.format == Format::OpenMetrics100;
            match family.kind {
                Some(DeclaredKind::Counter) if !open && !name.ends_with("_total") => {
                    say("counter metrics should have \"_total\" suffix", "");
                }
                Some(DeclaredKind::Counter) | None | Some(DeclaredKind::Unknown) => {}
                Some(_) if name.ends_with("_total") => {
                    say("non-counter metrics should not have \"_total\" suffix", "");
                }
                Some(_) => {}
            }
            let has = |label: &str| family.labels.contains(label);
            let bucketed = matches!(
                family.kind,
                Some(DeclaredKind::Histogram | DeclaredKind::GaugeHistogram)
            );
            let summary = family.kind == Some(DeclaredKind::Summary);
            let typed = !matches!(family.kind, None | Some(DeclaredKind::Unknown));
            if typed && !bucketed {
                if name.ends_with("_bucket") {
                    say(
                        "non-histogram metrics should not have \"_bucket\" suffix",
                        "",
                    );
                }
                if has("le") {
                    say("non-histogram metrics should not have \"le\" label", "");
                }
            }
            if typed && !bucketed && !summary {
                for suffix in ["_count", "_sum"] {
                    if name.ends_with(suffix) {
                        say(
                            &format!(
                                "non-histogram and non-summary metrics should not have \"{suffix}\" suffix"
                            ),
                            "",
                        );
                    }
                }
            }
            if typed && !summary && has("quantile") {
                say("non-summary metrics should not have \"quantile\" label", "");
            }
            if let Some((unit, base)) = foreign_unit(&name) {
                say(
                    &format!("use base unit \"{base}\" instead of \"{unit}\""),
                    "",
                );
            }
            let lower = name.to_ascii_lowercase();
            if let Some(own) = family.kind.and_then(type_name)
                && lower.split('_').skip(1).any(|word| word == own)
            {
                say(&format!("metric name should not include type '{own}'"), "");
            }
            if lower
                .split('_')
                .skip(1)
                .any(|word| ABBREVIATED.contains(&word))
            {
                say("metric names should not contain abbreviated units", "");
            }
            if name.contains(':') {
                say(
                    "metric names should not contain ':'",
                    "colons are for recording rules",
                );
            }
            let camel = |text: &str| {
                text.as_bytes()
                    .windows(2)
                    .any(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase())
            };
            if camel(&name) {
                say(
                    "metric names should be written in 'snake_case' not 'camelCase'",
                    "",
                );
            }
            if family.labels.iter().any(|l| camel(l)) {
                say(
                    "label names should be written in 'snake_case' not 'camelCase'",
                    "",
                );
            }
        }
    }
}

fn suffix_fits(kind: DeclaredKind, suffix: &str, format: Format) -> bool {
    let open = format == Format::OpenMetrics100;
    match kind {
        DeclaredKind::Counter => open && matches!(suffix, "_total" | "_created"),
        DeclaredKind::Histogram => {
            matches!(suffix, "_bucket" | "_sum" | "_count") || (open && suffix == "_created")
        }
        DeclaredKind::Summary => {
            matches!(suffix, "_sum" | "_count") || (open && suffix == "_created")
        }
        DeclaredKind::Info => suffix == "_info",
        DeclaredKind::GaugeHistogram => matches!(suffix, "_bucket" | "_gsum" | "_gcount"),
        DeclaredKind::Gauge | DeclaredKind::StateSet | DeclaredKind::Unknown => false,
    }
}

const ABBREVIATED: [&str; 14] = [
    "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
];

fn type_name(kind: DeclaredKind) -> Option<&'static str> {
    match kind {
        DeclaredKind::Counter => Some("counter"),
        DeclaredKind::Gauge => Some("gauge"),
        DeclaredKind::Histogram => Some("histogram"),
        DeclaredKind::Summary => Some("summary"),
        _ => None,
    }
}

/// A word of the name that is a unit but no base unit, with the base unit; for suffixes such as
/// `_milliseconds` and words such as `minutes`.
fn foreign_unit(name: &str) -> Option<(&str, &'static str)> {
    const BASE: [&str; 11] = [
        "seconds", "bytes", "meters", "grams", "joules", "volts", "amperes", "celsius", "ratio",
        "kelvin", "bits",
    ];
    const PREFIXES: [&str; 16] = [
        "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
        "mibi", "mebi", "giga", "gibi", "tera",
    ];
    const OTHER: [(&str, &str); 13] = [
        ("minutes", "seconds"),
        ("hours", "seconds"),
        ("days", "seconds"),
        ("weeks", "seconds"),
        ("fahrenheit", "celsius"),
        ("rankine", "celsius"),
        ("inches", "meters"),
        ("yards", "meters"),
        ("miles", "meters"),
        ("bits", "bytes"),
        ("calories", "joules"),
        ("pounds", "grams"),
        ("ounces", "grams"),
    ];
    name.split('_').find_map(|word| {
        if let Some((_, base)) = OTHER.iter().find(|(unit, _)| *unit == word) {
            return Some((word, *base));
        }
        let base = BASE.iter().find(|base| {
            word.strip_suffix(**base)
                .is_some_and(|prefix| PREFIXES.contains(&prefix))
        })?;
        Some((word, if *base == "bits" { "bytes" } else { *base }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expositions with what promtool 3 says of each: nothing, its findings, or that it cannot read it.
    const CASES: &str = include_str!("../../../tests/fixtures/lint/cases.txt");

    #[test]
    fn findings_are_those_of_promtool() {
        let mut count = 0;
        for case in CASES.split("=== ").skip(1) {
            let (verdict, text) = case.split_once('\n').unwrap();
            let text = text.strip_suffix("<no newline>\n").unwrap_or(text);
            let mut ours: Vec<String> = lint(text.as_bytes(), Format::Text004)
                .into_iter()
                .map(|f| format!("{} {}", f.metric, f.problem))
                .collect();
            match verdict.split_once(": ") {
                Some(("finds", expected)) => {
                    ours.sort();
                    assert_eq!(ours, expected.split(" | ").collect::<Vec<_>>(), "{text}");
                }
                Some(("refuses", _)) => assert!(!ours.is_empty(), "{text}"),
                _ => assert_eq!((verdict, ours), ("silent", vec![]), "{text}"),
            }
            count += 1;
        }
        assert!(count >= 30, "only {count} cases were read");
    }

    #[test]
    fn stricter_than_promtool_where_a_scraper_is() {
        let split =
            b"# HELP a x\n# TYPE a gauge\na 1\n# HELP b x\n# TYPE b gauge\nb 1\na{x=\"1\"} 2\n";
        assert_eq!(
            lint(split, Format::Text004)[0].problem,
            "its lines are not together"
        );
        let reordered = b"# HELP a x\n# TYPE a gauge\na{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 1\n";
        assert_eq!(
            lint(reordered, Format::Text004)[0].problem,
            "metric not unique"
        );
        let negative = b"# HELP a_total x\n# TYPE a_total counter\na_total -1\n";
        assert_eq!(
            lint(negative, Format::Text004)[0].problem,
            "a counter of -1"
        );
    }

    #[test]
    fn openmetrics_has_rules_of_its_own() {
        let problems = |text: &str| -> Vec<String> {
            lint(text.as_bytes(), Format::OpenMetrics100)
                .into_iter()
                .map(|f| f.problem)
                .collect()
        };
        let good = "# HELP a A.\n# TYPE a counter\na_total 1\na_created 2\n# HELP b B.\n# TYPE b info\nb_info{x=\"y\"} 1\n# EOF\n";
        assert_eq!(problems(good), [""; 0]);
        assert_eq!(
            problems("# HELP a A.\n# TYPE a gauge\na 1\n"),
            ["the text ends without `# EOF`"]
        );
        assert_eq!(problems("# EOF\na 1\n")[0], "nothing may follow `# EOF`");
        assert_eq!(problems("\n# EOF\n"), ["an empty line"]);
    }
}

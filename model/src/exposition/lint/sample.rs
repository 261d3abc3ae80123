//! What a sample may be by the type of its family: labels, value, exemplar.

use std::borrow::Cow;

use super::family::{Family, Report};
use crate::exposition::{Exemplar, Kind, SampleLine, parse_value};

/// Appends what is wrong with a sample whose name is the family's with `suffix`.
pub(super) fn check(
    family: &Family,
    sample: &SampleLine<'_>,
    suffix: &str,
    report: &mut Report<'_>,
) {
    check_label_names(family, sample, report);
    check_bound(family, sample, suffix, report);
    check_value(family, sample, suffix, report);
    if let Some(exemplar) = &sample.exemplar {
        check_exemplar(family, exemplar, suffix, report);
    }
}

fn check_label_names(family: &Family, sample: &SampleLine<'_>, report: &mut Report<'_>) {
    let mut names: Vec<&str> = sample.labels.iter().map(|(name, _)| &**name).collect();
    // Sorted, as a line may have any number of labels.
    names.sort_unstable();
    if names.binary_search(&"__name__").is_ok() {
        report.error(
            family,
            "label name \"__name__\" is reserved",
            "it is the metric's name",
        );
    }
    for (name, next) in names.iter().zip(names.iter().skip(1)) {
        if name == next {
            let problem = format!("label name {name:?} is there more than once");
            report.error(family, &problem, "keep one of them");
            // One of many is enough.
            return;
        }
    }
}

/// The label that histograms and summaries need.
fn check_bound(family: &Family, sample: &SampleLine<'_>, suffix: &str, report: &mut Report<'_>) {
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

fn check_value(family: &Family, sample: &SampleLine<'_>, suffix: &str, report: &mut Report<'_>) {
    let value = sample.value;
    // Exact: the text says 0 or 1, or it says something else.
    #[expect(clippy::float_cmp, reason = "both are held exactly")]
    let (is_one, is_zero) = (value == 1.0, value == 0.0);
    match family.kind {
        Some(Kind::Counter) if suffix != "_created" => {
            const HINT: &str = "a counter counts up from 0; what may fall or be unknown is a gauge";
            if !value.is_finite() {
                report.warning(family, "the value of a counter is no finite number", HINT);
            } else if value < 0.0 {
                report.warning(family, "the value of a counter is negative", HINT);
            }
        }
        Some(Kind::Info) if !is_one => report.error(
            family,
            "the value of an info is 1",
            "put what varies into a gauge",
        ),
        Some(Kind::StateSet) => {
            if label(sample, &family.name).is_none() {
                let hint =
                    "each sample of a stateset names its state in a label named as the family";
                report.error(family, "sample without its state", hint);
            }
            if !is_one && !is_zero {
                report.error(
                    family,
                    "the value of a state is 0 or 1",
                    "1 for the states that hold, 0 for the others",
                );
            }
        }
        _ => {}
    }
}

/// OpenMetrics 1.0.0, "Exemplars": where they may be, and how long.
fn check_exemplar(family: &Family, exemplar: &Exemplar<'_>, suffix: &str, report: &mut Report<'_>) {
    /// Of names and values together, in characters.
    const LONGEST: usize = 128;
    let counts = matches!(
        (family.kind, suffix),
        (Some(Kind::Counter), "_total") | (Some(Kind::Histogram | Kind::GaugeHistogram), "_bucket")
    );
    if !counts {
        report.error(
            family,
            "exemplar on a sample that may have none",
            "only buckets and the _total of counters have exemplars",
        );
    }
    let texts = exemplar
        .labels
        .iter()
        .flat_map(|(name, value)| [name, value]);
    if texts.map(|text| text.chars().count()).sum::<usize>() > LONGEST {
        report.error(
            family,
            "the exemplar's labels are longer than 128 characters",
            "keep the trace's id; Prometheus drops an exemplar that is longer",
        );
    }
}

fn label<'s>(sample: &'s SampleLine<'_>, name: &str) -> Option<&'s str> {
    let found = sample.labels.iter().find(|(label, _)| label == name);
    found.map(|(_, value)| value.as_ref())
}

/// Equal for equal series. In OpenMetrics a series may have several points, told apart by their time.
pub(super) fn series_key(sample: &SampleLine<'_>, open: bool) -> String {
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

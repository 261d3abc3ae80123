//! Checks the `feeds`: Prometheus's `scrape_configs`, as far as they go.

mod login;
pub mod raw;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_saphyr::Spanned;
use tidegauge_alerts::feed::{Group, Job, LabelLimits, Scheme, Settings, Tls, check_address};
use tidegauge_model::exposition::{Format, is_plain_label};
use tidegauge_model::units::{Bytes, parse_duration};

use self::raw::{RawFeed, RawGroup, RawTls};
use super::problem::Problem;
use super::raw::Text;
use super::sidecar::Global;
use super::tiers::{absolute, unit};

/// What came of the check, beside the feeds themselves.
pub struct Findings<'a> {
    /// What is wrong.
    pub problems: &'a mut Vec<Problem>,
    /// What is better done in another way.
    pub warnings: &'a mut Vec<Problem>,
}

impl Findings<'_> {
    /// What was read, or nothing and a problem more.
    fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// A value that may be left out.
    fn value<T>(
        &mut self,
        text: &Option<Text>,
        read: impl FnOnce(&Text) -> Result<T, Problem>,
    ) -> Option<T> {
        let read = read(text.as_ref()?);
        self.take(read)
    }
}

/// The feeds. What is wrong is added to the findings.
pub fn check(list: &[Spanned<RawFeed>], global: &Global, findings: &mut Findings<'_>) -> Settings {
    let mut names = BTreeMap::new();
    let mut jobs = Vec::new();
    for raw in list {
        let name = &raw.value.job_name;
        let job = check_feed(raw, global, findings);
        if job.name.is_empty() {
            let problem = Problem::at(name, "job_name is empty", "it becomes the label `job`");
            findings.problems.push(problem);
        } else if let Some(line) = names.insert(job.name.clone(), name.defined.line()) {
            findings.problems.push(Problem::at(
                name,
                format!("feed `{}` is declared twice, first in line {line}", job.name),
                "give each a job_name of its own; targets that differ in labels are entries of static_configs",
            ));
        }
        jobs.push(job);
    }
    Settings { jobs, host: None }
}

fn check_feed(place: &Spanned<RawFeed>, global: &Global, findings: &mut Findings<'_>) -> Job {
    let raw = &place.value;
    let mut job = Job::new(raw.job_name.value.0.clone());
    (job.interval, job.timeout) = (global.scrape_interval, global.scrape_timeout);
    timing(&mut job, raw, findings);
    set(&mut job.scheme, findings.value(&raw.scheme, scheme));
    set(&mut job.path, findings.value(&raw.metrics_path, path));
    job.params = raw
        .params
        .iter()
        .map(|(name, values)| {
            let values = values.iter().map(|text| text.value.0.clone());
            (name.clone(), values.collect())
        })
        .collect();
    job.login = login::check(raw, findings);
    job.tls = tls(&raw.tls_config, findings);
    set(&mut job.follow_redirects, raw.follow_redirects);
    set(&mut job.compression, raw.enable_compression);
    job.fallback = findings.value(&raw.fallback_scrape_protocol, protocol);
    let limit = findings.value(&raw.body_size_limit, size);
    set(&mut job.body_size_limit, limit);
    job.sample_limit = limit_of(&raw.sample_limit, findings);
    job.label_limits = LabelLimits {
        number: limit_of(&raw.label_limit, findings),
        name_length: limit_of(&raw.label_name_length_limit, findings),
        value_length: limit_of(&raw.label_value_length_limit, findings),
    };
    set(&mut job.honor_labels, raw.honor_labels);
    set(&mut job.honor_timestamps, raw.honor_timestamps);
    set(&mut job.track_timestamps, raw.track_timestamps_staleness);
    for raw in &raw.static_configs {
        let group = group(&job, raw, findings);
        job.groups.push(group);
    }
    if raw
        .static_configs
        .iter()
        .all(|group| group.targets.is_empty())
    {
        findings.problems.push(Problem::at(
            place,
            format!("feed `{}` has no targets", job.name),
            "name them, such as `static_configs: [{targets: [\"127.0.0.1:9100\"]}]`",
        ));
    }
    job
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn timing(job: &mut Job, raw: &RawFeed, findings: &mut Findings<'_>) {
    set(
        &mut job.interval,
        findings.value(&raw.scrape_interval, duration),
    );
    // As in Prometheus: a short interval shortens the time-out that nobody set.
    job.timeout = job.timeout.min(job.interval);
    let Some(timeout) = findings.value(&raw.scrape_timeout, duration) else {
        return;
    };
    job.timeout = timeout;
    if let Some(text) = raw
        .scrape_timeout
        .as_ref()
        .filter(|_| timeout > job.interval)
    {
        findings.problems.push(Problem::at(
            text,
            format!(
                "scrape_timeout is greater than scrape_interval, which is {}",
                tidegauge_model::units::format_duration(job.interval)
            ),
            "a target is never scraped twice at a time",
        ));
    }
}

fn duration(text: &Text) -> Result<Duration, Problem> {
    match parse_duration(&text.value.0) {
        Ok(Duration::ZERO) => Err(Problem::at(text, "no time is no duration", "such as 15s")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(unit(text, &error)),
    }
}

fn scheme(text: &Text) -> Result<Scheme, Problem> {
    match text.value.0.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        other => Err(Problem::at(
            text,
            format!("`{other}` is not a scheme"),
            "http or https",
        )),
    }
}

fn path(text: &Text) -> Result<String, Problem> {
    let path = &text.value.0;
    if !path.starts_with('/') {
        return Err(Problem::at(
            text,
            format!("`{path}` is not a path"),
            "it begins with /, as /metrics",
        ));
    }
    if path.contains(['?', '#']) {
        return Err(Problem::at(
            text,
            format!("`{path}` is more than a path"),
            "write what comes after ? under params",
        ));
    }
    Ok(path.clone())
}

fn protocol(text: &Text) -> Result<Format, Problem> {
    match text.value.0.as_str() {
        "PrometheusText0.0.4" | "PrometheusText1.0.0" => Ok(Format::Text004),
        "OpenMetricsText0.0.1" | "OpenMetricsText1.0.0" => Ok(Format::OpenMetrics100),
        other => Err(Problem::at(
            text,
            format!("`{other}` is no format that can be read"),
            "PrometheusText0.0.4, PrometheusText1.0.0, OpenMetricsText0.0.1 or OpenMetricsText1.0.0",
        )),
    }
}

fn size(text: &Text) -> Result<u64, Problem> {
    match Bytes::parse(&text.value.0) {
        // As in Prometheus.
        Ok(Bytes(0)) => Ok(u64::MAX),
        Ok(Bytes(limit)) => Ok(limit),
        Err(error) => Err(unit(text, &error)),
    }
}

/// A number; none is 0, as in Prometheus.
fn limit_of(text: &Option<Text>, findings: &mut Findings<'_>) -> Option<u64> {
    let read = |text: &Text| {
        text.value.0.parse::<u64>().map_err(|_| {
            Problem::at(
                text,
                format!("`{}` is not a number", text.value.0),
                "a whole number; 0 for no limit",
            )
        })
    };
    findings.value(text, read).filter(|limit| *limit > 0)
}

fn tls(raw: &RawTls, findings: &mut Findings<'_>) -> Tls {
    let identity = match (&raw.cert_file, &raw.key_file) {
        (Some(certificate), Some(key)) => findings
            .take(absolute(certificate))
            .zip(findings.take(absolute(key))),
        (None, None) => None,
        (Some(text), None) | (None, Some(text)) => {
            findings.problems.push(Problem::at(
                text,
                "cert_file and key_file go together",
                "a certificate is of no use without its key",
            ));
            None
        }
    };
    Tls {
        ca: findings.value(&raw.ca_file, absolute),
        identity,
        server_name: raw.server_name.as_ref().map(|text| text.value.0.clone()),
        skip_verify: raw.insecure_skip_verify,
        only_tls13: findings
            .value(&raw.min_version, only_tls13)
            .unwrap_or(false),
    }
}

fn only_tls13(text: &Text) -> Result<bool, Problem> {
    match text.value.0.as_str() {
        "TLS12" => Ok(false),
        "TLS13" => Ok(true),
        other => Err(Problem::at(
            text,
            format!("`{other}` is no version of TLS that is spoken"),
            "TLS12 or TLS13",
        )),
    }
}

fn group(job: &Job, raw: &RawGroup, findings: &mut Findings<'_>) -> Group {
    let mut group = Group::default();
    for text in &raw.targets {
        match check_address(job, &text.value.0) {
            Ok(()) => group.targets.push(text.value.0.clone()),
            Err(reason) => {
                let hint = "such as 127.0.0.1:9100; see scheme and metrics_path for the rest";
                findings.problems.push(Problem::at(text, reason, hint));
            }
        }
    }
    for (name, text) in &raw.labels {
        if !is_plain_label(name) || name.starts_with("__") {
            findings.problems.push(Problem::at(
                text,
                format!("`{}` is not a label's name", name.escape_debug()),
                "letters, digits and _, no digit first; those with __ first would steer relabelling, which feeds do not have",
            ));
        } else {
            group.labels.push((name.clone(), text.value.0.clone()));
        }
    }
    group
}

#[cfg(test)]
mod tests;

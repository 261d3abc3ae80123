//! Evaluates one rule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashSet;
use tidegauge_promql::{Labels, METRIC_NAME, Query, Sample, Selector, Timestamp, VectorSample};

use super::failure::Failure;
use super::file::{AlertSpec, RuleSpec};
use super::world::World;
use crate::alert::{Active, Alert, Hit, Source, StepError, Terms};
use crate::template::{Scope, Template};

/// The label that names an alert.
pub const ALERT_NAME: &str = "alertname";

/// What all rules of a group have in common at one evaluation.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The time of evaluation, in milliseconds.
    pub at: Timestamp,
    /// The time that queries are asked for and samples are written at.
    pub sampled_at: Timestamp,
    /// The group's limit.
    pub limit: usize,
    /// How often the group is evaluated.
    pub interval: Duration,
    /// The world.
    pub world: &'a World,
}

/// Samples to be written.
pub type Batch = Vec<(Labels, Sample)>;

/// What to do about two samples of one identity.
const TWINS: &str = "aggregate, or let a label that tells them apart as it is";

/// What to do about too many.
const BEYOND: &str = "narrow the expression, or raise the group's limit";

/// Templates of a rule that failed at one evaluation.
#[derive(Debug, Default)]
pub struct Failed {
    /// How many.
    pub count: u64,
    /// What the last one said.
    pub error: String,
}

/// Evaluates a recording rule.
///
/// # Errors
/// Why there are no samples.
pub fn record(rule: &RuleSpec, moment: Moment<'_>) -> Result<Batch, Failure> {
    let samples = moment.world.ask(&rule.query, moment.sampled_at)?;
    let mut seen = FxHashSet::default();
    let mut batch = Vec::with_capacity(samples.len());
    for VectorSample { labels, sample } in samples {
        let name = [(METRIC_NAME, rule.name.as_str())];
        let labels = Labels::new(labels.iter().chain(name).chain(rule.labels.iter()));
        if !seen.insert(labels.clone()) {
            return Err(Failure::new(
                "vector contains metrics with the same labelset after applying rule labels",
                TWINS,
            ));
        }
        let time = moment.sampled_at;
        batch.push((labels, Sample { time, ..sample }));
    }
    if moment.limit > 0 && batch.len() > moment.limit {
        let (limit, count) = (moment.limit, batch.len());
        return Err(Failure::new(
            format!("exceeded limit of {limit} with {count} series"),
            BEYOND,
        ));
    }
    Ok(batch)
}

/// Evaluates an alerting rule: changes the alerts, and says what `ALERTS` and `ALERTS_FOR_STATE` are, and which templates
/// failed. `origins` is all that the rule reads, through recording rules too.
///
/// # Errors
/// Why the alerts stay as they were.
pub fn alert(
    rule: &RuleSpec,
    spec: &AlertSpec,
    active: &mut Active,
    origins: &[Selector],
    moment: Moment<'_>,
) -> Result<(Batch, Failed), Failure> {
    let world = moment.world;
    let samples = world.ask(&rule.query, moment.sampled_at)?;
    let scope = scope(world, moment.at);
    let mut failed = Failed::default();
    let hits = samples
        .into_iter()
        .map(|sample| hit(rule, spec, sample, &scope, &mut failed))
        .collect();
    let terms = Terms {
        hold: ms(spec.hold),
        keep_firing: ms(spec.keep_firing),
        limit: moment.limit,
        grace: grace(moment.interval),
    };
    let is_down = |labels: &Labels| {
        let source = Source {
            labels,
            selectors: origins,
        };
        world
            .health
            .as_ref()
            .is_some_and(|health| health.is_down(source))
    };
    active
        .step(moment.at, hits, terms, &is_down)
        .map_err(|error| {
            let hint = match &error {
                StepError::Duplicate => TWINS,
                StepError::Limit { .. } => BEYOND,
            };
            Failure::new(error.to_string(), hint)
        })?;
    let alive = active.iter().filter(|alert| alert.is_active());
    let batch = alive.flat_map(|alert| series(rule, alert, moment.sampled_at));
    Ok((batch.collect(), failed))
}

/// For how long after an outage or a restart a missing answer means nothing: until a rate can have two samples and
/// rules that this one looks at were evaluated.
pub fn grace(interval: Duration) -> i64 {
    2 * ms(interval)
}

fn scope(world: &World, at: Timestamp) -> Scope {
    let asked = world.clone();
    Scope {
        at,
        external_url: world.external_url.clone(),
        external_labels: world.external_labels.clone(),
        ask: Arc::new(move |text| {
            let query = Query::parse(text).map_err(|error| error.to_string())?;
            asked.ask(&query, at).map_err(|failure| failure.message)
        }),
    }
}

fn hit(
    rule: &RuleSpec,
    spec: &AlertSpec,
    sample: VectorSample,
    scope: &Scope,
    failed: &mut Failed,
) -> Hit {
    let value = sample.sample.value;
    let mut expand = |(name, template): &(String, Template)| {
        let text = template.expand(&sample.labels, value, scope);
        // A text that cannot be made says so, and the alert fires with it.
        let text = text.unwrap_or_else(|error| {
            failed.count += 1;
            failed.error = error.to_string();
            error.in_place_of_text()
        });
        (name.clone(), text)
    };
    let own: Vec<(String, String)> = spec.labels.iter().map(&mut expand).collect();
    let annotations: BTreeMap<String, String> = spec.annotations.iter().map(&mut expand).collect();
    let labels = sample
        .labels
        .iter()
        .filter(|(name, _)| *name != METRIC_NAME);
    let own = own
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let labels = Labels::new(labels.chain(own).chain([(ALERT_NAME, rule.name.as_str())]));
    Hit {
        labels,
        annotations,
        value,
    }
}

/// `ALERTS` and `ALERTS_FOR_STATE`. As in Prometheus a label whose template gives nothing has the template's text here.
fn series(rule: &RuleSpec, alert: &Alert, time: Timestamp) -> [(Labels, Sample); 2] {
    let with = |extra: &[(&str, &str)]| {
        let all = rule.labels.iter().chain(alert.labels.iter());
        Labels::new(all.chain(extra.iter().copied()))
    };
    // Seconds, as Prometheus writes them.
    #[expect(clippy::cast_precision_loss, reason = "seconds of our age are exact")]
    let since = alert.active_at.div_euclid(1_000) as f64;
    [
        (
            with(&[(METRIC_NAME, "ALERTS"), ("alertstate", alert.state.name())]),
            Sample { time, value: 1.0 },
        ),
        (
            with(&[(METRIC_NAME, "ALERTS_FOR_STATE")]),
            Sample { time, value: since },
        ),
    ]
}

/// Milliseconds.
pub fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

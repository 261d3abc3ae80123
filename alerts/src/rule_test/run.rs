//! Runs one test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidegauge_promql::script::parse_metric;
use tidegauge_promql::{Labels, MemoryStorage, Query, Timestamp};

use super::input::Input;
use super::show;
use super::spec::{AlertTest, Expected, ExpressionTest, Test, TestFile};
use crate::alert::State;
use crate::rule::{ALERT_NAME, Group, GroupSpec, Limits, World, ms};
use crate::template::go_duration;

/// promtool's limit on the samples of a query.
const MOST_SAMPLES: u64 = 10_000;

/// Runs a test with these groups in their order; each failure.
pub fn group(file: &TestFile, test: &Test, groups: &[(Arc<str>, &GroupSpec)]) -> Vec<String> {
    if let Some(nameless) = test.alerts.iter().find(|alert| alert.name.is_empty()) {
        let within = match test.name.as_str() {
            "" => String::new(),
            name => format!(" (in TestGroup {name})"),
        };
        return vec![format!(
            "an item under alert_rule_test misses required attribute alertname at eval_time {}{within}",
            show::duration(nameless.at)
        )];
    }
    let input = match Input::read(&test.input, test.start, test.interval) {
        Ok(input) => input,
        Err(error) => return vec![error],
    };
    let store = Arc::new(MemoryStorage::new());
    let mut world = World::of(store.clone());
    world.external_url = test.external_url.as_str().into();
    world.external_labels = Labels::new(&test.external_labels);
    world.limits = Limits {
        max_samples: MOST_SAMPLES,
        timeout: Duration::from_secs(100),
        default_step: file.evaluation_interval,
        ..Limits::default()
    };
    let groups = groups
        .iter()
        .map(|(file, spec)| Group::new(file.clone(), (*spec).clone(), test.interval))
        .collect();
    let mut run = Run {
        file,
        test,
        world,
        store,
        groups,
        failures: Vec::new(),
    };
    if run.alerts(input) {
        for expression in &test.expressions {
            run.expression(expression);
        }
    }
    run.failures
}

struct Run<'a> {
    file: &'a TestFile,
    test: &'a Test,
    world: World,
    store: Arc<MemoryStorage>,
    groups: Vec<Group>,
    failures: Vec<String>,
}

impl Run<'_> {
    /// Evaluates all groups up to the last time that is asked for, and compares alerts on the way; whether no rule
    /// failed.
    fn alerts(&mut self, mut input: Input) -> bool {
        let test = self.test;
        let alerts = test.alerts.iter().map(|alert| alert.at);
        let last = alerts
            .chain(test.expressions.iter().map(|expression| expression.at))
            .max()
            .unwrap_or_default();
        let times: BTreeSet<Duration> = test.alerts.iter().map(|alert| alert.at).collect();
        let mut times = times.into_iter().peekable();
        let mut since = Duration::ZERO;
        while since <= last {
            let at = test.start + ms(since);
            match input.advance(at, &self.store) {
                Ok(()) => {
                    if !self.evaluate(at) {
                        return false;
                    }
                }
                Err(error) => self.failures.push(error),
            }
            // What is asked for between two evaluations is answered by the earlier one.
            let next = since + self.file.evaluation_interval;
            while let Some(time) = times.next_if(|time| since <= *time && *time < next) {
                for alert in test.alerts.iter().filter(|alert| alert.at == time) {
                    self.compare(alert);
                }
            }
            since = next;
        }
        true
    }

    fn evaluate(&mut self, at: Timestamp) -> bool {
        let mut fine = true;
        for group in &mut self.groups {
            group.evaluate(at, &self.world);
            for rule in group
                .rules
                .iter()
                .filter(|rule| !rule.last_error.is_empty())
            {
                fine = false;
                self.failures.push(format!(
                    "    rule: {}, time: {}, err: {}",
                    rule.spec.name,
                    go_duration(at.saturating_mul(1_000_000)),
                    rule.last_error
                ));
            }
        }
        fine
    }

    fn compare(&mut self, alert: &AlertTest) {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let named =
            rules.filter(|rule| rule.spec.alert().is_some() && rule.spec.name == alert.name);
        let mut got: Vec<Expected> = named
            .flat_map(|rule| rule.active.iter())
            .filter(|alert| alert.state == State::Firing)
            .map(|alert| Expected {
                labels: alert
                    .labels
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                annotations: alert.annotations.clone(),
            })
            .collect();
        let mut expected = alert.expected.clone();
        for one in &mut expected {
            let name = alert.name.clone();
            one.labels.insert(ALERT_NAME.to_owned(), name);
        }
        got.sort();
        expected.sort();
        if got != expected {
            let name = &self.test.name;
            let failure = show::alerts(name, &alert.name, alert.at, &expected, &got);
            self.failures.push(failure);
        }
    }

    fn expression(&mut self, test: &ExpressionTest) {
        let failure = match self.samples(test) {
            Ok((expected, got)) if self.same(&expected, &got) => return,
            Ok((expected, got)) => show::samples(&test.expression, test.at, &expected, &got),
            Err(error) => format!(
                "    expr: {:?}, time: {}, err: {error}",
                test.expression,
                show::duration(test.at)
            ),
        };
        self.failures.push(failure);
    }

    fn samples(&self, test: &ExpressionTest) -> Result<(Samples, Samples), String> {
        let query = Query::parse(&test.expression).map_err(|error| error.to_string())?;
        let answer = self
            .world
            .ask(&query, self.test.start + ms(test.at))
            .map_err(|failure| failure.message)?;
        let mut got: Samples = answer
            .into_iter()
            .map(|sample| (sample.labels, sample.sample.value))
            .collect();
        let mut expected = Vec::new();
        for (labels, value) in &test.expected {
            let parsed =
                parse_metric(labels).map_err(|error| format!("labels {labels:?}: {error}"))?;
            expected.push((parsed, *value));
        }
        got.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((expected, got))
    }

    /// As in promtool NaN is not the same as NaN.
    fn same(&self, expected: &Samples, got: &Samples) -> bool {
        let near = |a: f64, b: f64| {
            a == b || self.file.fuzzy_compare && (a.next_up() == b || a.next_down() == b)
        };
        expected.len() == got.len()
            && expected
                .iter()
                .zip(got)
                .all(|(a, b)| a.0 == b.0 && near(a.1, b.1))
    }
}

type Samples = Vec<(Labels, f64)>;

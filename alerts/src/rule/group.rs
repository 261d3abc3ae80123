//! A group of rules, evaluated one after the other (Prometheus, rules/group.go).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;
use tidegauge_promql::{Labels, STALE, Sample, Selector, Timestamp};

use super::evaluate::{self, Batch, Failed, Moment, grace, ms};
use super::failure::Failure;
use super::file::{GroupSpec, RuleSpec};
use super::lineage::Lineage;
use super::world::World;
use crate::alert::{Active, Alert, Database, Delivery, Due, RuleKey, Saved};

/// How a rule's last evaluation went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There was none yet.
    #[default]
    Unknown,
    /// Well.
    Good,
    /// Not well.
    Bad,
}

impl Health {
    /// As in Prometheus's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "ok",
            Self::Bad => "err",
        }
    }
}

/// A rule and what became of it.
#[derive(Debug)]
pub struct Rule {
    /// As it is written.
    pub spec: Arc<RuleSpec>,
    /// How it went.
    pub health: Health,
    /// Why it did not go well; empty where it did.
    pub last_error: String,
    /// How long it took.
    pub took: Duration,
    /// When it was evaluated, in milliseconds.
    pub evaluated_at: Option<Timestamp>,
    /// Whether a template failed at the last evaluation.
    pub template_failed: bool,
    /// Its alerts.
    pub active: Active,
    /// All that it reads, through recording rules too.
    origins: Vec<Selector>,
    key: RuleKey,
    written: FxHashSet<Labels>,
}

/// A group and what became of it.
#[derive(Debug)]
pub struct Group {
    /// The file that it stands in.
    pub file: Arc<str>,
    /// As it is written.
    pub spec: GroupSpec,
    /// How often it is evaluated.
    pub interval: Duration,
    /// Its rules in their order.
    pub rules: Vec<Rule>,
    /// How long the last evaluation took.
    pub took: Duration,
    /// When it was evaluated, in milliseconds.
    pub evaluated_at: Option<Timestamp>,
    /// Series of rules that are gone, to be marked as ended.
    ended: Vec<Labels>,
    generation: u64,
}

/// What an evaluation of a group did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// Rules that were evaluated.
    pub rules: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Samples that they gave.
    pub samples: u64,
    /// Templates that failed.
    pub failed_templates: u64,
}

impl Group {
    /// A group that was not evaluated yet.
    pub fn new(file: Arc<str>, spec: GroupSpec, default_interval: Duration) -> Self {
        let mut rules: Vec<Rule> = Vec::with_capacity(spec.rules.len());
        for rule in &spec.rules {
            let twins = rules
                .iter()
                .filter(|other| other.key.name == rule.name && other.key.labels == rule.labels)
                .count();
            rules.push(Rule {
                spec: Arc::clone(rule),
                health: Health::Unknown,
                last_error: String::new(),
                template_failed: false,
                took: Duration::ZERO,
                evaluated_at: None,
                active: Active::default(),
                origins: rule.query.selectors().to_vec(),
                key: RuleKey {
                    file: file.to_string(),
                    group: spec.name.clone(),
                    name: rule.name.clone(),
                    labels: rule.labels.clone(),
                    number: u32::try_from(twins).unwrap_or(u32::MAX),
                },
                written: FxHashSet::default(),
            });
        }
        Self {
            file,
            interval: spec.interval.unwrap_or(default_interval),
            spec,
            rules,
            took: Duration::ZERO,
            evaluated_at: None,
            ended: Vec::new(),
            generation: 0,
        }
    }

    /// Finds out what its rules read of what others record.
    pub fn trace(&mut self, lineage: &Lineage<'_>) {
        for rule in &mut self.rules {
            rule.origins = lineage.origins(&rule.spec);
        }
    }

    /// Evaluates all rules as of a time. Each sees what those before it gave. One that fails keeps its alerts.
    pub fn evaluate(&mut self, at: Timestamp, world: &World) -> Evaluated {
        let begun = Instant::now();
        let offset = self.spec.query_offset.unwrap_or(world.query_offset);
        let moment = Moment {
            at,
            sampled_at: at - ms(offset),
            limit: self.spec.limit,
            interval: self.interval,
            world,
        };
        let mut sum = Evaluated::default();
        for rule in &mut self.rules {
            let rule_begun = Instant::now();
            let samples = rule.evaluate(moment);
            rule.took = rule_begun.elapsed();
            rule.evaluated_at = Some(at);
            sum.rules += 1;
            match samples {
                Ok((samples, templates)) => {
                    sum.samples += samples;
                    sum.failed_templates += templates.count;
                    rule.tell_templates(&templates);
                    rule.went_well();
                }
                Err(failure) => {
                    sum.failed += 1;
                    rule.failed(failure);
                }
            }
        }
        self.end_series(moment.sampled_at, world);
        self.took = begun.elapsed();
        self.evaluated_at = Some(at);
        sum
    }

    /// Marks the series of rules that are gone as ended.
    fn end_series(&mut self, time: Timestamp, world: &World) {
        if self.ended.is_empty() {
            return;
        }
        let value = STALE;
        let ended = std::mem::take(&mut self.ended);
        let marks: Batch = ended
            .into_iter()
            .map(|labels| (labels, Sample { time, value }))
            .collect();
        // What is refused another rule writes now, which is as good.
        world.store.append(&marks);
    }

    /// All series that the rules wrote are of rules that are gone; they are marked as ended when nobody else writes
    /// them: the group is not there any more.
    pub fn end_all(&mut self, time: Timestamp, world: &World) {
        for rule in &mut self.rules {
            self.ended.extend(rule.written.drain());
        }
        self.end_series(time, world);
    }

    /// Takes over the state of a former version of the group: for each rule that of the one with the same name and
    /// labels; of several such the first gets the first's.
    pub fn take_over(&mut self, mut old: Self) {
        self.took = old.took;
        self.evaluated_at = old.evaluated_at;
        self.generation = old.generation;
        self.ended = std::mem::take(&mut old.ended);
        for former in old.rules {
            let is_same = |rule: &&mut Rule| {
                rule.key.name == former.key.name
                    && rule.key.labels == former.key.labels
                    && rule.key.number == former.key.number
                    && rule.spec.alert().is_some() == former.spec.alert().is_some()
            };
            let Some(rule) = self.rules.iter_mut().find(is_same) else {
                self.ended.extend(former.written);
                continue;
            };
            rule.written = former.written;
            rule.active = former.active;
            rule.health = former.health;
            rule.last_error = former.last_error;
            rule.template_failed = former.template_failed;
            rule.took = former.took;
            rule.evaluated_at = former.evaluated_at;
            let longer = |spec: &RuleSpec| spec.alert().map(|alert| ms(alert.hold));
            if let (Some(hold), Some(at)) = (longer(&rule.spec), rule.evaluated_at)
                && longer(&former.spec).is_some_and(|before| before < hold)
            {
                rule.active.lengthen(at, hold);
            }
        }
    }

    /// Takes in alerts as they were saved; those of other groups are left alone. Until rules and feeds had their
    /// time, an empty answer does not end them.
    pub fn restore(&mut self, saved: &[(RuleKey, Alert)], now: Timestamp, generation: u64) {
        self.generation = generation;
        for rule in &mut self.rules {
            if rule.spec.alert().is_none() {
                continue;
            }
            for (_, alert) in saved.iter().filter(|(key, _)| *key == rule.key) {
                rule.active.insert(alert.clone());
            }
            rule.active.hold_all(now + grace(self.interval));
        }
    }

    /// Saves what changed, in one transaction. What cannot be saved is kept for the next time.
    pub fn save(&mut self, database: &Database, now: Timestamp) {
        if database.generation() != self.generation {
            self.generation = database.generation();
            for rule in &mut self.rules {
                rule.active.lost();
            }
        }
        let mut changes: Vec<Saved<'_>> = Vec::new();
        for rule in &self.rules {
            let unsaved = rule.active.unsaved();
            changes.extend(unsaved.map(|(labels, alert)| Saved {
                rule: &rule.key,
                labels,
                alert,
            }));
        }
        if changes.is_empty() {
            return;
        }
        let urgent = self.rules.iter().any(|rule| rule.active.is_urgent());
        // The database tells the log.
        if database.save(&changes, urgent, now).is_ok() {
            for rule in &mut self.rules {
                rule.active.saved();
            }
        }
    }

    /// The keys of its alerting rules.
    pub fn keys(&self) -> impl Iterator<Item = RuleKey> {
        let alerting = self.rules.iter().filter(|rule| rule.spec.alert().is_some());
        alerting.map(|rule| rule.key.clone())
    }

    /// Alerts that are to be sent at a time, with the index of their rule. Alerts of a rule that fails are among
    /// them: that nothing is known of them does not make them resolved.
    pub fn due(&self, at: Timestamp, resend_delay: Duration) -> Vec<(usize, Due)> {
        let delivery = Delivery {
            resend_delay: ms(resend_delay),
            interval: ms(self.interval),
        };
        let rules = self.rules.iter().enumerate();
        rules
            .flat_map(|(index, rule)| {
                let due = delivery.due(&rule.active, at);
                due.into_iter().map(move |due| (index, due))
            })
            .collect()
    }

    /// Writes down that an alert of a rule was handed over at a time; [`Group::save`] makes it last.
    pub fn sent(&mut self, rule: usize, labels: &Labels, at: Timestamp) {
        if let Some(rule) = self.rules.get_mut(rule) {
            rule.active.sent(labels, at);
        }
    }
}

impl Rule {
    /// Logs a failure once for each reason: a rule that fails does so at each evaluation.
    fn failed(&mut self, failure: Failure) {
        if self.health != Health::Bad || !failure.is_like(&self.last_error) {
            let (key, line) = (&self.key, self.spec.place.0);
            tracing::warn!(
                file = key.file,
                line,
                group = key.group,
                rule = key.name,
                error = failure.message,
                hint = failure.hint,
                "a rule failed; its alerts stay as they are"
            );
        }
        self.health = Health::Bad;
        self.last_error = failure.message;
    }

    fn went_well(&mut self) {
        if self.health == Health::Bad {
            let key = &self.key;
            tracing::info!(
                file = key.file,
                group = key.group,
                rule = key.name,
                "the rule can be evaluated again"
            );
        }
        self.health = Health::Good;
        self.last_error.clear();
    }

    /// Logs once that templates fail, and once that they work again.
    fn tell_templates(&mut self, failed: &Failed) {
        let (key, line) = (&self.key, self.spec.place.0);
        if failed.count > 0 && !self.template_failed {
            tracing::warn!(
                file = key.file,
                line,
                group = key.group,
                rule = key.name,
                error = failed.error,
                hint = "correct the template; `tidegauge test rules` tries it",
                "a template failed; the alert goes on with the error in place of the text"
            );
        } else if failed.count == 0 && self.template_failed {
            tracing::info!(
                file = key.file,
                group = key.group,
                rule = key.name,
                "the rule's templates work again"
            );
        }
        self.template_failed = failed.count > 0;
    }

    /// Evaluates and writes; how many samples it gave, and templates that failed.
    fn evaluate(&mut self, moment: Moment<'_>) -> Result<(u64, Failed), Failure> {
        let spec = Arc::clone(&self.spec);
        let (mut batch, templates) = match spec.alert() {
            Some(alert) => evaluate::alert(&spec, alert, &mut self.active, &self.origins, moment)?,
            None => (evaluate::record(&spec, moment)?, Failed::default()),
        };
        let samples = batch.len();
        let written: FxHashSet<Labels> = batch.iter().map(|(labels, _)| labels.clone()).collect();
        let time = moment.sampled_at;
        let refused = moment.world.store.append(&batch);
        batch.clear();
        for gone in self.written.difference(&written) {
            let value = STALE;
            batch.push((gone.clone(), Sample { time, value }));
        }
        if !batch.is_empty() {
            // What is refused here another rule writes now, which is as good.
            moment.world.store.append(&batch);
        }
        self.written = written;
        let complaint = |count: u64, why: &str| match count {
            0 => String::new(),
            _ => format!("{count} of {samples} samples were refused: {why}; "),
        };
        let complaints = complaint(refused.out_of_order, "older than the series' last one")
            + &complaint(refused.duplicate, "another value at the same time")
            + &complaint(refused.over_limit, "no room in the window");
        if complaints.is_empty() {
            Ok((u64::try_from(samples).unwrap_or(u64::MAX), templates))
        } else {
            let hint = match refused.over_limit {
                0 => "did the clock jump, or does another rule write the same series?",
                _ => "raise window.max_series or window.max_bytes, or take in less",
            };
            Err(Failure::new(complaints.trim_end_matches("; "), hint))
        }
    }
}

//! Runs scripts.

use std::time::Duration;

use promql_parser::parser::Expr;

use super::compare::{self, Mismatch};
use super::expect::Grid;
use super::notation::{Notation, Point};
use super::parse::{Command, Evaluation, Load, When};
use super::{Evaluated, Failure, OutOfScope, Outcome, Report, Script, moments, scope};
use crate::error::Error;
use crate::labels::Labels;
use crate::memory::MemoryStorage;
use crate::query::{Options, Query};
use crate::sample::{Sample, Timestamp};
use crate::value::Answer;

impl Script {
    /// Runs the script from an empty store.
    pub fn run(&self) -> Report {
        let mut world = World::default();
        let mut report = Report::default();
        for command in &self.commands {
            let evaluated = match command {
                Command::Clear => {
                    world = World::default();
                    None
                }
                Command::Load(load) => world.load(load).err(),
                Command::Evaluate(evaluation) => Some(Evaluated {
                    line: evaluation.line,
                    expression: evaluation.expression.clone(),
                    outcome: world.evaluate(evaluation),
                }),
            };
            report.evaluations.extend(evaluated);
        }
        report
    }
}

impl Report {
    /// How many evaluations passed, failed, were skipped.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for evaluated in &self.evaluations {
            counts[match evaluated.outcome {
                Outcome::Passed => 0,
                Outcome::Failed(_) => 1,
                Outcome::Skipped(_) => 2,
            }] += 1;
        }
        counts
    }
}

/// What was loaded.
#[derive(Default)]
struct World {
    storage: MemoryStorage,
    /// Series with native histograms.
    histograms: Vec<Labels>,
    /// Series with start timestamps.
    started: Vec<Labels>,
}

/// As upstream's scripts are run, features that are not on by default included.
fn options() -> Options<'static> {
    Options {
        delayed_name_removal: true,
        ..Options::default()
    }
}

impl World {
    fn load(&mut self, load: &Load) -> Result<(), Evaluated> {
        self.started
            .extend(load.started.iter().map(|s| s.labels.clone()));
        for (line, series) in &load.series {
            self.append(series, load.step)
                .map_err(|failure| Evaluated {
                    line: *line,
                    expression: format!("load {}", series.labels),
                    outcome: Outcome::Failed(failure),
                })?;
            if load.as_native {
                self.histograms.extend(as_native(&series.labels));
            }
        }
        Ok(())
    }

    fn append(&mut self, series: &Notation, step: i64) -> Result<(), Failure> {
        let mut time = 0;
        for point in &series.points {
            match *point {
                Point::Number(value) => {
                    if !self.storage.append(&series.labels, Sample { time, value }) {
                        return Err(Failure {
                            asked: None,
                            wanted: "samples in order of time".to_owned(),
                            got: format!("one at {time} that is not later than what is there"),
                        });
                    }
                }
                Point::Histogram if self.histograms.last() != Some(&series.labels) => {
                    self.histograms.push(series.labels.clone());
                }
                Point::Histogram | Point::Missing => {}
            }
            time += step;
        }
        Ok(())
    }

    fn evaluate(&self, evaluation: &Evaluation) -> Outcome {
        if evaluation.expected.histograms {
            return Outcome::Skipped(OutOfScope::ExpectsHistograms);
        }
        let query = Query::parse(&evaluation.expression);
        if let Some(reason) = scope::of_text(&evaluation.expression, query.is_ok()) {
            return Outcome::Skipped(reason);
        }
        let query = match query {
            Ok(query) => query,
            Err(error) => {
                let tree = scope::trimming(&evaluation.expression);
                return match tree.and_then(|tree| self.out_of_scope(&tree)) {
                    Some(reason) => Outcome::Skipped(reason),
                    None => outcome(failed(evaluation, &error)),
                };
            }
        };
        if let Some(reason) = self.out_of_scope(query.expression()) {
            return Outcome::Skipped(reason);
        }
        outcome(match evaluation.when {
            When::Range(grid) => self.range(evaluation, &query, grid).map_err(as_asked),
            When::Instant(at) => self.instants(evaluation, &query, at, None),
            When::RangeVector(grid) => self.instants(evaluation, &query, grid.to, Some(grid)),
        })
    }

    /// Whether an expression selects what is not only numbers.
    fn out_of_scope(&self, tree: &Expr) -> Option<OutOfScope> {
        let selected = |series| scope::selected(tree, series).cloned();
        selected(&self.histograms)
            .map(OutOfScope::SelectsHistograms)
            .or_else(|| selected(&self.started).map(OutOfScope::SelectsStartTimestamps))
    }

    fn range(&self, evaluation: &Evaluation, query: &Query, grid: Grid) -> Result<(), Mismatch> {
        match self.ask_range(query, grid) {
            Err(error) => failed(evaluation, &error),
            Ok(answer) => succeeded(evaluation, &answer, Some(grid)),
        }
    }

    fn ask_range(&self, query: &Query, grid: Grid) -> Result<Answer, Error> {
        let step = Duration::from_millis(grid.step.unsigned_abs());
        query.range(&self.storage, grid.from, grid.to, step, &options())
    }

    /// As the script says, and in all other ways that are to come to the same.
    fn instants(
        &self,
        evaluation: &Evaluation,
        query: &Query,
        at: Timestamp,
        grid: Option<Grid>,
    ) -> Result<(), Failure> {
        self.instant(evaluation, query, at, grid, None)?;
        let Some(fixed) = moments::fixed(query.expression(), at) else {
            return Ok(());
        };
        let text = fixed.to_string();
        let fixed = Query::parse(&text).map_err(|error| Failure {
            asked: Some(text.clone()),
            wanted: "an expression".to_owned(),
            got: error.to_string(),
        })?;
        for other in moments::others(at) {
            self.instant(evaluation, &fixed, other, grid, Some(&text))?;
        }
        Ok(())
    }

    fn instant(
        &self,
        evaluation: &Evaluation,
        query: &Query,
        at: Timestamp,
        grid: Option<Grid>,
        text: Option<&str>,
    ) -> Result<(), Failure> {
        let asked = |mismatch: Mismatch| Failure {
            asked: text.map(|text| format!("{text} at {at} ms")),
            ..as_asked(mismatch)
        };
        let answer = match query.instant(&self.storage, at, &options()) {
            Err(error) => return failed(evaluation, &error).map_err(asked),
            Ok(answer) => answer,
        };
        succeeded(evaluation, &answer, grid).map_err(asked)?;
        let context = ["start()", "end()", "range()", "step()"];
        let text = text.unwrap_or(&evaluation.expression);
        if grid.is_some()
            || matches!(answer.value, crate::Value::String(_))
            || context.iter().any(|call| text.contains(call))
        {
            return Ok(());
        }
        let asked = |mismatch: Mismatch| Failure {
            asked: Some(format!("{text} in the middle of a range, at {at} ms")),
            ..as_asked(mismatch)
        };
        let minute = 60_000;
        let around = Grid {
            from: at - minute,
            to: at + minute,
            step: minute,
        };
        match self.ask_range(query, around) {
            Err(error) => Err(asked(Mismatch {
                wanted: "a value".to_owned(),
                got: error.to_string(),
            })),
            Ok(_) if evaluation.expected.ordered => Ok(()),
            Ok(answer) => compare::middle(&evaluation.expected, &answer.value, at).map_err(asked),
        }
    }
}

/// Whether an evaluation was to fail so.
fn failed(evaluation: &Evaluation, error: &Error) -> Result<(), Mismatch> {
    let message = error.to_string();
    let wanted = match &evaluation.expected.failure {
        None => "a value".to_owned(),
        Some(patterns) => match patterns.iter().find(|pattern| !pattern.fits(&message)) {
            None => return Ok(()),
            Some(pattern) => format!("an error {pattern}"),
        },
    };
    Err(Mismatch {
        wanted,
        got: format!("error: {message}"),
    })
}

fn succeeded(evaluation: &Evaluation, answer: &Answer, grid: Option<Grid>) -> Result<(), Mismatch> {
    let expected = &evaluation.expected;
    if expected.failure.is_some() {
        return Err(Mismatch {
            wanted: "an error".to_owned(),
            got: compare::show(&answer.value),
        });
    }
    compare::notes(expected, answer)?;
    compare::value(expected, &answer.value, grid)
}

fn as_asked(mismatch: Mismatch) -> Failure {
    Failure {
        asked: None,
        wanted: mismatch.wanted,
        got: mismatch.got,
    }
}

fn outcome<E: Into<Failure>>(result: Result<(), E>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(failure) => Outcome::Failed(failure.into()),
    }
}

impl From<Mismatch> for Failure {
    fn from(mismatch: Mismatch) -> Self {
        as_asked(mismatch)
    }
}

/// The series of native histograms that a series of a classic one is loaded as, too.
fn as_native(labels: &Labels) -> Option<Labels> {
    let name = labels.name();
    let base = ["_bucket", "_count", "_sum"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))?;
    Some(labels.with("le", "").with("__name__", base))
}

//! Evaluates a [`Plan`]: node by node, each over all steps at once. A selector asks the store once for all that the
//! steps need and reads each series once; ranges slide over what was read; groups and matches are found
//! once, since they depend on labels only. A query of one time is the same with one step.

mod aggregate;
mod answer;
mod binary;
mod budget;
mod call;
mod names;
mod range;
mod select;
mod steps;
mod table;
mod whole;

pub(crate) use names::{Head, Names};
pub(crate) use steps::Steps;

use crate::error::Error;
use crate::notes::Notes;
use crate::plan::{At, Plan, ScalarNode, ScalarOperator, VectorNode, with_stack};
use crate::query::Options;
use crate::sample::{Timestamp, millis};
use crate::storage::Storage;
use crate::value::Answer;

use budget::Budget;
use names::{Same, unite};
use table::{Scalars, Table, is_present};

/// One evaluation of a query.
pub(crate) struct Engine<'a> {
    storage: &'a dyn Storage,
    lookback: i64,
    default_step: i64,
    names: Names,
    /// The steps of the whole query.
    query: Steps,
    /// Where the query ends: after the last step, it may be.
    end: Timestamp,
    notes: Notes,
    budget: Budget<'a>,
}

impl<'a> Engine<'a> {
    /// For a query with these steps that ends there.
    pub fn new(
        storage: &'a dyn Storage,
        options: &Options<'a>,
        query: Steps,
        end: Timestamp,
    ) -> Self {
        Self {
            storage,
            lookback: millis(options.lookback),
            default_step: millis(options.default_step).max(1),
            names: match options.delayed_name_removal {
                true => Names::AtEnd,
                false => Names::AtOnce,
            },
            query,
            end,
            notes: Notes::default(),
            budget: Budget::new(options),
        }
    }

    /// The answer at the one time that the query has.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn instant(mut self, plan: &Plan) -> Result<Answer, Error> {
        self.budget.work(0)?;
        let at = self.query.first;
        let value = match plan {
            Plan::Text(text) => crate::Value::String(text.clone()),
            Plan::Scalar(node) => {
                let number = self.scalars(node, self.query)?.at(0);
                answer::scalar(number, at)
            }
            Plan::Vector(node) => {
                let table = self.table(node, self.query)?;
                answer::vector(table, at, self.names)?
            }
            Plan::Matrix(range) => self.matrix(range)?,
        };
        Ok(self.answer(value))
    }

    /// The answer at all steps.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn range(mut self, plan: &Plan) -> Result<Answer, Error> {
        self.budget.work(0)?;
        self.budget.check(self.query.count)?;
        let table = match plan {
            Plan::Scalar(node) => {
                let scalars = self.scalars(node, self.query)?;
                Table::of_scalars(&scalars, self.query.count)
            }
            Plan::Vector(node) => self.table(node, self.query)?,
            Plan::Text(_) | Plan::Matrix(_) => return Err(no_range(plan)),
        };
        let value = answer::matrix(table, self.query, self.names)?;
        Ok(self.answer(value))
    }

    fn answer(self, value: crate::Value) -> Answer {
        let (warnings, infos) = self.notes.into_parts();
        Answer {
            value,
            warnings,
            infos,
            samples_read: self.budget.read(),
        }
    }

    /// The numbers of a scalar.
    fn scalars(&mut self, node: &ScalarNode, steps: Steps) -> Result<Scalars, Error> {
        with_stack(|| self.numbers_of(node, steps))
    }

    fn numbers_of(&mut self, node: &ScalarNode, steps: Steps) -> Result<Scalars, Error> {
        let seconds = |time: Timestamp| time as f64 / 1000.0;
        Ok(match node {
            ScalarNode::Number(number) => Scalars::Same(*number),
            ScalarNode::Time => Scalars::Each(steps.times().map(seconds).collect()),
            ScalarNode::QueryStart => Scalars::Same(seconds(self.query.first)),
            ScalarNode::QueryEnd => Scalars::Same(seconds(self.end)),
            ScalarNode::QueryRange => Scalars::Same(seconds(self.end - self.query.first)),
            ScalarNode::QueryStep if self.end == self.query.first => Scalars::Same(0.0),
            ScalarNode::QueryStep => Scalars::Same(seconds(self.query.every)),
            ScalarNode::Negate(inner) => self.scalars(inner, steps)?.map(|number| -number),
            ScalarNode::Operate(operator, left, right) => {
                let (left, right) = (self.scalars(left, steps)?, self.scalars(right, steps)?);
                left.zip(right, steps.count, |l, r| match operator {
                    ScalarOperator::Of(operator) => operator.apply(l, r),
                    ScalarOperator::Larger => crate::functions::max(l, r),
                    ScalarOperator::Smaller => crate::functions::min(l, r),
                })
            }
            ScalarNode::OfVector(vector) => {
                let table = self.table(vector, steps)?;
                Scalars::Each(whole::scalar(&table))
            }
            ScalarNode::Once(inner) => {
                let once = self.scalars(inner, Steps::single(steps.first))?;
                Scalars::Same(once.at(0))
            }
        })
    }

    /// The series of a vector. What its parts hold is let go.
    fn table(&mut self, node: &VectorNode, steps: Steps) -> Result<Table, Error> {
        let before = self.budget.held();
        self.budget.work(1)?;
        let table = with_stack(|| self.evaluate(node, steps))?;
        self.budget.hold_only(before, table.cells())?;
        self.budget.work(table.cells())?;
        Ok(table)
    }

    fn evaluate(&mut self, node: &VectorNode, steps: Steps) -> Result<Table, Error> {
        match node {
            VectorNode::Instant(select) => self.select(select, steps),
            VectorNode::Once(inner) => {
                let once = self.table(inner, Steps::single(steps.first))?;
                self.budget
                    .check(once.cells().saturating_mul(steps.count))?;
                Ok(once.spread(steps.count))
            }
            VectorNode::Negate(inner) => {
                let mut table = self.table(inner, steps)?;
                for value in table.values_mut().iter_mut().filter(|v| is_present(**v)) {
                    *value = -*value;
                }
                self.nameless(table, Same::Unite)
            }
            VectorNode::WithScalar(node) => self.with_scalar(node, steps),
            VectorNode::Join(join) => self.join(join, steps),
            VectorNode::Set(set) => self.set(set, steps),
            VectorNode::Aggregate(aggregate) => self.aggregate(aggregate, steps),
            VectorNode::OverWindow(call) => self.over_window(call, steps),
            VectorNode::Each(call) => self.each(call, steps),
            VectorNode::OfTime(call) => self.of_time(call, steps),
            VectorNode::OfScalar(scalar) => {
                let scalars = self.scalars(scalar, steps)?;
                Ok(Table::of_scalars(&scalars, steps.count))
            }
            VectorNode::Absent(vector, labels) => self.absent(vector, labels, steps),
            VectorNode::AbsentOverTime(range, labels) => {
                self.absent_over_time(range, labels, steps)
            }
            VectorNode::Relabel(relabel) => self.relabel(relabel, steps),
            VectorNode::Sort(vector, order) => self.sort(vector, order, steps),
            VectorNode::SampleTimes(select) => self.sample_times(select, steps),
            VectorNode::StepTimes(vector) => self.step_times(vector, steps),
            VectorNode::Histogram(histogram) => self.histogram(histogram, steps),
            VectorNode::Nothing(vector) => {
                self.table(vector, steps)?;
                Ok(Table::new(steps.count))
            }
        }
    }

    /// With all names to go.
    fn nameless(&self, mut table: Table, same: Same) -> Result<Table, Error> {
        for head in &mut table.heads {
            head.lose_name();
        }
        unite(table, self.names, same)
    }

    /// The time that `@` names.
    fn fixed(&self, at: Option<At>) -> Option<Timestamp> {
        at.map(|at| match at {
            At::Time(time) => time,
            At::QueryStart => self.query.first,
            At::QueryEnd => self.end,
        })
    }
}

/// A query over a range of times of what has no value at one time.
fn no_range(plan: &Plan) -> Error {
    let kind = match plan {
        Plan::Text(_) => "string",
        _ => "range vector",
    };
    Error::Parse(format!(
        "invalid expression type {kind:?} for range query, must be Scalar or instant Vector"
    ))
}

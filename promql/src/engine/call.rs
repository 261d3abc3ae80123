//! Functions of windows, of values, of times.

use crate::error::Error;
use crate::functions::{Kind, Window};
use crate::plan::{Each, OfTime, OverWindow, ScalarNode};

use super::names::Same;
use super::range::Slide;
use super::table::{ABSENT, Scalars, Table, is_present};
use super::{Engine, Head, Steps};

/// The scalar arguments of a function, step by step.
struct Numbers {
    scalars: Vec<Scalars>,
    now: Vec<f64>,
}

impl Numbers {
    fn at(&mut self, step: usize) -> &[f64] {
        for (now, scalars) in self.now.iter_mut().zip(&self.scalars) {
            *now = scalars.at(step);
        }
        &self.now
    }
}

impl Engine<'_> {
    fn numbers(&mut self, nodes: &[ScalarNode], steps: Steps) -> Result<Numbers, Error> {
        let mut scalars = Vec::with_capacity(nodes.len());
        for node in nodes {
            scalars.push(self.scalars(node, steps)?);
        }
        Ok(Numbers {
            now: vec![f64::NAN; scalars.len()],
            scalars,
        })
    }

    /// A function of windows.
    pub(super) fn over_window(&mut self, call: &OverWindow, steps: Steps) -> Result<Table, Error> {
        let Kind::OverWindow(function) = call.function.kind else {
            let name = call.function.name;
            return Err(Error::Execution(format!("{name} is no function of ranges")));
        };
        let mut numbers = self.numbers(&call.numbers, steps)?;
        let windows = self.windows(&call.range, steps);
        let mut table = Table::new(steps.count);
        let mut row = vec![ABSENT; steps.count];
        self.each_series(&call.range, windows, |engine, head, samples| {
            let name = head.label(engine.names, "__name__");
            let mut slide = Slide::default();
            for (step, result) in row.iter_mut().enumerate() {
                let edges = windows.edges(step);
                let inside = slide.to(&samples.times, edges);
                *result = ABSENT;
                if inside.is_empty() {
                    continue;
                }
                let window = Window {
                    times: &samples.times[inside.clone()],
                    values: &samples.values[inside],
                    from: edges.from,
                    to: edges.to,
                    at: steps.at(step),
                    name,
                };
                let numbers = numbers.at(step);
                call.function.check(numbers)?;
                *result = function(&window, numbers, &mut engine.notes).unwrap_or(ABSENT);
                engine.budget.work(window.values.len())?;
            }
            let nameless = head.is_nameless() || !call.function.keeps_name;
            let before = table.cells();
            table.push(head.nameless(nameless), row.iter().copied());
            engine.budget.hold(table.cells() - before)
        })?;
        super::unite(table, self.names, Same::Refuse)
    }

    /// A function of each value.
    pub(super) fn each(&mut self, call: &Each, steps: Steps) -> Result<Table, Error> {
        let mut table = self.table(&call.vector, steps)?;
        let mut numbers = self.numbers(&call.numbers, steps)?;
        for row in table.values_mut().chunks_exact_mut(steps.count) {
            for (step, value) in row.iter_mut().enumerate() {
                if is_present(*value) {
                    *value = (call.function)(*value, numbers.at(step)).unwrap_or(ABSENT);
                }
            }
        }
        table.drop_empty();
        self.nameless(table, Same::Unite)
    }

    /// A function of each value as a time, or of the time of evaluation.
    pub(super) fn of_time(&mut self, call: &OfTime, steps: Steps) -> Result<Table, Error> {
        let Some(vector) = &call.vector else {
            let mut table = Table::new(steps.count);
            // Whole seconds, as upstream counts here.
            let values = steps
                .times()
                .map(|time| (call.function)((time / 1000) as f64));
            table.push(Head::new(crate::Labels::empty()), values);
            return Ok(table);
        };
        let mut table = self.table(vector, steps)?;
        for value in table.values_mut().iter_mut().filter(|v| is_present(**v)) {
            *value = (call.function)(*value);
        }
        self.nameless(table, Same::Unite)
    }
}

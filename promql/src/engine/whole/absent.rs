//! `absent` and `absent_over_time`: 1 where there is nothing.

use crate::engine::range::Slide;
use crate::engine::table::{ABSENT, Table};
use crate::engine::{Engine, Head, Steps};
use crate::error::Error;
use crate::labels::Labels;
use crate::plan::{Range, VectorNode};

impl Engine<'_> {
    /// 1 at the steps without a value, with the labels that were asked for.
    pub(in crate::engine) fn absent(
        &mut self,
        vector: &VectorNode,
        labels: &Labels,
        steps: Steps,
    ) -> Result<Table, Error> {
        let present = self.table(vector, steps)?.any_present();
        Ok(one_where_not(&present, labels))
    }

    /// 1 at the steps whose window is empty.
    pub(in crate::engine) fn absent_over_time(
        &mut self,
        range: &Range,
        labels: &Labels,
        steps: Steps,
    ) -> Result<Table, Error> {
        let windows = self.windows(range, steps);
        let mut present = vec![false; steps.count];
        self.each_series(range, windows, |_, _, samples| {
            let mut slide = Slide::default();
            for (step, present) in present.iter_mut().enumerate() {
                *present |= !slide.to(&samples.times, windows.edges(step)).is_empty();
            }
            Ok(())
        })?;
        Ok(one_where_not(&present, labels))
    }
}

fn one_where_not(present: &[bool], labels: &Labels) -> Table {
    let mut table = Table::new(present.len());
    let row = present
        .iter()
        .map(|present| if *present { ABSENT } else { 1.0 });
    table.push(Head::new(labels.clone()), row);
    table
}

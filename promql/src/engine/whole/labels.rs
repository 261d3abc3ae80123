//! `label_replace` and `label_join`.

use crate::engine::names::{Same, unite_by};
use crate::engine::table::Table;
use crate::engine::{Engine, Head, Steps};
use crate::error::Error;
use crate::plan::{NewValue, Relabel};

impl Engine<'_> {
    /// Sets a label of each row.
    pub(in crate::engine) fn relabel(
        &mut self,
        relabel: &Relabel,
        steps: Steps,
    ) -> Result<Table, Error> {
        let names = self.names;
        let mut table = self.table(&relabel.vector, steps)?;
        let mut changed = false;
        for head in &mut table.heads {
            let Some(value) = self.new_value(&relabel.value, head) else {
                continue;
            };
            let labels = head.labels(names).with(&relabel.target, &value);
            // A name that is given here stays.
            let nameless = head.is_nameless() && relabel.target != "__name__";
            *head = Head::new(labels).nameless(nameless);
            changed = true;
        }
        if !changed {
            return Ok(table);
        }
        unite_by(table, Same::Unite, |head| head.labels(names))
    }

    fn new_value(&self, value: &NewValue, head: &Head) -> Option<String> {
        match value {
            NewValue::Replace {
                source,
                pattern,
                template,
            } => {
                let captures = pattern.captures(head.label(self.names, source))?;
                let mut value = String::new();
                captures.expand(template, &mut value);
                Some(value)
            }
            NewValue::Join { sources, separator } => {
                let values = sources.iter().map(|name| head.label(self.names, name));
                Some(values.collect::<Vec<_>>().join(separator))
            }
        }
    }
}

//! Aggregations. The group of each row is found once, for all steps.

mod count_values;
mod limit;
mod quantile;
mod rank;
mod running;

use crate::error::Error;
use crate::plan::{Aggregate, Aggregation, Grouping};

use super::binary::{Chains, Ordinals};
use super::table::Table;
use super::{Engine, Head, Names, Steps};

/// The groups of rows.
struct Groups {
    /// Of each row.
    ordinals: Vec<usize>,
    /// Of each group.
    heads: Vec<Head>,
}

impl Groups {
    fn new(table: &Table, grouping: &Grouping, names: Names) -> Self {
        let mut ordinals = Vec::with_capacity(table.len());
        let mut heads: Vec<Head> = Vec::new();
        let mut known = Ordinals::new(grouping, names);
        for head in &table.heads {
            let ordinal = known.of(head);
            if ordinal == heads.len() {
                heads.push(Head::new(grouping.labels(head, names)));
            }
            // The name goes from the group if it goes from any member.
            if head.is_nameless() && !heads[ordinal].is_nameless() {
                heads[ordinal].lose_name();
            }
            ordinals.push(ordinal);
        }
        Self { ordinals, heads }
    }

    fn rows(&self) -> Chains {
        Chains::new(&self.ordinals, self.heads.len())
    }
}

impl Engine<'_> {
    /// One row for each group, or some of the rows of each.
    pub(super) fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        steps: Steps,
    ) -> Result<Table, Error> {
        let parameter = match &aggregate.kind {
            Aggregation::Quantile(node)
            | Aggregation::Top(node)
            | Aggregation::Bottom(node)
            | Aggregation::Limit(node)
            | Aggregation::LimitRatio(node) => self.scalars(node, steps)?,
            _ => super::table::Scalars::Same(f64::NAN),
        };
        let table = self.table(&aggregate.vector, steps)?;
        if let Aggregation::CountValues(label) = &aggregate.kind {
            return self.count_values(label, &aggregate.grouping, &table);
        }
        let groups = Groups::new(&table, &aggregate.grouping, self.names);
        self.budget.hold(table.cells())?;
        self.budget
            .check(groups.heads.len().saturating_mul(steps.count))?;
        match &aggregate.kind {
            Aggregation::Top(_) => self.rank(table, &groups, &parameter, true),
            Aggregation::Bottom(_) => self.rank(table, &groups, &parameter, false),
            Aggregation::Limit(_) => self.limit(table, &groups, &parameter),
            Aggregation::LimitRatio(_) => self.limit_ratio(table, &parameter),
            Aggregation::Quantile(_) => self.quantile(&table, groups, &parameter),
            kind => Ok(running::aggregate(kind, &table, groups)),
        }
    }
}

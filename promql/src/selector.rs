//! What a query asks its store for.

use std::time::Duration;

use promql_parser::label::Matcher;

/// A selector of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// What it matches, the metric's name among them where the query names it.
    pub matchers: Vec<Matcher>,
    /// How far before the time of evaluation its samples may lie: its range, or the usual lookback of five
    /// minutes where it has none, its offset, and the ranges and offsets of the subqueries around it.
    pub reach: Duration,
    /// Whether it, or a subquery around it, looks at a time that the query names (`@ 1609746000`): `reach`
    /// then counts from that time.
    pub fixed: bool,
}
